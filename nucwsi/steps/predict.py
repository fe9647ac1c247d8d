"""`predict`: the ensemble's mean maps of one part of a canvas."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.composition.disagreement import contrast_weights
from nucwsi.config import LEAST_NP, PredictSettings
from nucwsi.errors import StoreError
from nucwsi.facts import Member, SlideFacts
from nucwsi.grid import TileGrid, Window
from nucwsi.io.stores.publish import (
    Workspace,
    create_array,
    create_group,
    file_checksum,
    pack,
    workspace,
    write_chunk,
)
from nucwsi.io.stores.reader import CoreReader, Store, opened
from nucwsi.models.card import Card, largest_halo_px, mean_count_error, read_cards
from nucwsi.models.ensemble import Ensemble, QuantisedMaps, largest_batch
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.allocator import keep_freed_memory, return_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.lease import leased
from nucwsi.runtime.progress import progress

if TYPE_CHECKING:
    import zarr

log = logging.getLogger(__name__)

#: How far around its core each tile's own answer is kept where tiles may disagree. A nucleus of
#: less than twice this lies whole in at least one of them.
OVERLAP_PX = 64

#: Smallest core of such tiles: what lies between two overlaps must be higher than any nucleus.
SMALLEST_CORE_PX = 512


#: Tiles between two returns of memory on a processor, where their windows have many sizes.
_TILES_KEPT = 8


@dataclass(frozen=True)
class _Job:
    """One core, and the part of it that holds tissue."""

    position: tuple[int, int]  # in the grid
    core: Window
    tissue: NDArray[np.bool_]  # of the core, in tissue cells
    window: Window  # what the network answers for; may reach beyond the canvas

    @property
    def key(self) -> str:
        return "{},{}".format(*self.position)


def _jobs(store: Store, grid: TileGrid, rows: range, step_px: int) -> Iterator[_Job]:
    """Cut the box around the tissue of each core, at multiples of `step_px` that divide the core."""
    cell, mask = store.facts.tissue_px, store.tissue()
    step = step_px // cell
    for row, column in grid.strips(rows):
        core = grid.core(row, column)
        cells = Window(
            core.row // cell, core.column // cell, -(-core.height // cell), -(-core.width // cell)
        )
        tissue = mask[cells.slices]
        if not tissue.any():
            continue
        used = [np.flatnonzero(tissue.any(axis)) // step for axis in (1, 0)]
        (top, left), (low, right) = ((int(side[end]) for side in used) for end in (0, -1))
        window = Window(
            core.row + top * step_px,
            core.column + left * step_px,
            (low + 1 - top) * step_px,
            (right + 1 - left) * step_px,
        )
        yield _Job((row, column), core, tissue, window)


def _read(cores: CoreReader, window: Window) -> NDArray[np.uint8]:
    """Read a window; what lies beyond the canvas is white."""
    picture = np.full((3, *window.shape), 255, np.uint8)
    inside = window.intersection(cores.grid.canvas)
    if inside is not None:
        picture[(slice(None), *inside.within(window).slices)] = cores.read("0", inside)
    return picture


class _Arrays(NamedTuple):
    """The arrays of the store that is being made; none for contrasts where there are none."""

    cores: tuple[zarr.Array[Any], ...]
    around: tuple[zarr.Array[Any], ...]  # a chunk for each core, overlaps and all; or none
    overlap_px: int


def _write_around(arrays: _Arrays, job: _Job, maps: QuantisedMaps) -> QuantisedMaps:
    """Keep a tile's answer with its overlap, and return it without."""
    for array, values in zip(arrays.around, maps, strict=False):
        write_chunk(array, *job.position, values)
    inner = slice(arrays.overlap_px, -arrays.overlap_px)
    kept = (..., inner, inner)
    return QuantisedMaps._make(values[kept] for values in maps)


def _write(arrays: tuple[zarr.Array[Any], ...], job: _Job, maps: QuantisedMaps, cell: int) -> None:
    core, inside = job.core, job.window.intersection(job.core)
    if inside is None:
        return
    # Beyond the tissue the network is not asked, whatever the size of the core.
    mask = job.tissue.repeat(cell, 0).repeat(cell, 1)[: core.height, : core.width]
    source, target = inside.within(job.window).slices, inside.within(core).slices
    for number, (array, values) in enumerate(zip(arrays, maps, strict=False)):
        block = np.zeros((*values.shape[:-2], *core.shape), values.dtype)
        block[(..., *target)] = values[(..., *source)] * mask[target]
        write_chunk(array, *job.position, block)
        if number == 0:
            mask &= _near_nuclei(block)


def _near_nuclei(np_map: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell where the other maps can matter; most of the room that they take is elsewhere.

    Edges are as wide as `instances.EDGE_RADIUS_PX`. What lies beyond the core is not known here, so
    its border always counts.
    """
    near = np.pad(np_map >= LEAST_NP * 255, 1, constant_values=True)
    near = near[:-2] | near[1:-1] | near[2:]
    return near[:, :-2] | near[:, 1:-1] | near[:, 2:]


def _batches(jobs: Iterable[_Job], size: int) -> Iterator[list[_Job]]:
    iterator = iter(jobs)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _checked(store: Store, cards: tuple[Card, ...]) -> int:
    halo_px = largest_halo_px(cards)
    if abs(cards[0].mpp / store.frame.mpp - 1) > 1e-6:
        raise StoreError(
            f"{store.path}: was tiled at {store.frame.mpp} µm/px, but {cards[0].path} works at"
            f" {cards[0].mpp}; tile the slide for this checkpoint"
        )
    if halo_px > store.facts.halo_px:
        raise StoreError(
            f"{store.path}: was tiled for a halo of {store.facts.halo_px} px, but the ensemble"
            f" needs {halo_px}; tile the slide for this ensemble"
        )
    if not all(card.local for card in cards) and store.facts.core_px < SMALLEST_CORE_PX:
        raise StoreError(
            f"{store.path}: was tiled with core_px {store.facts.core_px}, but an ensemble with a"
            f" member that is not local needs {SMALLEST_CORE_PX} or more; tile the slide anew"
        )
    return halo_px


def _map_arrays(
    place: Workspace, store: Store, cards: tuple[Card, ...], facts: SlideFacts
) -> _Arrays:
    group = create_group(place.folder / "maps", {"nucwsi": facts.to_json()})
    grid = store.grid
    tissue, n_classes = store.chunk("tissue", 0, 0), len(cards[0].classes)
    create_array(group, "tissue", tissue.shape, tissue.shape, "u1", 0)[:] = tissue

    def made(prefix: str, shape: tuple[int, int], side: int) -> tuple[zarr.Array[Any], ...]:
        return tuple(
            create_array(
                group, prefix + name, (*lead, *shape), (*lead, side, side), dtype, 0, codec="lz4"
            )
            for name, lead, dtype in (
                ("np", (), "u1"),
                ("hv", (2,), "i1"),
                ("tp", (n_classes,), "u1"),
                ("contrasts", (facts.contrasts * n_classes,), "i1"),
            )
            if 0 not in lead
        )

    overlap_px = facts.overlap_px
    side = grid.core_px + 2 * overlap_px
    shape = (grid.n_rows * side, grid.n_columns * side)
    around = made("around_", shape, side) if overlap_px else ()
    return _Arrays(made("", grid.shape, grid.core_px), around, overlap_px)


def predict(
    tiles: Path,
    output: Path,
    settings: PredictSettings,
    *,
    members: tuple[str, ...],
    part: int = 1,
    parts: int = 1,
    threads: int = 1,
) -> None:
    """Predict the maps of one part; a killed run goes on at its last finished tile.

    Parameters
    ----------
    tiles : pathlib.Path
        ``tiles.zarr.zip``.
    output : pathlib.Path
        ``maps/{part}-of-{parts}.zarr.zip``.
    settings : PredictSettings
    members : tuple of str
        Checkpoints of the ensemble; the first one's constants go with the maps.
    part, parts : int
        Which band of the canvas, of how many.
    threads : int
        Processor cores for the network.

    Raises
    ------
    CheckpointError
        If a member cannot be used.
    StoreError
        If the tiles were made for another ensemble, or the output cannot be written.
    ConfigError
        If the device does not exist.
    """
    cards = read_cards(members)
    torch.set_num_threads(threads)
    keep_freed_memory()
    with opened(tiles, "tiles") as store, leased(choose_device(settings.device)) as device:
        halo_px = _checked(store, cards)
        decisive = {
            "tiles": file_checksum(tiles),
            "members": [card.checksum for card in cards],
            "views": settings.views,
            "part": [part, parts],
            "result_version": RESULT_VERSION,
        }
        exact = all(card.local for card in cards)
        facts = store.facts.with_(
            kind="maps",
            exact=exact,
            overlap_px=0 if exact else OVERLAP_PX,
            classes=cards[0].classes,
            members=tuple(Member(name=card.name, checksum=card.checksum) for card in cards),
            views=settings.views,
            contrasts=len(contrast_weights(settings.views, len(cards))),
            part=part,
            parts=parts,
            post_processing=cards[0].post_processing,
            count_error=mean_count_error(cards),
        )
        if not exact:
            log.warning(
                "%s: not local, so results depend on core_px; nuclei are merged by overlap",
                ", ".join(card.name for card in cards if not card.local),
            )
        ensemble = Ensemble.load(cards, device, settings.views)
        if store.facts.core_px % ensemble.stride:
            raise StoreError(
                f"{store.path}: was tiled with core_px {store.facts.core_px}, but the ensemble"
                f" needs a multiple of its stride, {ensemble.stride} px; tile the slide anew"
            )
        facts = facts.with_(precision=str(ensemble.precision).removeprefix("torch."))
        log.info("%s, %s, %d members", device, ensemble.precision, len(cards))
        with workspace(output, decisive) as place:
            arrays = _map_arrays(place, store, cards, facts)
            _run(store, arrays, place, ensemble, halo_px, settings, part, parts)
            pack(place.folder / "maps", output)


def _run(
    store: Store,
    arrays: _Arrays,
    place: Workspace,
    ensemble: Ensemble,
    halo_px: int,
    settings: PredictSettings,
    part: int,
    parts: int,
) -> None:
    grid, cell = store.grid, store.facts.tissue_px
    cores = CoreReader(grid, store.chunk)
    # Equal windows can be batched, which pays on a GPU only. What lies beyond the tissue counts too
    # for networks that are not local, so their windows are equal on every device.
    batched = ensemble.device.type == "cuda"
    whole = batched or arrays.overlap_px > 0
    step_px = grid.core_px if whole else math.lcm(cell, ensemble.stride)
    every = list(_jobs(store, grid, grid.band(part, parts), step_px))
    # The largest windows first: what follows finds room in the memory that they leave.
    every.sort(key=lambda job: -job.window.height * job.window.width)
    jobs = [job for job in every if job.key not in place.done]
    if len(jobs) < len(every):
        log.info("resuming: %d of %d tiles are done", len(every) - len(jobs), len(every))
    size = settings.batch_size or largest_batch(
        ensemble, grid.core_px + 2 * halo_px, limit=min(64, max(1, len(jobs)))
    )

    def load(batch: list[_Job]) -> NDArray[np.uint8]:
        return np.stack([_read(cores, job.window.grown(halo_px)) for job in batch])

    def save(job: _Job, maps: QuantisedMaps) -> None:
        if arrays.overlap_px:
            maps = _write_around(arrays, job, maps)
        _write(arrays.cores, job, maps, cell)
        place.mark(job.key)

    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as writer,
        progress("predict", len(jobs), "tiles") as advance,
    ):
        saving: list[Future[None]] = []
        batches = ahead(load, _batches(jobs, size if batched else 1), reader, 1)
        for shown, (batch, pictures) in enumerate(batches, start=1):
            answers = ensemble.quantised(pictures, halo_px - arrays.overlap_px)
            for earlier in saving:
                earlier.result()
            saving = [
                writer.submit(save, job, maps) for job, maps in zip(batch, answers, strict=True)
            ]
            advance(len(batch))
            if not batched and shown % _TILES_KEPT == 0:
                return_freed_memory()
        for last in saving:
            last.result()

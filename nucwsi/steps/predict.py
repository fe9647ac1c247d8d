"""`predict`: the ensemble's mean maps of one part of a canvas."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.config import PredictSettings
from nucwsi.errors import StoreError
from nucwsi.grid import TileGrid, Window
from nucwsi.io.canvas import CoreReader, Store, opened
from nucwsi.io.store import (
    Workspace,
    create_array,
    create_group,
    file_checksum,
    pack,
    workspace,
)
from nucwsi.models.checkpoint import Card, read_cards
from nucwsi.models.lease import leased
from nucwsi.models.predict import (
    Ensemble,
    Quantised,
    choose_device,
    keep_freed_memory,
    largest_batch,
)
from nucwsi.steps.progress import progress

if TYPE_CHECKING:
    import zarr

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Job:
    """One core, and the part of it that holds tissue."""

    key: str
    core: Window
    tissue: NDArray[np.bool_]  # of the core, in tissue cells
    window: Window  # what the network answers for; may reach beyond the canvas


def _jobs(store: Store, grid: TileGrid, rows: range, whole: bool) -> Iterator[_Job]:
    cell = int(store.facts["tissue_px"])
    mask = store.chunk("tissue", 0, 0) > 0
    for row, column in grid.positions(rows):
        core = grid.core(row, column)
        cells = Window(
            core.row // cell, core.column // cell, -(-core.height // cell), -(-core.width // cell)
        )
        tissue = mask[cells.slices]
        if not tissue.any():
            continue
        box = Window(0, 0, grid.core_px // cell, grid.core_px // cell)
        if not whole:
            rows_used, columns_used = np.flatnonzero(tissue.any(1)), np.flatnonzero(tissue.any(0))
            top, left = int(rows_used[0]), int(columns_used[0])
            box = Window(top, left, int(rows_used[-1]) + 1 - top, int(columns_used[-1]) + 1 - left)
        window = Window(
            core.row + box.row * cell,
            core.column + box.column * cell,
            box.height * cell,
            box.width * cell,
        )
        yield _Job(f"{row},{column}", core, tissue, window)


def _read(cores: CoreReader, window: Window) -> NDArray[np.uint8]:
    """Read a window; what lies beyond the canvas is white."""
    picture = np.full((3, *window.shape), 255, np.uint8)
    inside = window.intersection(cores.grid.canvas)
    if inside is not None:
        picture[(slice(None), *inside.within(window).slices)] = cores.read("0", inside)
    return picture


def _write(arrays: tuple[zarr.Array[Any], ...], job: _Job, maps: Quantised, cell: int) -> None:
    core, inside = job.core, job.window.intersection(job.core)
    if inside is None:
        return
    mask = job.tissue.repeat(cell, 0).repeat(cell, 1)[: core.height, : core.width]
    source, target = inside.within(job.window).slices, inside.within(core).slices
    for array, values in zip(arrays, maps, strict=True):
        # Beyond the tissue the network is not asked, whatever the size of the core.
        block = np.zeros((*values.shape[:-2], *core.shape), values.dtype)
        block[(..., *target)] = values[(..., *source)] * mask[target]
        array[(..., *core.slices)] = block


def _ahead(
    items: Iterable[Item], load: Callable[[Item], Answer], pool: ThreadPoolExecutor
) -> Iterator[tuple[Item, Answer]]:
    """Load the next item while the caller works on this one."""
    waiting: tuple[Item, Future[Answer]] | None = None
    for item in items:
        coming = (item, pool.submit(load, item))
        if waiting is not None:
            yield waiting[0], waiting[1].result()
        waiting = coming
    if waiting is not None:
        yield waiting[0], waiting[1].result()


def _batches(jobs: Iterable[_Job], size: int) -> Iterator[list[_Job]]:
    iterator = iter(jobs)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _checked(store: Store, cards: tuple[Card, ...]) -> int:
    halo_px = max(card.halo_px for card in cards)
    if abs(cards[0].mpp / store.frame.mpp - 1) > 1e-6:
        raise StoreError(
            f"{store.path}: was tiled at {store.frame.mpp} µm/px, but {cards[0].path} works at"
            f" {cards[0].mpp}; tile the slide for this checkpoint"
        )
    if halo_px > store.facts["halo_px"]:
        raise StoreError(
            f"{store.path}: was tiled for a halo of {store.facts['halo_px']} px, but the ensemble"
            f" needs {halo_px}; tile the slide for this ensemble"
        )
    return halo_px


def _map_arrays(
    place: Workspace, store: Store, cards: tuple[Card, ...], facts: dict[str, Any]
) -> tuple[zarr.Array[Any], ...]:
    group = create_group(place.folder / "maps", {"nucwsi": facts})
    shape, core_px = store.frame.shape, int(store.facts["core_px"])
    tissue = store.chunk("tissue", 0, 0)
    create_array(group, "tissue", tissue.shape, tissue.shape, "u1", 0)[:] = tissue
    core, n_classes = (core_px, core_px), len(cards[0].classes)
    return (
        create_array(group, "np", shape, core, "u1", 0),
        create_array(group, "hv", (2, *shape), (2, *core), "i1", 0),
        create_array(group, "tp", (n_classes, *shape), (n_classes, *core), "u1", 0),
    )


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
        facts = {
            **store.facts,
            "kind": "maps",
            "classes": list(cards[0].classes),
            "members": [{"name": card.name, "checksum": card.checksum} for card in cards],
            "views": settings.views,
            "part": part,
            "parts": parts,
            "post_processing": asdict(cards[0].post_processing),
        }
        ensemble = Ensemble.load(cards, device, settings.views)
        log.info("%s, %s, %d members", device, ensemble.precision, len(cards))
        with workspace(output, decisive) as place:
            arrays = _map_arrays(place, store, cards, facts)
            _run(store, arrays, place, ensemble, halo_px, settings, part, parts)
            pack(place.folder / "maps", output)


def _run(
    store: Store,
    arrays: tuple[zarr.Array[Any], ...],
    place: Workspace,
    ensemble: Ensemble,
    halo_px: int,
    settings: PredictSettings,
    part: int,
    parts: int,
) -> None:
    grid = TileGrid(store.frame.shape, int(store.facts["core_px"]))
    cell, cores = int(store.facts["tissue_px"]), CoreReader(grid, store.chunk)
    # Equal windows can be batched, which pays on a GPU only.
    whole = ensemble.device.type == "cuda"
    every = list(_jobs(store, grid, grid.band(part, parts), whole))
    jobs = [job for job in every if job.key not in place.done]
    if len(jobs) < len(every):
        log.info("resuming: %d of %d tiles are done", len(every) - len(jobs), len(every))
    size = settings.batch_size or largest_batch(
        ensemble, grid.core_px + 2 * halo_px, limit=min(64, max(1, len(jobs)))
    )

    def load(batch: list[_Job]) -> NDArray[np.uint8]:
        return np.stack([_read(cores, job.window.grown(halo_px)) for job in batch])

    def save(job: _Job, maps: Quantised) -> None:
        _write(arrays, job, maps, cell)
        place.mark(job.key)

    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as writer,
        progress("predict", len(jobs), "tiles") as advance,
    ):
        saving: list[Future[None]] = []
        for batch, pictures in _ahead(_batches(jobs, size if whole else 1), load, reader):
            answers = ensemble.quantised(pictures, halo_px)
            for earlier in saving:
                earlier.result()
            saving = [
                writer.submit(save, job, maps) for job, maps in zip(batch, answers, strict=True)
            ]
            advance(len(batch))
        for last in saving:
            last.result()

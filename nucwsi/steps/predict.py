"""`predict`: the ensemble's mean maps of one part of a canvas."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.composition.disagreement import contrast_weights
from nucwsi.config import PredictSettings
from nucwsi.errors import CheckpointError, StoreError
from nucwsi.facts import Member, SlideFacts
from nucwsi.grid import Window
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.arrays import pack
from nucwsi.io.stores.maps_writer import MapsWriter
from nucwsi.io.stores.publish import Workspace, file_checksum, workspace
from nucwsi.io.stores.reader import CoreReader, Store, opened
from nucwsi.models.card import (
    Card,
    canvas_card,
    largest_halo_px,
    mean_count_error,
    read_cards,
)
from nucwsi.models.ensemble import Ensemble, QuantisedMaps, largest_batch
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.allocator import keep_freed_memory, return_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.lease import leased
from nucwsi.runtime.progress import progress

log = logging.getLogger(__name__)

#: Canvas pixels around its core in which each tile's own answer is kept, where tiles may disagree.
#: A nucleus smaller than twice this lies whole in at least one tile.
OVERLAP_PX = 64

#: Smallest core of such tiles, in canvas pixels: the space between two overlaps must be larger than
#: any nucleus.
SMALLEST_CORE_PX = 512

#: Tiles after which freed memory is returned to the system. On a CPU windows have many sizes, so
#: the memory that they free is too fragmented to be used again.
_TILES_PER_RETURN = 8


@dataclass(frozen=True)
class Job:
    """One core, and the window of it that the ensemble is asked for.

    Attributes
    ----------
    position : (int, int)
        Row and column of the core in the grid.
    window : Window
        Box around the tissue of the core, in canvas pixels; may reach beyond the canvas.
    """

    position: tuple[int, int]
    window: Window

    @property
    def key(self) -> str:
        """Name of the job in the list of what is done."""
        return "{},{}".format(*self.position)


def tissue_jobs(store: Store, rows: range, step_px: int) -> Iterator[Job]:
    """Box the tissue of each core that holds some.

    Parameters
    ----------
    store : Store
        Tiles.
    rows : range
        Rows of cores to visit.
    step_px : int
        The sides of a box lie at multiples of this from the origin of its core, in canvas pixels.
        A multiple of the cells of the tissue mask that divides a core.

    Yields
    ------
    Job
        In the order of `TileGrid.strips`.
    """
    cell, tissue = store.facts.tissue_px, store.tissue()
    step = step_px // cell
    for row, column in store.grid.strips(rows):
        core = store.grid.core(row, column)
        inside = tissue[core.cells(cell).slices]
        if not inside.any():
            continue
        rows_used, columns_used = (np.flatnonzero(inside.any(axis)) // step for axis in (1, 0))
        top, low = int(rows_used[0]), int(rows_used[-1])
        left, right = int(columns_used[0]), int(columns_used[-1])
        window = Window(
            core.row + top * step_px,
            core.column + left * step_px,
            (low + 1 - top) * step_px,
            (right + 1 - left) * step_px,
        )
        yield Job((row, column), window)


def read_window(cores: CoreReader, window: Window) -> NDArray[np.uint8]:
    """Read the pixels of a window; those beyond the canvas are white.

    Parameters
    ----------
    cores : CoreReader
        Of tiles.
    window : Window
        In canvas pixels.

    Returns
    -------
    (3, H, W) ndarray of uint8
        Red, green and blue.
    """
    rgb = np.full((3, *window.shape), 255, np.uint8)
    inside = window.intersection(cores.grid.canvas)
    if inside is not None:
        rgb[(slice(None), *inside.within(window).slices)] = cores.read("0", inside)
    return rgb


def _batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    iterator = iter(jobs)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _checked(store: Store, cards: tuple[Card, ...]) -> int:
    halo_px, finest = largest_halo_px(cards), canvas_card(cards)
    if abs(finest.mpp / store.frame.mpp - 1) > 1e-6:
        raise StoreError(
            f"{store.path}: was tiled at {store.frame.mpp} µm/px, but {finest.path} works at"
            f" {finest.mpp}; tile the slide for this checkpoint"
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
    if not all(card.local for card in cards) and halo_px < OVERLAP_PX:
        raise CheckpointError(
            f"{cards[0].path}: the largest halo is {halo_px} px, but an ensemble with a member that"
            f" is not local needs {OVERLAP_PX} or more; save a member anew with a larger halo"
        )
    return halo_px


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
        Views, device and batch size.
    members : tuple of str
        Checkpoints of the ensemble. The constants of one are stored with the maps; see
        `card.canvas_card`.
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
    check_outputs([output], [tiles, *(card.path for card in cards)])
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
            unions=canvas_card(cards).unions,
            members=tuple(Member(name=card.name, checksum=card.checksum) for card in cards),
            views=settings.views,
            contrasts=len(contrast_weights(settings.views, len(cards))),
            part=part,
            parts=parts,
            post_processing=canvas_card(cards).post_processing,
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
        # A run that goes on where numbers are rounded otherwise would mix two kinds of maps.
        with workspace(output, {**decisive, "precision": facts.precision}) as place:
            writer = MapsWriter(place.folder / "maps", facts, store.tissue())
            jobs = _open_jobs(store, ensemble, facts, place)
            _run(store, jobs, ensemble, writer, place, halo_px, settings.batch_size)
            pack(place.folder / "maps", output)


def _open_jobs(store: Store, ensemble: Ensemble, facts: SlideFacts, place: Workspace) -> list[Job]:
    """List the cores that are still to be done."""
    # Equal windows can be batched, which pays on a GPU only. What lies beyond the tissue counts too
    # for networks that are not local, so their windows are equal on every device.
    whole = _batched(ensemble) or facts.overlap_px > 0
    step_px = store.grid.core_px if whole else math.lcm(facts.tissue_px, ensemble.stride)
    jobs = list(tissue_jobs(store, store.grid.band(facts.part, facts.parts), step_px))
    # The largest windows first: later ones fit into the memory that these free.
    jobs.sort(key=lambda job: -job.window.height * job.window.width)
    still_open = [job for job in jobs if job.key not in place.done]
    if len(still_open) < len(jobs):
        log.info("resuming: %d of %d tiles are done", len(jobs) - len(still_open), len(jobs))
    return still_open


def _batched(ensemble: Ensemble) -> bool:
    return ensemble.device.type == "cuda"


def _run(
    store: Store,
    jobs: list[Job],
    ensemble: Ensemble,
    writer: MapsWriter,
    place: Workspace,
    halo_px: int,
    batch_size: int,
) -> None:
    """Read one batch ahead, ask the ensemble, and write one batch behind."""
    cores, overlap_px = CoreReader(store.grid, store.chunk), writer.overlap_px
    size, batched = 1, _batched(ensemble)
    if batched:
        size = batch_size or largest_batch(
            ensemble, store.grid.core_px + 2 * halo_px, limit=min(64, max(1, len(jobs)))
        )

    def load(batch: list[Job]) -> NDArray[np.uint8]:
        return np.stack([read_window(cores, job.window.grown(halo_px)) for job in batch])

    def save(job: Job, maps: QuantisedMaps) -> None:
        writer.write(job.position, job.window, maps)
        place.mark(job.key)

    with (
        ThreadPoolExecutor(1) as reading,
        ThreadPoolExecutor(1) as writing,
        progress("predict", len(jobs), "tiles") as advance,
    ):
        saving: list[Future[None]] = []
        batches = ahead(load, _batches(jobs, size), reading, 1)
        for n_batches, (batch, rgb) in enumerate(batches, start=1):
            asked = (job.window.grown(overlap_px) for job in batch)
            origins = [(window.row, window.column) for window in asked]
            answers = ensemble.quantised(rgb, halo_px - overlap_px, origins)
            for earlier in saving:
                earlier.result()
            saving = [
                writing.submit(save, job, maps) for job, maps in zip(batch, answers, strict=True)
            ]
            advance(len(batch))
            if not batched and n_batches % _TILES_PER_RETURN == 0:
                return_freed_memory()
        for last in saving:
            last.result()

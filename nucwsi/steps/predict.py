"""`predict`: the ensemble's mean maps of one part of a canvas."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    mean_miscount,
    read_cards,
)
from nucwsi.models.ensemble import Ensemble, QuantisedMaps, largest_batch
from nucwsi.nuclei.domain import colour_sums
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.allocator import keep_freed_memory, return_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.lease import leased
from nucwsi.runtime.progress import progress
from nucwsi.slide.windows import Asked, WindowPlan

log = logging.getLogger(__name__)

#: Canvas pixels around its core in which each tile's own answer is kept, where tiles may disagree.
#: A nucleus smaller than twice this lies whole in at least one tile.
OVERLAP_PX = 64

#: Smallest core of such tiles, in canvas pixels: the space between two overlaps must be larger than
#: any nucleus.
SMALLEST_CORE_PX = 512

#: Largest height and width of a window of several cores on a CPU, in canvas pixels. Twice as high,
#: the network would need a seventh less time, but the process more than 1 GB of memory.
_WINDOW_PX = 512, 1024

#: Resident memory, in MB, above which freed memory is returned to the system. On a CPU windows have
#: many sizes, so the memory that they free is too fragmented to be used again.
_KEPT_MB = 900


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


def _batches(jobs: Iterable[Asked], size: int) -> Iterator[list[Asked]]:
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
            miscount=mean_miscount(cards),
            domain=canvas_card(cards).domain,
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
            jobs = _open_jobs(store, ensemble, facts, place, halo_px)
            _run(store, jobs, ensemble, writer, place, halo_px, settings.batch_size)
            writer.conclude(facts.with_(colour=_colour(place)))
            pack(place.folder / "maps", output)


def _colour(place: Workspace) -> tuple[int, int, int, int]:
    """Add up the colours of the nuclei of all tiles, as `domain.colour_sums`."""
    sums = np.zeros(4, np.int64)
    for note in place.done.values():
        sums += np.array(note.split(), np.int64)
    n_pixels, red, green, blue = sums.tolist()
    return n_pixels, red, green, blue


def _key(position: tuple[int, int]) -> str:
    """Name a core in the list of what is done."""
    return "{},{}".format(*position)


def _open_jobs(
    store: Store, ensemble: Ensemble, facts: SlideFacts, place: Workspace, halo_px: int
) -> list[Asked]:
    """Plan the windows of the cores that are still to be done."""
    # Equal windows can be batched, which pays on a GPU only. What lies beyond the tissue counts too
    # for networks that are not local, so their windows are equal on every device.
    whole = _batched(ensemble) or facts.overlap_px > 0
    core_px, cell_px = store.grid.core_px, facts.tissue_px
    step_px = core_px if whole else math.lcm(cell_px, ensemble.stride)
    plan = WindowPlan(store.grid, store.tissue(), cell_px, step_px, halo_px)
    cores = store.grid.strips(store.grid.band(facts.part, facts.parts))
    still_open = [position for position in cores if _key(position) not in place.done]
    if place.done:
        log.info("resuming: %d tiles are done", len(place.done))
    rows, columns = (1 if whole else max(1, side // core_px) for side in _WINDOW_PX)
    jobs = list(plan.windows(still_open, (rows, columns)))
    # The largest windows first: later ones fit into the memory that these free.
    return sorted(jobs, key=lambda job: -job.window.height * job.window.width)


def _batched(ensemble: Ensemble) -> bool:
    return ensemble.device.type == "cuda"


def _run(
    store: Store,
    jobs: list[Asked],
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

    def load(batch: list[Asked]) -> NDArray[np.uint8]:
        windows = [read_window(cores, job.window.grown(halo_px)) for job in batch]
        return np.stack(windows) if len(windows) > 1 else windows[0][None]

    def save(job: Asked, pixels: NDArray[np.uint8], maps: QuantisedMaps) -> None:
        for position in job.positions:
            stored, core = writer.write(position, job.window, maps), store.grid.core(*position)
            shown = core.intersection(job.window) or core
            rgb = pixels[(slice(None), *shown.within(job.window.grown(halo_px)).slices)]
            sums = colour_sums(rgb, stored[shown.within(core).slices])
            place.mark(_key(position), " ".join(map(str, sums.tolist())))

    with (
        ThreadPoolExecutor(1) as reading,
        ThreadPoolExecutor(1) as writing,
        progress("predict", sum(len(job.positions) for job in jobs), "tiles") as advance,
    ):
        saving: list[Future[None]] = []
        batches = ahead(load, _batches(jobs, size), reading, 1)
        for batch, rgb in batches:
            asked = (job.window.grown(overlap_px) for job in batch)
            origins = [(window.row, window.column) for window in asked]
            answers = ensemble.quantised(rgb, halo_px - overlap_px, origins)
            for earlier in saving:
                earlier.result()
            saving = [writing.submit(save, *each) for each in zip(batch, rgb, answers, strict=True)]
            advance(sum(len(job.positions) for job in batch))
            if not batched:
                return_freed_memory(_KEPT_MB)
        for last in saving:
            last.result()

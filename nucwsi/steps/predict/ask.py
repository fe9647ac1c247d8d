"""How the networks are asked for the tiles of a part: windows, read, computed and written."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nucwsi.facts import SlideFacts
from nucwsi.grid import Window
from nucwsi.io.stores.maps_writer import MapsWriter
from nucwsi.io.stores.publish import Workspace, key_of
from nucwsi.io.stores.reader import CoreReader, Store
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.domain import colour_sums
from nucwsi.runtime.allocator import return_freed_memory
from nucwsi.runtime.cuda import Cuda
from nucwsi.runtime.host import Host
from nucwsi.runtime.pipeline import Batch, Device, Pipeline
from nucwsi.runtime.progress import progress
from nucwsi.slide.windows import Asked, WindowPlan, batches, size_step_px

log = logging.getLogger(__name__)

#: Largest height and width of a window of several cores on a CPU, in canvas pixels. Larger ones
#: take less time, because they share more of their halos, but the process more than 1 GB.
_WINDOW_PX = 512, 1024

#: The same for networks that compute strips of rows: asked once, and asked several times, whose
#: maps are added up.
_ONCE_PX, _OFTEN_PX = (1024, 2048), (1024, 1024)

#: Sides of a window on a GPU, in canvas pixels; the largest that fits. On lung-scc.svs, whose halo
#: is 288 px, all windows together have 227 megapixels for 512, 123 for 1024 and 93 for 2048.
_GPU_WINDOW_PX = 2048, 1024

#: Canvas pixels, halos included, that a GPU is asked for at once, at most: a window of 2048 px and
#: a halo of 400. With four classes such a batch takes 64 MB of pinned memory.
_GPU_BATCH_PX = 8 << 20

#: Most threads that read for a GPU, and most that write. Two for each of them, and two more, are
#: the batches that are open at once, which take 1.2 GB.
_GPU_THREADS = 4

#: Resident memory, in MB, above which freed memory is returned to the system. On a CPU windows have
#: many sizes, so the memory that they free is too fragmented to be used again.
_KEPT_MB = 900


def read_window(cores: CoreReader, window: Window, rgb: NDArray[np.uint8]) -> None:
    """Read the pixels of a window; those beyond the canvas are white.

    Parameters
    ----------
    cores : CoreReader
        Of tiles.
    window : Window
        In canvas pixels.
    rgb : (3, H, W) ndarray of uint8
        Red, green and blue of the window; written into.
    """
    inside = window.intersection(cores.grid.canvas)
    if inside != window:
        rgb[:] = 255
    if inside is not None:
        cores.read("0", inside, rgb[(slice(None), *inside.within(window).slices)])


class _Way(NamedTuple):
    """How windows reach a device.

    Attributes
    ----------
    device : pipeline.Device
        Computes them.
    step_px : int
        The sides of windows lie at multiples of this, in canvas pixels.
    together : (int, int)
        Rows and columns of cores that one holds at most.
    most_px : int
        Canvas pixels, halos included, of the windows of a batch.
    n_threads : int
        Threads that read, and as many that write.
    depth : int
        As for `Pipeline`.
    """

    device: Device[Asked, Any]
    step_px: int
    together: tuple[int, int]
    most_px: int
    n_threads: int
    depth: int


@dataclass(frozen=True)
class Part:
    """The tiles of one part of a canvas.

    Attributes
    ----------
    store : Store
        The slide's tiles.
    ensemble : Ensemble
        Is asked.
    writer : MapsWriter
        Takes the answers.
    place : Workspace
        Notes which tiles are done, and the colours of their nuclei.
    facts : SlideFacts
        Those of the maps.
    halo_px : int
        What the networks see around a window, in canvas pixels.
    """

    store: Store
    ensemble: Ensemble
    writer: MapsWriter
    place: Workspace
    facts: SlideFacts
    halo_px: int

    def predict(self, batch_size: int, threads: int) -> None:
        """Ask for the tiles that are still to be done.

        Parameters
        ----------
        batch_size : int
            Tiles that a GPU is asked for at once; 0: as many as fit.
        threads : int
            Processor cores that read and write for a GPU.
        """
        grid, done = self.store.grid, self.place.done
        band = grid.strips(grid.band(self.facts.part, self.facts.parts))
        still_open = [position for position in band if key_of(position) not in done]
        if done:
            log.info("resuming: %d tiles are done", len(done))
        on_gpu = self.ensemble.device.type == "cuda"
        way = self._by_gpu(batch_size, threads) if on_gpu else self._by_processor()
        tissue, cell_px = self.store.tissue(), self.facts.tissue_px
        plan = WindowPlan(grid, tissue, cell_px, way.step_px, self.halo_px)
        asked = list(plan.windows(still_open, way.together))
        cores = CoreReader(grid, self.store.chunk)
        with (
            ThreadPoolExecutor(way.n_threads) as reading,
            ThreadPoolExecutor(way.n_threads) as writing,
            progress("predict", sum(len(job.positions) for job in asked), "tiles") as advance,
        ):
            pipeline = Pipeline(
                way.device,
                lambda job, rgb: read_window(cores, job.window.grown(self.halo_px), rgb),
                self._write,
                *(reading, writing, way.depth),
            )
            for batch in pipeline.pump(map(self._batch, batches(asked, self.halo_px, way.most_px))):
                advance(sum(len(job.positions) for job in batch.jobs))

    def _by_processor(self) -> _Way:
        """One window after the other, for a batch is not faster; one is read and one written."""
        sides = _WINDOW_PX
        if self.ensemble.in_strips:
            sides = _ONCE_PX if self.ensemble.passes == 1 else _OFTEN_PX
        rows, columns = (max(1, side // self.store.grid.core_px) for side in sides)
        together = (rows, columns) if self._local else (1, 1)
        device = Host(self._compute_here)
        return _Way(device, self._step_px(), together, most_px=0, n_threads=1, depth=3)

    def _by_gpu(self, batch_size: int, threads: int) -> _Way:
        """Batches of windows of few sizes, both as large as the memory that is free allows."""
        device, core_px = Cuda(self.ensemble.device, self._compute), self.store.grid.core_px
        most_px, window_px = batch_size * self._seen_px(core_px), core_px
        if not batch_size:
            trial = Asked(((0, 0),), Window(0, 0, core_px, core_px))
            side = core_px + 2 * self.halo_px
            most_px = min(_GPU_BATCH_PX, device.capacity((3, side, side), trial) // 3)
            fitting = (side for side in _GPU_WINDOW_PX if self._seen_px(side) <= most_px)
            window_px = next(fitting, core_px) if self._local else core_px
        step_px = size_step_px(core_px, self._step_px())
        cores, n_threads = max(1, window_px // core_px), min(max(2, threads // 2), _GPU_THREADS)
        log.info(
            "up to %d x %d tiles a window, %.1f megapixels at once", cores, cores, most_px / 1e6
        )
        return _Way(device, step_px, (cores, cores), most_px, n_threads, 4 * n_threads + 2)

    @property
    def _local(self) -> bool:
        """Whether what lies beyond the tissue of a core may be left out."""
        return self.facts.overlap_px == 0

    def _step_px(self) -> int:
        """Return the step at which windows may begin and end."""
        unit_px = math.lcm(self.facts.tissue_px, self.ensemble.stride)
        return unit_px if self._local else self.store.grid.core_px

    def _seen_px(self, side: int) -> int:
        """Return how many pixels the networks see of a square window."""
        return int((side + 2 * self.halo_px) ** 2)

    def _batch(self, jobs: list[Asked]) -> Batch[Asked]:
        return Batch(jobs, (3, *jobs[0].window.grown(self.halo_px).shape))

    def _compute(self, images: torch.Tensor, jobs: Sequence[Asked]) -> torch.Tensor:
        overlap_px = self.facts.overlap_px
        answered = [job.window.grown(overlap_px) for job in jobs]
        origins = [(window.row, window.column) for window in answered]
        return self.ensemble.packed(images, self.halo_px - overlap_px, origins)

    def _compute_here(self, images: torch.Tensor, jobs: Sequence[Asked]) -> torch.Tensor:
        packed = self._compute(images, jobs)
        return_freed_memory(_KEPT_MB)
        return packed

    def _write(self, job: Asked, rgb: NDArray[np.uint8], packed: NDArray[np.uint8]) -> None:
        grid, seen = self.store.grid, job.window.grown(self.halo_px)
        maps = self.ensemble.unpacked(packed, job.window.grown(self.facts.overlap_px).shape)
        for position in job.positions:
            stored, core = self.writer.write(position, job.window, maps), grid.core(*position)
            shown = core.intersection(job.window) or core
            own = rgb[(slice(None), *shown.within(seen).slices)]
            sums = colour_sums(own, stored[shown.within(core).slices])
            self.place.mark(key_of(position), " ".join(map(str, sums.tolist())))

"""`segment`: the nuclei that one part of a canvas owns.

A component of the nucleus mask belongs to the core that holds its first pixel in raster order.
Nearly all of them end within a margin around that core and are cut into nuclei there, all at once.
Where one reaches farther, one pass over the whole mask finds all such, which are worked on alone.
What is wider than `GIANT_PX`, as dense tissue can be from end to end of a slide, is cut into blocks
of the canvas that have nothing to do with cores, so that memory stays bounded and the result is
still the same for every core size.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.config import SegmentSettings
from nucwsi.grid import Frame, TileGrid, Window
from nucwsi.io.nuclei.parquet import AT_ONCE, write_nuclei
from nucwsi.io.stores.maps import SlideMaps, open_maps
from nucwsi.nuclei.components import Component, crossing_components
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.instances import EDGE_RADIUS_PX
from nucwsi.nuclei.pixels import Pixels, connected
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.window import Constants, Maps, in_pixels, nuclei_of
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.progress import progress
from nucwsi.steps.segment.on_slide import on_slide

if TYPE_CHECKING:
    from nucwsi.steps.segment.overlap import Job, OverlapSegmenter

log = logging.getLogger(__name__)

#: Margins around a core, tried in turn, in which components end that need no care of their own. Few
#: reach beyond the first; only speed.
MARGINS_PX = (32, 128)

#: What must be seen around a component.
_GAP_PX = EDGE_RADIUS_PX + 1

#: Components wider or higher than this are cut into blocks. Part of the result.
GIANT_PX = 2048

#: Side of those blocks, and how far beyond a block a nucleus of it may reach. Part of the result.
BLOCK_PX, BLOCK_MARGIN_PX = 1024, 256


class _Work(NamedTuple):
    """What does not fit the margin of its core."""

    large: dict[tuple[int, int], list[Component]]  # by the core of the first pixel
    giant: dict[tuple[int, int], list[int]]  # by core: labels of giant pieces


def _constants(facts: dict[str, Any], frame: Frame, settings: SegmentSettings) -> Constants:
    fixed = PostProcessing(**facts["post_processing"])
    classes = facts["classes"]
    if settings.np_threshold is not None:
        fixed = replace(fixed, np_threshold=settings.np_threshold)
    if settings.min_area_um2 is not None:
        fixed = replace(fixed, min_area_um2=dict.fromkeys(classes, settings.min_area_um2))
    if settings.min_mean_np is not None:
        fixed = replace(fixed, min_mean_np=settings.min_mean_np)
    smooth = settings.outlines == "smooth"
    return in_pixels(fixed, classes, frame.mpp, smooth=smooth, simplify_px=settings.simplify_px)


def _owner(grid: TileGrid, row: int, column: int) -> tuple[int, int]:
    return row // grid.core_px, column // grid.core_px


def _reach(grid: TileGrid, position: tuple[int, int], margin_px: int) -> Window:
    """Return the part of the canvas that is read together with a core.

    Nothing of a component lies above its first pixel, which is in the core.
    """
    core = grid.core(*position)
    height, width = core.height + _GAP_PX + margin_px, core.width + 2 * margin_px
    window = Window(core.row - _GAP_PX, core.column - margin_px, height, width)
    return window.intersection(grid.canvas) or grid.canvas


def _fits(grid: TileGrid, box: Window, reach: Window) -> bool:
    """Tell whether a box ends within reach, with the pixels that its edges need."""
    needed = box.grown(_GAP_PX).intersection(grid.canvas)
    return needed is not None and needed == needed.intersection(reach)


def _fitting(grid: TileGrid, components: Pixels, count: int, reach: Window) -> NDArray[np.bool_]:
    """Tell the same of each component of a window, and that it is no giant."""
    labels = components.image()
    fits = np.ones(count + 1, bool)
    height, width = grid.shape
    for cut, rim in (
        (reach.row > 0, labels[:_GAP_PX]),
        (reach.row_stop < height, labels[-_GAP_PX:]),
        (reach.column > 0, labels[:, :_GAP_PX]),
        (reach.column_stop < width, labels[:, -_GAP_PX:]),
    ):
        if cut:
            fits[rim] = False
    if max(reach.shape) > GIANT_PX:
        box = components.boxes(count)
        fits[1:] &= (box[:, 2:] - box[:, :2]).max(axis=1) <= GIANT_PX
    return fits[1:]


def _find_work(maps: SlideMaps, level: int) -> _Work:
    grid = maps.grid
    masks = (
        ((row, column), maps.core("np", row, column) >= level)
        for row, column in grid.positions()
        if maps.has_tissue(row, column)
    )
    work = _Work(defaultdict(list), defaultdict(list))
    for component in crossing_components(grid, masks):
        box = component.box
        owner = _owner(grid, *component.first)
        if max(box.shape) > GIANT_PX:
            for row, column, label in component.pieces:
                work.giant[row, column].append(label)
        elif not _fits(grid, box, _reach(grid, owner, MARGINS_PX[-1])):
            work.large[owner].append(component)
    return work


def _maps(maps: SlideMaps, window: Window, np_map: NDArray[np.uint8]) -> Maps:
    others = (maps.read(name, window) for name in maps.names[1:])
    return Maps(maps.tissue(window.grown(1)), np_map, *others)


class _Segmenter:
    def __init__(self, maps: SlideMaps, constants: Constants) -> None:
        self.maps, self.constants = maps, constants
        self.dropped = np.zeros(len(constants.min_area_px), np.int64)
        self._work: _Work | None = None
        self._lock = Lock()

    @property
    def work(self) -> _Work:
        with self._lock:
            self._work = self._work or _find_work(self.maps, self.constants.np_level)
            return self._work

    def stages(self, rows: range) -> Iterator[list[Job]]:
        """Yield what there is to do in rows of cores: cores, and when they are done, blocks."""
        grid = self.maps.grid
        yield [partial(self.core, at) for at in grid.strips(rows) if self.maps.has_tissue(*at)]
        # If nothing reached beyond the margin of the core that owns it, there is no giant.
        if (self._work or len(rows) < grid.n_rows) and (blocks := self.blocks(rows)):
            yield [partial(self.block, block) for block in blocks]

    def core(self, position: tuple[int, int]) -> Iterator[NucleusTable]:
        """Yield the nuclei of all components that a core owns, giants excepted."""
        for margin_px in MARGINS_PX:
            window = _reach(self.maps.grid, position, margin_px)
            np_map = self.maps.read("np", window)
            components, count = connected(np_map >= self.constants.np_level)
            if not count:
                return
            owned = self._owned(position, window, components, count)
            fits = _fitting(self.maps.grid, components, count, window)
            all_fit = fits[owned].all()
            if all_fit:
                break
        chosen = owned & fits
        yield from self._table(window, np_map, components.only(chosen), chosen.sum())
        if not all_fit:
            for component in self.work.large.get(position, ()):
                yield from self._large(component)

    def _owned(
        self, position: tuple[int, int], window: Window, components: Pixels, count: int
    ) -> NDArray[np.bool_]:
        """Tell which components of a window have their first pixel in a core."""
        row, column = np.divmod(components.first(count), window.width)
        inner = self.maps.grid.core(*position).within(window)
        owned = (row >= inner.row) & (row < inner.row_stop)
        return owned & (column >= inner.column) & (column < inner.column_stop)

    def _large(self, component: Component) -> Iterator[NucleusTable]:
        canvas = self.maps.grid.canvas
        window = component.box.grown(EDGE_RADIUS_PX + 1).intersection(canvas) or canvas
        np_map = self.maps.read("np", window)
        components, count = connected(np_map >= self.constants.np_level)
        row, column = component.first
        first = (row - window.row) * window.width + column - window.column
        number = np.zeros(count + 1, np.int64)
        number[components.label[np.searchsorted(components.place, first)]] = 1
        yield from self._table(window, np_map, components.renumbered(number), 1)

    def block(self, block: Window) -> Iterator[NucleusTable]:
        """Yield the nuclei of giant components that begin in a block."""
        canvas = self.maps.grid.canvas
        margin = BLOCK_MARGIN_PX + EDGE_RADIUS_PX
        window = block.grown(margin).intersection(canvas) or canvas
        components, count = connected(self._giant_mask(window))
        np_map, inner = self.maps.read("np", window), block.within(window)
        yield from self._table(window, np_map, components, count, inner.slices)

    def _giant_mask(self, window: Window) -> NDArray[np.bool_]:
        grid = self.maps.grid
        mask = np.zeros(window.shape, bool)
        for position, pieces in self.work.giant.items():
            core = grid.core(*position)
            shared = core.intersection(window)
            if shared is not None:
                seen = self.maps.core("np", *position) >= self.constants.np_level
                components, count = connected(seen)
                chosen = np.zeros(count + 1, np.int64)
                chosen[pieces] = 1
                here = components.renumbered(chosen).image()[shared.within(core).slices]
                mask[shared.within(window).slices] = here > 0
        return mask

    def blocks(self, rows: range) -> list[Window]:
        """List the blocks with giant pieces that begin in rows of cores, in raster order."""
        grid = self.maps.grid
        found = set()
        for position in self.work.giant:
            core = grid.core(*position)
            for row in range(core.row // BLOCK_PX, -(-core.row_stop // BLOCK_PX)):
                for column in range(core.column // BLOCK_PX, -(-core.column_stop // BLOCK_PX)):
                    found.add((row * BLOCK_PX, column * BLOCK_PX))
        sides = (BLOCK_PX, BLOCK_PX)
        return [Window(*at, *sides) for at in sorted(found) if at[0] // grid.core_px in rows]

    def _table(
        self,
        window: Window,
        np_map: NDArray[np.uint8],
        components: Pixels,
        count: int,
        block: tuple[slice, slice] | None = None,
    ) -> Iterator[NucleusTable]:
        if count:
            seen = _maps(self.maps, window, np_map)
            nuclei = nuclei_of(seen, components, count, self.constants, block)
            with self._lock:
                self.dropped += nuclei.dropped
            if len(nuclei.first_px):
                yield on_slide(nuclei, window, self.maps.frame, escalated=block is not None)


def _segmenter(maps: SlideMaps, constants: Constants) -> _Segmenter | OverlapSegmenter:
    if maps.overlap_px:
        # Few slides need it, and what it imports takes longer than many a job.
        from nucwsi.steps.segment.overlap import OverlapSegmenter

        return OverlapSegmenter(maps, constants)
    return _Segmenter(maps, constants)


def segment(
    maps: list[Path],
    output: Path,
    settings: SegmentSettings,
    *,
    part: int = 1,
    parts: int = 1,
    threads: int = 1,
) -> None:
    """Find the nuclei that one part of a canvas owns.

    Parameters
    ----------
    maps : list of pathlib.Path
        All parts of the slide's maps: a nucleus of this part may reach into the next.
    output : pathlib.Path
        ``nuclei/{part}-of-{parts}.parquet``.
    settings : SegmentSettings
    part, parts : int
        Which band of the canvas, of how many.
    threads : int
        Tiles that are worked on at once.

    Raises
    ------
    StoreError
        If maps are missing or do not belong together, or the output cannot be written.
    """
    with open_maps(maps) as opened:
        constants = _constants(opened.facts, opened.frame, settings)
        segmenter = _segmenter(opened, constants)
        rows = opened.grid.band(part, parts)
        facts = {
            **{key: opened.facts[key] for key in _KEPT_FACTS if key in opened.facts},
            "kind": "part",
            "part": part,
            "parts": parts,
            "segment": {**settings.model_dump(), "np_level": constants.np_level},
            "result_version": RESULT_VERSION,
        }
        n_nuclei = 0

        def tables() -> Iterator[NucleusTable]:
            nonlocal n_nuclei
            # What overlaps is merged row by row, each after the one above.
            at_once = 1 if opened.overlap_px else threads
            for jobs in segmenter.stages(rows):
                with (
                    ThreadPoolExecutor(at_once) as pool,
                    progress("segment", len(jobs), "tiles") as advance,
                ):
                    for _, found in ahead(lambda job: list(job()), jobs, pool, 2 * at_once):
                        n_nuclei += sum(len(table) for table in found)
                        yield from found
                        advance(1)
            classes = facts["classes"]
            facts["n_dropped"] = dict(zip(classes, segmenter.dropped.tolist(), strict=True))

        write_nuclei(output, tables(), facts, row_group=AT_ONCE)
    log.info(
        "%d nuclei; %d were dropped as smaller than their class allows or too unsure",
        n_nuclei,
        int(segmenter.dropped.sum()),
    )


_KEPT_FACTS = (
    "frame",
    "core_px",
    "slide",
    "slide_checksum",
    "mpp_source",
    "vendor",
    "status",
    "bad_tiles",
    "tissue_um2",
    "classes",
    "members",
    "count_error",
    "views",
    "contrasts",
    "precision",
    "exact",
)

"""Nuclei of networks that are not local: each tile is segmented by itself, then tiles are merged.

Such a network sees one nucleus differently from two tiles, so maps that are joined from cores have
steps along the seams. Here every nucleus is cut as a whole out of the answer of one tile, chosen by
`nucwsi.nuclei.merge`; only what no tile holds whole comes from the maps of the cores.

Tiles are merged in bands of three rows, of which the middle one keeps its nuclei. All bands must
decide a case alike, but a case may reach beyond a band: a chain of small instances can lead along
the overlap of two columns from one seam to the next. So cases that touch the middle row are
followed into further tiles until they end, or until they are larger than any tile. Then it is
certain that no tile sees them whole, and nothing beyond the band changes what becomes of them.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.io.stores.maps import SlideMaps
from nucwsi.nuclei.cases import Case, Instance, LabelledTile, link
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.instances import EDGE_RADIUS_PX, Instances
from nucwsi.nuclei.merge import merge
from nucwsi.nuclei.pixels import Pixels, connected
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.window import Nuclei, WindowMaps, measured, nuclei_of
from nucwsi.steps.segment.local import Job
from nucwsi.steps.segment.on_slide import on_slide, within_of

log = logging.getLogger(__name__)


class OverlapSegmenter:
    """Finds the nuclei that rows of cores own; one row at a time, in any order.

    Parameters
    ----------
    maps : SlideMaps
        All parts of the slide's maps, stored with the overlap of the tiles.
    constants : PixelConstants
        Thresholds, in pixels of the maps.

    Attributes
    ----------
    dropped : (C,) ndarray of int64
        Nuclei of each class that were too small or too unsure to keep, so far.
    """

    def __init__(self, maps: SlideMaps, constants: PixelConstants) -> None:
        self._maps = maps
        # Nuclei that are too small or too unsure are dropped last: until then they are evidence.
        anything = np.ones_like(constants.min_area_px)
        self._constants = constants._replace(min_area_px=anything, min_mean_np=0.0)
        self._final = constants
        self._overlap_px = maps.facts.overlap_px
        self._highest_px = maps.grid.core_px - 2 * self._overlap_px - 1
        # By grid position; row k - 1 of a table is instance k of the tile.
        self._within, self.n_cut = within_of(maps.facts), 0
        self._tiles: dict[tuple[int, int], tuple[LabelledTile, NucleusTable]] = {}
        self.dropped = np.zeros(len(constants.min_area_px), np.int64)

    def stages(self, rows: range) -> Iterator[list[Job]]:
        """Yield the jobs of rows of cores, to be done one after another.

        Parameters
        ----------
        rows : range
            Rows of cores.

        Yields
        ------
        list of callable
            One job for each row.
        """
        yield [partial(self._row, row) for row in rows]

    def _row(self, row: int) -> Iterator[NucleusTable]:
        """Yield the nuclei whose first pixel lies in one row of cores."""
        grid = self._maps.grid
        band = range(max(0, row - 1), min(grid.n_rows, row + 2))
        self._tiles = {at: tile for at, tile in self._tiles.items() if at[0] >= band.start}
        self._segment_tiles(grid.positions(band))
        cases = self._followed(row)
        tables = dict(self._tiles.values())
        merged = merge(list(tables), cases, grid.canvas, self._redo)
        chosen: dict[LabelledTile, list[Instance]] = defaultdict(list)
        for instance in merged:
            if instance.window.row // grid.core_px != row:
                continue
            if instance.tile is None:
                yield from self._kept(self._anew(instance), [instance])
            else:
                chosen[instance.tile].append(instance)
        for tile, instances in chosen.items():
            index = np.array([instance.label - 1 for instance in instances])
            yield from self._kept(tables[tile].take(index), instances)

    def _segment_tiles(self, positions: Iterable[tuple[int, int]]) -> None:
        for at in positions:
            if at not in self._tiles and self._maps.has_tissue(*at):
                self._tiles[at] = self._tile(*at)

    def _followed(self, row: int) -> list[Case]:
        """Return the cases of the band around a row, those near the row followed to their ends."""
        grid = self._maps.grid
        core = grid.core(row, 0)
        # No instance that begins in the row, and so no case that bears upon one, lies farther off.
        height = core.height + 2 * self._highest_px
        near = Window(core.row - self._highest_px, 0, height, grid.shape[1])
        side = grid.core_px + 2 * self._overlap_px
        while True:
            known = len(self._tiles)
            cases = link([tile for tile, _ in self._tiles.values()])
            for case in cases:
                if case.window.intersection(near) and max(case.window.shape) <= side:
                    self._segment_tiles(self._tiles_around(case.window))
            if len(self._tiles) == known:
                return cases

    def _tiles_around(self, window: Window) -> Iterator[tuple[int, int]]:
        """Yield the grid positions of the tiles that share a pixel with a window."""
        grid = self._maps.grid
        reached = window.grown(self._overlap_px).intersection(grid.canvas) or grid.canvas
        for cell in reached.cut(grid.core_px, grid.core_px):
            yield cell.row // grid.core_px, cell.column // grid.core_px

    def _kept(self, table: NucleusTable, instances: list[Instance]) -> Iterator[NucleusTable]:
        """Yield the rows of a table that are large and sure enough; ids are of the instances."""
        first = np.array([instance.first_pixel for instance in instances], np.int64)
        area_px = np.array([instance.mask.sum() for instance in instances])
        keep = self._final.keeps(area_px, table.class_code, table.np_mean)
        self.dropped += np.bincount(table.class_code[~keep], minlength=len(self.dropped))
        if self._within is not None:
            keep &= self._within.holds(table.column, table.row)
        numbers = first[:, 0] * self._maps.frame.shape[1] + first[:, 1]
        if keep.any():
            yield replace(table, id=numbers).take(np.flatnonzero(keep))

    def _tile(self, row: int, column: int) -> tuple[LabelledTile, NucleusTable]:
        """Segment one tile by its own answer: core and overlap."""
        grid = self._maps.grid
        core = grid.core(row, column)
        window = core.grown(self._overlap_px).intersection(grid.canvas) or core
        np_map, *others = (self._maps.around(name, row, column) for name in self._maps.names)
        tissue = self._maps.tissue(window.grown(1))
        maps = WindowMaps(tissue, np_map * tissue[1:-1, 1:-1], *others)
        nuclei = self._nuclei(maps)
        table = on_slide(nuclei, window, self._maps.frame, escalated=False)
        return LabelledTile(window, core, self._without_giants(nuclei)), table

    def _nuclei(self, maps: WindowMaps) -> Nuclei:
        components, count = connected(maps.np_map >= self._constants.np_level)
        return nuclei_of(maps, components, count, self._constants)

    def _without_giants(self, nuclei: Nuclei) -> NDArray[np.int32]:
        """Return the labels, (H, W), of nuclei in their window, except what is too high for one."""
        box = nuclei.pixels.boxes(len(nuclei.first_px))
        giant = box[:, 2] - box[:, 0] > self._highest_px
        if giant.any():
            log.warning(
                "%d instances higher than %d px are left out: no nucleus is so large",
                giant.sum(),
                self._highest_px,
            )
        number = np.arange(len(giant) + 1)
        number[1:][giant] = 0
        return nuclei.pixels.renumbered(number).image()

    def _core_maps(self, window: Window) -> WindowMaps:
        """Read the maps joined from the cores."""
        tissue = self._maps.tissue(window.grown(1))
        return WindowMaps(tissue, *(self._maps.read(name, window) for name in self._maps.names))

    def _redo(self, window: Window) -> NDArray[np.int32]:
        """Segment a window of the joined maps; return its labels, (H, W)."""
        return self._without_giants(self._nuclei(self._core_maps(window)))

    def _anew(self, instance: Instance) -> NucleusTable:
        """Measure an instance that was segmented anew on the joined maps."""
        canvas = self._maps.grid.canvas
        window = instance.window.grown(EDGE_RADIUS_PX).intersection(canvas) or instance.window
        labels = np.zeros(window.shape, np.int32)
        labels[instance.window.within(window).slices] = instance.mask
        pixels = Pixels.of(labels)
        instances = Instances(pixels, pixels.first(1))
        nuclei = measured(self._core_maps(window), instances, self._constants)
        return on_slide(nuclei, window, self._maps.frame, escalated=True)

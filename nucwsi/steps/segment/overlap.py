"""Nuclei of networks that are not local: each tile is segmented by itself, then tiles are merged.

Such a network sees one nucleus differently from two tiles, so a map put together from cores has
steps along the seams. Here every nucleus is cut as a whole out of the answer of one tile, chosen by
`nucwsi.nuclei.merge`; only what no tile holds whole comes from the maps of the cores.

Tiles are merged in bands of three rows, of which the middle one keeps its nuclei. Instances of two
tiles meet in their overlap only. What happens at one seam can therefore reach the next but through
an instance that is as high as a core without its overlaps; no nucleus is, and such are left out.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.io.stores.maps import SlideMaps
from nucwsi.nuclei.instances import EDGE_RADIUS_PX, Instances
from nucwsi.nuclei.merge import LabelledTile, Piece, merge
from nucwsi.nuclei.pixels import Pixels, connected
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.window import Constants, Nuclei, WindowMaps, measured, nuclei_of
from nucwsi.steps.segment.local import Job
from nucwsi.steps.segment.on_slide import on_slide

log = logging.getLogger(__name__)


class OverlapSegmenter:
    """Finds the nuclei of rows of cores; see the module.

    Parameters
    ----------
    maps : SlideMaps
        With an overlap.
    constants : Constants

    Attributes
    ----------
    dropped : (C,) ndarray of int64
        Nuclei of each class that were too small or too unsure to keep.
    """

    def __init__(self, maps: SlideMaps, constants: Constants) -> None:
        self.maps = maps
        # What is too small or unsure is dropped last: until then it is evidence like any other.
        anything = np.ones_like(constants.min_area_px)
        self._constants = constants._replace(min_area_px=anything, min_mean_np=0.0)
        self._final = constants
        self._highest_px = maps.grid.core_px - 2 * maps.facts.overlap_px - 1
        # Of each row its tiles; row k - 1 of a table is instance k of the tile.
        self._rows: dict[int, list[tuple[LabelledTile, NucleusTable]]] = {}
        self.dropped = np.zeros(len(constants.min_area_px), np.int64)

    def stages(self, rows: range) -> Iterator[list[Job]]:
        """Yield what there is to do in rows of cores, to be done in this order.

        Parameters
        ----------
        rows : range

        Yields
        ------
        list of callable
            Each yields the nuclei of one row.
        """
        yield [partial(self.row, row) for row in rows]

    def row(self, row: int) -> Iterator[NucleusTable]:
        """Yield the nuclei whose first pixel lies in one row of cores.

        Parameters
        ----------
        row : int

        Yields
        ------
        NucleusTable
        """
        near = range(max(0, row - 1), min(self.maps.grid.n_rows, row + 2))
        self._rows = {at: self._rows.get(at) or self._segmented(at) for at in near}
        tables = {tile: table for at in near for tile, table in self._rows[at]}
        merged = merge(list(tables), self.maps.grid.canvas, self._redo)
        chosen: dict[LabelledTile, list[Piece]] = defaultdict(list)
        for piece in merged.pieces:
            if piece.window.row // self.maps.grid.core_px != row:
                continue
            if piece.tile is None:
                yield from self._kept(self._anew(piece), [piece])
            else:
                chosen[piece.tile].append(piece)
        for tile, pieces in chosen.items():
            index = np.array([piece.label - 1 for piece in pieces])
            yield from self._kept(tables[tile].take(index), pieces)

    def _kept(self, table: NucleusTable, pieces: list[Piece]) -> Iterator[NucleusTable]:
        first = np.array([piece.first_pixel for piece in pieces], np.int64)
        area_px = np.array([piece.mask.sum() for piece in pieces])
        keep = self._final.keeps(area_px, table.class_code, table.np_mean)
        self.dropped += np.bincount(table.class_code[~keep], minlength=len(self.dropped))
        numbers = first[:, 0] * self.maps.frame.shape[1] + first[:, 1]
        if keep.any():
            yield replace(table, id=numbers).take(np.flatnonzero(keep))

    def _segmented(self, row: int) -> list[tuple[LabelledTile, NucleusTable]]:
        columns = range(self.maps.grid.n_columns)
        return [self._tile(row, column) for column in columns if self.maps.has_tissue(row, column)]

    def _tile(self, row: int, column: int) -> tuple[LabelledTile, NucleusTable]:
        grid, reach = self.maps.grid, self.maps.facts.overlap_px
        core = grid.core(row, column)
        window = core.grown(reach).intersection(grid.canvas) or core
        np_map, *others = (self.maps.around(name, row, column) for name in self.maps.names)
        tissue = self.maps.tissue(window.grown(1))
        seen = WindowMaps(tissue, np_map * tissue[1:-1, 1:-1], *others)
        components, count = connected(seen.np_map >= self._constants.np_level)
        nuclei = nuclei_of(seen, components, count, self._constants)
        table = on_slide(nuclei, window, self.maps.frame, escalated=False)
        return LabelledTile(window, core, self._without_giants(nuclei)), table

    def _without_giants(self, nuclei: Nuclei) -> NDArray[np.int32]:
        box = nuclei.pixels.boxes(len(nuclei.first_px))
        giant = box[:, 2] - box[:, 0] > self._highest_px
        if giant.any():
            log.warning(
                "%d instances higher than %d px are left out: no nucleus is",
                giant.sum(),
                self._highest_px,
            )
        number = np.arange(len(giant) + 1)
        number[1:][giant] = 0
        return nuclei.pixels.renumbered(number).image()

    def _core_maps(self, window: Window) -> WindowMaps:
        tissue = self.maps.tissue(window.grown(1))
        return WindowMaps(tissue, *(self.maps.read(name, window) for name in self.maps.names))

    def _redo(self, window: Window) -> NDArray[np.int32]:
        seen = self._core_maps(window)
        components, count = connected(seen.np_map >= self._constants.np_level)
        return self._without_giants(nuclei_of(seen, components, count, self._constants))

    def _anew(self, piece: Piece) -> NucleusTable:
        canvas = self.maps.grid.canvas
        window = piece.window.grown(EDGE_RADIUS_PX).intersection(canvas) or piece.window
        labels = np.zeros(window.shape, np.int32)
        labels[piece.window.within(window).slices] = piece.mask
        pixels = Pixels.of(labels)
        instances = Instances(pixels, pixels.first(1))
        nuclei = measured(self._core_maps(window), instances, self._constants)
        return on_slide(nuclei, window, self.maps.frame, escalated=True)

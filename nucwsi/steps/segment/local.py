"""Nuclei of local networks: instances are cut from the joined maps, one core at a time.

What a core or a block works on is decided by `nucwsi.nuclei.ownership`; here the maps are read and
the nuclei measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import TypeAlias

import numpy as np

from nucwsi.grid import Window
from nucwsi.io.stores.maps import SlideMaps
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.ownership import Ownership, Share
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.window import WindowMaps, nuclei_of
from nucwsi.steps.segment.on_slide import on_slide, within_of

#: Yields the nuclei of some part of the canvas.
Job: TypeAlias = Callable[[], Iterator[NucleusTable]]


class LocalSegmenter:
    """Finds the nuclei that rows of cores own; several threads may work at once.

    Parameters
    ----------
    maps : SlideMaps
        All parts of the slide's maps.
    constants : PixelConstants
        Thresholds, in pixels of the maps.

    Attributes
    ----------
    dropped : (C,) ndarray of int64
        Nuclei of each class that were too small or too unsure to keep, so far.
    n_cut : int
        Nuclei in the regions whose clump goes on beyond what was analysed, so far; 0 where all of
        the tissue was.
    """

    def __init__(self, maps: SlideMaps, constants: PixelConstants) -> None:
        self._maps, self._constants = maps, constants
        self._ownership = Ownership(maps, constants.np_level)
        self._lock = Lock()
        self._within = within_of(maps.facts)
        self.n_cut = 0
        self.dropped = np.zeros(len(constants.min_area_px), np.int64)

    def stages(self, rows: range) -> Iterator[list[Job]]:
        """Yield the jobs of rows of cores in stages; each stage needs the one before to be done.

        Parameters
        ----------
        rows : range
            Rows of cores.

        Yields
        ------
        list of callable
            First one job for each core with tissue, then one for each block of giants.
        """
        positions = self._maps.grid.strips(rows)
        yield [partial(self._core, at) for at in positions if self._maps.has_tissue(*at)]
        if blocks := self._ownership.blocks(rows):
            yield [partial(self._block, block) for block in blocks]

    def _core(self, position: tuple[int, int]) -> Iterator[NucleusTable]:
        for share in self._ownership.of_core(position):
            yield from self._nuclei(share)

    def _block(self, block: Window) -> Iterator[NucleusTable]:
        for share in self._ownership.of_block(block):
            yield from self._nuclei(share)

    def _nuclei(self, share: Share) -> Iterator[NucleusTable]:
        window = share.window
        others = (self._maps.read(name, window) for name in self._maps.names[1:])
        maps = WindowMaps(self._maps.tissue(window.grown(1)), share.np_map, *others)
        nuclei = nuclei_of(maps, share.components, share.n_components, self._constants, share.block)
        with self._lock:
            self.dropped += nuclei.dropped
        if not len(nuclei.first_px):
            return
        table = on_slide(nuclei, window, self._maps.frame, share.block is not None)
        if self._within is None:
            yield table
            return
        inside = np.flatnonzero(self._within.holds(table.column, table.row))
        parts, first_px = share.components, nuclei.first_px[inside]
        cut = self._within.cut_off(parts, share.n_components, maps.tissue, window)
        clump = parts.label[np.searchsorted(parts.place, first_px)]
        with self._lock:
            self.n_cut += int(cut[clump].sum())
        if len(inside):
            yield table.take(inside)

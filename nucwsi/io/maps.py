"""The maps of a slide, read through all its parts as one canvas."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.grid import Frame, TileGrid, Window
from nucwsi.io.store import Store, opened

#: Decoded maps kept, in bytes: some rows of cores, which windows in raster order share.
_CACHED_BYTES = 128 << 20


class SlideMaps:
    """Maps of all parts of a slide; see `open_maps`.

    Parameters
    ----------
    stores : list of Store
        In the order of their parts.

    Attributes
    ----------
    facts : dict
        What the maps know of slide, tiles and ensemble.
    frame : Frame
    grid : TileGrid
    """

    def __init__(self, stores: list[Store]) -> None:
        self.facts: dict[str, Any] = stores[0].facts
        self.frame: Frame = stores[0].frame
        self.grid = TileGrid(self.frame.shape, int(self.facts["core_px"]))
        self._stores = stores
        self._tissue = np.asarray(stores[0].array("tissue")[:]) > 0
        self._cache: OrderedDict[tuple[str, int, int], NDArray[Any]] = OrderedDict()
        self._cached = 0
        parts = len(stores)
        self._owner = {
            row: store
            for part, store in enumerate(stores, start=1)
            for row in self.grid.band(part, parts)
        }

    def core(self, name: str, row: int, column: int) -> NDArray[Any]:
        """Read one map of one core.

        Parameters
        ----------
        name : str
            ``np``, ``hv`` or ``tp``.
        row, column : int
            Position in the grid.

        Returns
        -------
        ndarray
            (..., H, W); do not change it.
        """
        key = (name, row, column)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        height, width = self.grid.core(row, column).shape
        block = self._owner[row].chunk(name, row, column)[..., :height, :width]
        self._cache[key] = block
        self._cached += block.nbytes
        while self._cached > _CACHED_BYTES:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return block

    def read(self, name: str, window: Window) -> NDArray[Any]:
        """Read one map of a window.

        Parameters
        ----------
        name : str
            ``np``, ``hv`` or ``tp``.
        window : Window
            Within the canvas.

        Returns
        -------
        ndarray
            (..., H, W).
        """
        core_px = self.grid.core_px
        found: NDArray[Any] | None = None
        for row in range(window.row // core_px, -(-window.row_stop // core_px)):
            for column in range(window.column // core_px, -(-window.column_stop // core_px)):
                core = self.grid.core(row, column)
                shared = core.intersection(window)
                block = self.core(name, row, column)
                if found is None:
                    found = np.zeros((*block.shape[:-2], *window.shape), block.dtype)
                if shared is not None:
                    source = shared.within(core).slices
                    found[(..., *shared.within(window).slices)] = block[(..., *source)]
        if found is None:
            raise IndexError(f"{window} lies outside the canvas of {self.grid.shape} px")
        return found

    def tissue(self, window: Window) -> NDArray[np.bool_]:
        """Tell where the network was asked.

        Parameters
        ----------
        window : Window
            May reach beyond the canvas.

        Returns
        -------
        (H, W) ndarray of bool
        """
        cell = int(self.facts["tissue_px"])
        answer = np.zeros(window.shape, bool)
        inside = window.intersection(self.grid.canvas)
        if inside is not None:
            top, left = inside.row // cell, inside.column // cell
            cells = self._tissue[
                top : -(-inside.row_stop // cell), left : -(-inside.column_stop // cell)
            ]
            cover = cells.repeat(cell, 0).repeat(cell, 1)
            whole = Window(top * cell, left * cell, *cover.shape)
            answer[inside.within(window).slices] = cover[inside.within(whole).slices]
        return answer

    def has_tissue(self, row: int, column: int) -> bool:
        """Tell whether the network was asked anywhere in a core.

        Parameters
        ----------
        row, column : int
            Position in the grid.

        Returns
        -------
        bool
        """
        cell = int(self.facts["tissue_px"])
        core = self.grid.core(row, column)
        rows = slice(core.row // cell, -(-core.row_stop // cell))
        columns = slice(core.column // cell, -(-core.column_stop // cell))
        return bool(self._tissue[rows, columns].any())


@contextmanager
def open_maps(paths: list[Path]) -> Iterator[SlideMaps]:
    """Open all parts of a slide's maps.

    Parameters
    ----------
    paths : list of pathlib.Path
        ``{k}-of-{n}.zarr.zip``, in any order.

    Yields
    ------
    SlideMaps

    Raises
    ------
    StoreError
        If a part is missing, occurs twice, or belongs to another slide or ensemble.
    """
    with ExitStack() as stack:
        stores = [stack.enter_context(opened(path, "maps")) for path in paths]
        stores.sort(key=lambda store: int(store.facts["part"]))
        found = [int(store.facts["part"]) for store in stores]
        parts = int(stores[0].facts["parts"])
        if found != list(range(1, parts + 1)):
            raise StoreError(
                f"{stores[0].path}: a slide of {parts} parts needs each of them once, got"
                f" {found}; run `predict` for the others"
            )
        for store in stores[1:]:
            for key in ("slide_checksum", "frame", "core_px", "members", "views", "parts"):
                if store.facts[key] != stores[0].facts[key]:
                    raise StoreError(
                        f"{store.path}: differs from {stores[0].path} in {key}; predict both anew"
                    )
        yield SlideMaps(stores)

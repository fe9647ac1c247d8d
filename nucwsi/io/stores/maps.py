"""The maps of a slide, read through all its parts as one canvas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.grid import Frame, TileGrid, Window
from nucwsi.io.stores.reader import CoreReader, Store, opened

#: What all parts of a slide have in common.
_ALIKE = (
    *("slide_checksum", "frame", "core_px", "tile", "bad_tiles", "members", "views", "parts"),
    *("post_processing", "result_version"),
)


class SlideMaps(CoreReader):
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
        grid = TileGrid(self.frame.shape, int(self.facts["core_px"]))
        self._tissue = stores[0].chunk("tissue", 0, 0) > 0
        owner = {
            row: store
            for part, store in enumerate(stores, start=1)
            for row in grid.band(part, len(stores))
        }
        super().__init__(grid, lambda name, row, column: owner[row].chunk(name, row, column))

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays: ``np``, ``hv``, ``tp``, and ``contrasts`` if there were several answers."""
        return ("np", "hv", "tp", *(["contrasts"] if self.facts.get("contrasts") else []))

    @property
    def overlap_px(self) -> int:
        """How far the network's own answer around each core is kept; 0 where all agree."""
        return int(self.facts.get("overlap_px", 0))

    def around(self, name: str, row: int, column: int) -> NDArray[Any]:
        """Read one map as the network saw it from one core, with the overlap.

        Parameters
        ----------
        name : str
            One of `names`.
        row, column : int
            Position in the grid.

        Returns
        -------
        ndarray
            (..., H, W) of the core grown by `overlap_px`, as far as that lies on the canvas.
        """
        core, side = self.grid.core(row, column), self.grid.core_px + 2 * self.overlap_px
        stored = Window(core.row - self.overlap_px, core.column - self.overlap_px, side, side)
        inside = stored.intersection(self.grid.canvas) or core
        block = self._load(f"around_{name}", row, column)
        return block[(..., *inside.within(stored).slices)]

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
            for key in _ALIKE:
                if store.facts.get(key) != stores[0].facts.get(key):
                    raise StoreError(
                        f"{store.path}: differs from {stores[0].path} in {key}; predict both anew"
                    )
        yield SlideMaps(stores)

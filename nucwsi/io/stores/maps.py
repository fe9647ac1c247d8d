"""The maps of a slide, read through all its parts as one canvas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame, Window
from nucwsi.io.stores.reader import CoreReader, Store, opened

if TYPE_CHECKING:
    import dask.array as da


class SlideMaps(CoreReader):
    """Maps of all parts of a slide; see `open_maps`.

    Parameters
    ----------
    stores : list of Store
        In the order of their parts.

    Attributes
    ----------
    facts : SlideFacts
        Where the maps come from, as their first part says; the colour is that of all parts.
    grid : TileGrid
        The canvas cut into cores.
    """

    def __init__(self, stores: list[Store]) -> None:
        colours = [store.facts.colour for store in stores]
        total = tuple(map(sum, zip(*colours, strict=True))) if all(colours) else ()
        self.facts = stores[0].facts.with_(colour=total)
        grid = stores[0].grid
        # Eight cells a byte: a large slide has millions.
        self._tissue = np.packbits(stores[0].tissue(), axis=1)
        owner = {
            row: store
            for part, store in enumerate(stores, start=1)
            for row in grid.band(part, len(stores))
        }
        super().__init__(grid, lambda name, row, column: owner[row].chunk(name, row, column))

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays: ``np``, ``hv``, ``tp``, and ``contrasts`` if there were several answers."""
        return ("np", "hv", "tp", *(["contrasts"] if self.facts.contrasts else []))

    @property
    def frame(self) -> Frame:
        """How the canvas of the maps lies on its slide."""
        return self.facts.frame

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
            (..., H, W) of the core grown by ``facts.overlap_px``, cut at the end of the canvas.
        """
        core, overlap_px = self.grid.core(row, column), self.facts.overlap_px
        side = self.grid.core_px + 2 * overlap_px
        stored = Window(core.row - overlap_px, core.column - overlap_px, side, side)
        inside = stored.intersection(self.grid.canvas) or core
        block = self._load(f"around_{name}", row, column)
        return block[(..., *inside.within(stored).slices)]

    def to_dask(self, name: str) -> da.Array:
        """Return one of the maps as a lazy array.

        Parameters
        ----------
        name : str
            ``np``, ``hv``, ``tp`` or ``contrasts``; see `names`.

        Returns
        -------
        dask.array.Array
            (..., H, W) of the whole canvas, a block for each core. Valid as long as the maps are
            open.

        Raises
        ------
        KeyError
            If the maps hold no array of this name.
        """
        # Only those who ask for it pay for the import.
        import dask.array as da

        if name not in self.names:
            raise KeyError(f"{name!r} is none of the maps {', '.join(self.names)}")
        some = self.core(name, 0, 0)
        grid, lead = self.grid, some.shape[:-2]

        def _block(block_info: Any) -> NDArray[Any]:
            return self.core(name, *block_info[None]["chunk-location"][-2:])

        heights = tuple(grid.core(row, 0).height for row in range(grid.n_rows))
        widths = tuple(grid.core(0, column).width for column in range(grid.n_columns))
        chunks = (*((side,) for side in lead), heights, widths)
        return da.map_blocks(_block, chunks=chunks, dtype=some.dtype, meta=some[..., :0, :0])

    def tissue(self, window: Window) -> NDArray[np.bool_]:
        """Tell where the network was asked.

        Parameters
        ----------
        window : Window
            May reach beyond the canvas.

        Returns
        -------
        (H, W) ndarray of bool
            One value for each pixel of `window`; False beyond the canvas.
        """
        cell = self.facts.tissue_px
        answer = np.zeros(window.shape, bool)
        inside = window.intersection(self.grid.canvas)
        if inside is not None:
            cells = inside.cells(cell)
            cover = self._cells(cells).repeat(cell, 0).repeat(cell, 1)
            whole = Window(cells.row * cell, cells.column * cell, *cover.shape)
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
            True if at least one cell of the core is tissue or its margin.
        """
        cells = self.grid.core(row, column).cells(self.facts.tissue_px)
        return bool(self._cells(cells).any())

    def _cells(self, window: Window) -> NDArray[np.bool_]:
        """Return which cells of a window, in cells, were asked about."""
        rows, columns = window.slices
        first = columns.start // 8
        packed = self._tissue[rows, first : -(-columns.stop // 8)]
        shown = slice(columns.start - 8 * first, columns.stop - 8 * first)
        return np.unpackbits(packed, axis=1).view(bool)[:, shown]


@contextmanager
def open_maps(paths: Path | str | Sequence[Path]) -> Iterator[SlideMaps]:
    """Open all parts of a slide's maps as one canvas.

    Parameters
    ----------
    paths : sequence of pathlib.Path, or a folder
        ``{k}-of-{n}.zarr.zip``, in any order; of a folder, all such files.

    Yields
    ------
    SlideMaps
        Open for reading until the block ends.

    Raises
    ------
    StoreError
        If a part is missing, occurs twice, or belongs to another slide or ensemble.
    """
    if isinstance(paths, Path | str):
        folder = Path(paths)
        paths = sorted(folder.glob("*-of-*.zarr.zip"))
        if not paths:
            raise StoreError(f"{folder}: holds no maps (k-of-n.zarr.zip); run `nucwsi predict`")
    with ExitStack() as stack:
        stores = [stack.enter_context(opened(path, "maps")) for path in paths]
        stores.sort(key=lambda store: store.facts.part)
        if fault := SlideFacts.fault_of_parts([store.facts for store in stores]):
            raise StoreError(
                f"{stores[0].path}: {fault}; predict all parts with the same settings and members"
            )
        yield SlideMaps(stores)

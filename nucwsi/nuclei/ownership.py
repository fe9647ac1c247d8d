"""Which core owns which component of the nucleus mask.

Cores partition the canvas, but a component may cross the border between cores. One rule, which
every core evaluates identically, gives each component one owner: **the core that holds its first
pixel in raster order** (top row first, then leftmost). Two cores and three components::

     core (0, 0)    core (0, 1)
     . A A . . .  |  . . . C C .     A lies in core (0, 0), C in core (0, 1).
     . A A . . .  |  B . . . C .     B crosses. Most of it lies in core (0, 0), but its first pixel
     . . . B B B  |  B . . . . .     lies in core (0, 1), which owns it.

A core sees a component whole only if it reads far enough beyond its own border. So there are
three cases, from the most to the least common:

1. Nearly all components end within a small margin around the core (`MARGINS_PX`). All of them are
   handed over at once, in one window.
2. Where a component reaches beyond all margins, one pass over the mask of the whole canvas
   (`nucwsi.nuclei.components`) finds every such component. Each is handed over alone, in a window
   of its own.
3. A giant, so large that it may reach from end to end of a slide, belongs to no core. It is cut
   into blocks (`nucwsi.nuclei.giants`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.components import Component, crossing_components
from nucwsi.nuclei.giants import GIANT_PX, block_window, blocks_of, giant_mask, is_giant
from nucwsi.nuclei.instances import EDGE_RADIUS_PX
from nucwsi.nuclei.pixels import Pixels, begins_in, connected

#: Margins around a core, tried in turn, in canvas pixels. Results do not depend on them; few
#: components reach beyond the first.
MARGINS_PX = (32, 128)

#: Free pixels between a component and a border of its window, so that its edges can be computed.
GAP_PX = EDGE_RADIUS_PX + 1


class MapReader(Protocol):
    """The maps of a canvas, read by core or by window: `io.stores.maps.SlideMaps`, or arrays.

    Attributes
    ----------
    grid : TileGrid
        The canvas cut into cores.
    """

    grid: TileGrid

    def has_tissue(self, row: int, column: int) -> bool:
        """Return whether a core holds any tissue; one without has no components.

        Parameters
        ----------
        row, column : int
            Position of the core in the grid.

        Returns
        -------
        bool
            False lets the core be skipped.
        """

    def core(self, name: str, row: int, column: int) -> NDArray[Any]:
        """Return a map at one core.

        Parameters
        ----------
        name : str
            Always ``np``: components depend on nothing else.
        row, column : int
            Position of the core in the grid.

        Returns
        -------
        (H, W) ndarray of uint8
            Probability of nucleus in the core, 0 to 255; it is not changed.
        """

    def read(self, name: str, window: Window) -> NDArray[Any]:
        """Return a map in a window.

        Parameters
        ----------
        name : str
            Always ``np``.
        window : Window
            Within the canvas, in canvas pixels.

        Returns
        -------
        (H, W) ndarray of uint8
            Probability of nucleus in `window`, 0 to 255.
        """


class Share(NamedTuple):
    """Components of one window, to be cut into nuclei together.

    Attributes
    ----------
    window : Window
        The pixels to read, in canvas pixels.
    np_map : (H, W) ndarray of uint8
        The `np` map in `window`, 0 to 255.
    components : Pixels
        The components, in pixels of `window`; all numbers from 1 to `n_components` occur.
    n_components : int
        At least 1.
    block : Window or None
        None where `window` holds every component whole. Of giants, the block in pixels of `window`:
        only nuclei whose marker begins there belong to this share.
    """

    window: Window
    np_map: NDArray[np.uint8]
    components: Pixels
    n_components: int
    block: Window | None = None


class FarComponents(NamedTuple):
    """The components that reach beyond all margins of their owner.

    Attributes
    ----------
    large : dict of (int, int) to list of Component
        Grid position of the owner -> components that are worked on alone.
    giant : dict of (int, int) to list of int
        Grid position of each core that a giant crosses -> labels of the giants' pieces there, as
        `connected` numbers them in the mask of the core.
    """

    large: dict[tuple[int, int], list[Component]]
    giant: dict[tuple[int, int], list[int]]


def owner(grid: TileGrid, row: int, column: int) -> tuple[int, int]:
    """Return the core that owns what has its first pixel here.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    row, column : int
        A pixel of the canvas.

    Returns
    -------
    (int, int)
        Row and column of the core in `grid`.
    """
    return row // grid.core_px, column // grid.core_px


def reach(grid: TileGrid, position: tuple[int, int], margin_px: int) -> Window:
    """Return the window that is read for a core.

    Nothing of a component lies above its first pixel, which is in the core: the margin is needed
    below, left and right.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    position : (int, int)
        Row and column of the core in `grid`.
    margin_px : int
        One of `MARGINS_PX`.

    Returns
    -------
    Window
        In canvas pixels, cut at the canvas' edge.
    """
    core = grid.core(*position)
    height, width = core.height + GAP_PX + margin_px, core.width + 2 * margin_px
    window = Window(core.row - GAP_PX, core.column - margin_px, height, width)
    return window.intersection(grid.canvas) or grid.canvas


def _fits(grid: TileGrid, box: Window, window: Window) -> bool:
    """Return whether a window holds a box and, except at the canvas' edge, `GAP_PX` around it."""
    needed = box.grown(GAP_PX).intersection(grid.canvas)
    return needed is not None and needed == needed.intersection(window)


def _fitting(grid: TileGrid, components: Pixels, count: int, window: Window) -> NDArray[np.bool_]:
    """Return for each component of a window whether it fits as in `_fits` and is no giant."""
    labels = components.image()
    fits = np.ones(count + 1, bool)
    height, width = grid.shape
    for cut, rim in (
        (window.row > 0, labels[:GAP_PX]),
        (window.row_stop < height, labels[-GAP_PX:]),
        (window.column > 0, labels[:, :GAP_PX]),
        (window.column_stop < width, labels[:, -GAP_PX:]),
    ):
        if cut:
            fits[rim] = False
    # A window that is no giant holds none.
    if is_giant(*window.shape):
        box = components.boxes(count)
        fits[1:] &= ~is_giant(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    return fits[1:]


def find_far_components(maps: MapReader, np_level: int) -> FarComponents:
    """Search the whole canvas for the components that reach beyond all margins of their owner.

    Parameters
    ----------
    maps : MapReader
        The maps of the canvas.
    np_level : int
        Nucleus where the stored `np` is at least this (0 to 255).

    Returns
    -------
    FarComponents
        Every such component once.
    """
    grid = maps.grid
    masks = (
        ((row, column), maps.core("np", row, column) >= np_level)
        for row, column in grid.positions()
        if maps.has_tissue(row, column)
    )
    far = FarComponents(defaultdict(list), defaultdict(list))
    for component in crossing_components(grid, masks):
        position = owner(grid, *component.first)
        if is_giant(*component.box.shape):
            for row, column, label in component.pieces:
                far.giant[row, column].append(label)
        elif not _fits(grid, component.box, reach(grid, position, MARGINS_PX[-1])):
            far.large[position].append(component)
    return far


class Ownership:
    """Deals the components of a canvas to cores and blocks, each exactly once.

    Several threads may ask at once.

    Parameters
    ----------
    maps : MapReader
        The maps of the canvas.
    np_level : int
        Nucleus where the stored `np` is at least this (0 to 255).

    Raises
    ------
    ValueError
        If a core could hold a giant whole: only components that cross cores are searched for.
    """

    def __init__(self, maps: MapReader, np_level: int) -> None:
        if is_giant(maps.grid.core_px, 1):
            raise ValueError(
                f"cores of {maps.grid.core_px} px could hold a giant whole: expected at most"
                f" {GIANT_PX} px"
            )
        self._maps, self._np_level = maps, np_level
        self._far: FarComponents | None = None
        self._lock = Lock()

    @property
    def far(self) -> FarComponents:
        """What reaches beyond all margins; searched for when it is first asked for."""
        with self._lock:
            self._far = self._far or find_far_components(self._maps, self._np_level)
            return self._far

    def of_core(self, position: tuple[int, int]) -> Iterator[Share]:
        """Yield all components that a core owns, except giants.

        Parameters
        ----------
        position : (int, int)
            Row and column of the core in the grid.

        Yields
        ------
        Share
            First the components that end within a margin, then each larger one alone.
        """
        core = self._maps.grid.core(*position)
        for margin_px in MARGINS_PX:
            window = reach(self._maps.grid, position, margin_px)
            np_map = self._maps.read("np", window)
            components, count = connected(np_map >= self._np_level)
            if not count:
                return
            owned = begins_in(components.first(count), window.width, core.within(window))
            fits = _fitting(self._maps.grid, components, count, window)
            all_fit = fits[owned].all()
            if all_fit:
                break
        chosen = owned & fits
        if chosen.any():
            yield Share(window, np_map, components.only(chosen), int(chosen.sum()))
        if not all_fit:
            for component in self.far.large.get(position, ()):
                yield self._alone(component)

    def _alone(self, component: Component) -> Share:
        """Return one component in a window of its own."""
        canvas = self._maps.grid.canvas
        window = component.box.grown(GAP_PX).intersection(canvas) or canvas
        np_map = self._maps.read("np", window)
        components, count = connected(np_map >= self._np_level)
        row, column = component.first
        first = (row - window.row) * window.width + column - window.column
        number = np.zeros(count + 1, np.int64)
        number[components.label[np.searchsorted(components.place, first)]] = 1
        return Share(window, np_map, components.renumbered(number), 1)

    def blocks(self, rows: range) -> list[Window]:
        """List the blocks with pieces of giants that begin in rows of cores.

        Call it after `of_core` for these rows: if no core of the canvas has found a component that
        reaches beyond its margins, there is no giant, and the canvas need not be searched.

        Parameters
        ----------
        rows : range
            Rows of cores.

        Returns
        -------
        list of Window
            In canvas pixels, in raster order; they may reach beyond the canvas.
        """
        grid = self._maps.grid
        if self._far is None and len(rows) == grid.n_rows:
            return []
        return [b for b in blocks_of(grid, self.far.giant) if b.row // grid.core_px in rows]

    def of_block(self, block: Window) -> Iterator[Share]:
        """Yield the giants that a block cuts, if any reach into its window.

        Parameters
        ----------
        block : Window
            One of `blocks`, in canvas pixels.

        Yields
        ------
        Share
            At most one, of all that giants have in the block's window.
        """
        grid = self._maps.grid
        window = block_window(grid, block)
        mask = giant_mask(grid, self.far.giant, self._core_mask, window)
        components, count = connected(mask)
        if count:
            np_map = self._maps.read("np", window)
            yield Share(window, np_map, components, count, block.within(window))

    def _core_mask(self, row: int, column: int) -> NDArray[np.bool_]:
        """Return the nucleus mask of a core: (H, W)."""
        return self._maps.core("np", row, column) >= self._np_level

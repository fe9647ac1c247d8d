"""Giants: components too large to be worked on as a whole, which are cut into blocks.

In dense tissue one component of the nucleus mask may reach from end to end of a slide. Giants are
cut along a grid of *blocks* that has nothing to do with cores, so that memory stays bounded and the
nuclei are the same for every core size. A nucleus of a giant is owned by the block that holds the
first pixel of its marker. Blocks are seen with a margin around them::

    * * * * * * * * *
    * + + + + + + * *      A nucleus whose marker begins in the block (o) is cut out as a whole if
    * + o o o o + * *      it reaches at most `BLOCK_MARGIN_PX` beyond (+). The block does not see
    * + o o o o + * *      the rest of the giant (*).
    * + + + + + + * *
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.instances import EDGE_RADIUS_PX
from nucwsi.nuclei.pixels import connected

#: A component wider or higher than this is a giant, in canvas pixels. Part of the result.
GIANT_PX = 2048

#: Side of a block, and how far beyond its block a nucleus may reach, in canvas pixels. Part of the
#: result.
BLOCK_PX, BLOCK_MARGIN_PX = 1024, 256


def is_giant(height: Any, width: Any) -> Any:
    """Return whether boxes are too high or too wide to be worked on as a whole.

    Parameters
    ----------
    height, width : int or (N,) ndarray of int
        Size of the boxes in canvas pixels.

    Returns
    -------
    bool or (N,) ndarray of bool
        True above `GIANT_PX`, False at it.
    """
    return np.maximum(height, width) > GIANT_PX


def blocks_of(grid: TileGrid, positions: Iterable[tuple[int, int]]) -> list[Window]:
    """List the blocks that share a pixel with any of some cores.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    positions : iterable of (int, int)
        Row and column in `grid` of each core that a giant crosses.

    Returns
    -------
    list of Window
        Squares of `BLOCK_PX` in canvas pixels, in raster order; they may reach beyond the canvas.
    """
    corners = {
        (cell.row // BLOCK_PX * BLOCK_PX, cell.column // BLOCK_PX * BLOCK_PX)
        for position in positions
        for cell in grid.core(*position).cut(BLOCK_PX, BLOCK_PX)
    }
    return [Window(*corner, BLOCK_PX, BLOCK_PX) for corner in sorted(corners)]


def block_window(grid: TileGrid, block: Window) -> Window:
    """Return the window that is read for a block.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    block : Window
        One of `blocks_of`, in canvas pixels.

    Returns
    -------
    Window
        In canvas pixels, cut at the canvas' edge.
    """
    window = block.grown(BLOCK_MARGIN_PX + EDGE_RADIUS_PX)
    return window.intersection(grid.canvas) or grid.canvas


def giant_mask(
    grid: TileGrid,
    pieces: Mapping[tuple[int, int], list[int]],
    core_mask: Callable[[int, int], NDArray[np.bool_]],
    window: Window,
) -> NDArray[np.bool_]:
    """Return where giants are in a window, without any other component.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    pieces : mapping of (int, int) to list of int
        Position in `grid` of each core that a giant crosses -> labels of the giants' pieces there,
        as `connected` numbers the mask of the core.
    core_mask : callable
        Takes the position of a core; returns its nucleus mask, (H, W) ndarray of bool.
    window : Window
        Within the canvas, in canvas pixels.

    Returns
    -------
    (H, W) ndarray of bool
        True at the pixels of giants in `window`.
    """
    mask = np.zeros(window.shape, bool)
    for position, labels in pieces.items():
        core = grid.core(*position)
        shared = core.intersection(window)
        if shared is not None:
            components, count = connected(core_mask(*position))
            is_piece = np.zeros(count + 1, np.int64)
            is_piece[labels] = 1
            in_core = components.renumbered(is_piece).image()
            mask[shared.within(window).slices] = in_core[shared.within(core).slices] > 0
    return mask

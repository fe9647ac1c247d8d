"""Which windows a network is asked for: boxes around the tissue of one core or several.

Around every window lies a halo, which is computed for nothing. Cores that are asked together share
it; how many, only memory limits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import TileGrid, Window

Position = tuple[int, int]

#: Core -> box around its tissue.
_Boxes = dict[Position, Window]

#: A window has at most so many sizes along an axis for every core, where equal ones are wanted.
_SIZES = 4


@dataclass(frozen=True)
class Asked:
    """A window, and the cores whose maps come from it.

    Attributes
    ----------
    positions : tuple of (int, int)
        Row and column of each core in the grid, in raster order.
    window : Window
        Box around the tissue of these cores, in canvas pixels; may reach beyond the canvas.
    """

    positions: tuple[Position, ...]
    window: Window


class WindowPlan:
    """Plans windows around the tissue of a canvas.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    tissue : (H, W) ndarray of bool
        Where the network is to be asked, in cells of `cell_px` canvas pixels.
    cell_px : int
        Side of a cell; divides a core.
    step_px : int
        The sides of all windows lie at multiples of this, in canvas pixels. A multiple of `cell_px`
        that divides a core.
    halo_px : int
        What is computed around a window, on all sides together, in canvas pixels: so much the
        network's work exceeds that of the window alone.
    """

    def __init__(
        self, grid: TileGrid, tissue: NDArray[np.bool_], cell_px: int, step_px: int, halo_px: int
    ) -> None:
        self._grid, self._tissue = grid, tissue
        self._cell_px, self._step_px, self._halo_px = cell_px, step_px, halo_px

    def windows(self, positions: Iterable[Position], together: Position) -> Iterator[Asked]:
        """Cover the tissue of some cores with windows.

        Parameters
        ----------
        positions : iterable of (int, int)
            Row and column of the cores in the grid; those without tissue are left out.
        together : (int, int)
            Rows and columns of cores that a window holds at most.

        Yields
        ------
        Asked
            Each core with tissue lies in exactly one. Cores whose tissue lies far apart are not
            asked for together where that would be more work.
        """
        blocks: dict[Position, dict[Position, Window]] = {}
        for row, column in positions:
            box = self._box(row, column)
            if box is not None:
                block = row // together[0], column // together[1]
                blocks.setdefault(block, {})[row, column] = box
        for boxes in blocks.values():
            for part in self._split(boxes, {}):
                yield Asked(tuple(sorted(part)), _around(part.values()))

    def _box(self, row: int, column: int) -> Window | None:
        """Box the tissue of a core."""
        core = self._grid.core(row, column)
        inside = self._tissue[core.cells(self._cell_px).slices]
        if not inside.any():
            return None
        cells = self._step_px // self._cell_px
        rows, columns = (np.flatnonzero(inside.any(axis)) // cells for axis in (1, 0))
        top, low, left, right = (int(at) for at in (rows[0], rows[-1], columns[0], columns[-1]))
        return Window(
            core.row + top * self._step_px,
            core.column + left * self._step_px,
            (low + 1 - top) * self._step_px,
            (right + 1 - left) * self._step_px,
        )

    def _split(self, boxes: _Boxes, known: dict[frozenset[Position], list[_Boxes]]) -> list[_Boxes]:
        """Part cores by cuts from edge to edge, so that windows around the parts are least work."""
        key = frozenset(boxes)
        if key not in known:
            best = [boxes]
            # Where a window holds nothing but boxes, a cut only adds a halo.
            for cut in () if _is_full(boxes) else _cuts(boxes):
                parts = [part for half in cut for part in self._split(half, known)]
                best = min(best, parts, key=self._work)
            known[key] = best
        return known[key]

    def _work(self, parts: list[_Boxes]) -> int:
        """Estimate the network's work for one window a part, in pixels."""
        windows = [_around(boxes.values()) for boxes in parts]
        return sum((at.height + self._halo_px) * (at.width + self._halo_px) for at in windows)


def _cuts(boxes: _Boxes) -> Iterator[tuple[_Boxes, _Boxes]]:
    """Yield all pairs of halves of some cores: above and below, or left and right, of a line."""
    for axis in (0, 1):
        for first in sorted({at[axis] for at in boxes})[1:]:
            before = {at: box for at, box in boxes.items() if at[axis] < first}
            yield before, {at: box for at, box in boxes.items() if at not in before}


def _is_full(boxes: _Boxes) -> bool:
    around = _around(boxes.values())
    return around.height * around.width == sum(at.height * at.width for at in boxes.values())


def _around(boxes: Iterable[Window]) -> Window:
    """Return the box around several boxes."""
    tops, lefts, lows, rights = zip(
        *((box.row, box.column, box.row_stop, box.column_stop) for box in boxes), strict=True
    )
    top, left = min(tops), min(lefts)
    return Window(top, left, max(lows) - top, max(rights) - left)


def size_step_px(core_px: int, unit_px: int) -> int:
    """Return the step between the sides of windows that are to have few sizes.

    Parameters
    ----------
    core_px : int
        Side of a core, in canvas pixels.
    unit_px : int
        Divides a core, and the step, in canvas pixels.

    Returns
    -------
    int
        A quarter of a core; where that cannot be, the next larger share of it.
    """
    shares = (core_px // count for count in range(_SIZES, 0, -1) if core_px % count == 0)
    return next(step for step in shares if step % unit_px == 0)


def batches(windows: Iterable[Asked], halo_px: int, most_px: int) -> Iterator[list[Asked]]:
    """Put windows of equal size together, the largest first.

    Later ones then fit into the memory that the first free.

    Parameters
    ----------
    windows : iterable of Asked
        Their order is kept among those of equal size.
    halo_px : int
        Width of what is computed around each, in canvas pixels.
    most_px : int
        Pixels of all windows of a batch with their halos; a larger window is a batch by itself.

    Yields
    ------
    list of Asked
        At least one.
    """
    ordered = sorted(windows, key=lambda at: (-at.window.height * at.window.width, at.window.shape))
    for (height, width), equal in itertools.groupby(ordered, lambda at: at.window.shape):
        count = max(1, most_px // ((height + 2 * halo_px) * (width + 2 * halo_px)))
        while batch := list(itertools.islice(equal, count)):
            yield batch

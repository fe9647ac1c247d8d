"""Tiles without data: lost where there is tissue, and glass elsewhere.

Scanners leave out tiles of glass, so a tile without data is no fault by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Width of the rim around a hole that tells what it lies in, in pixels.
_RIM_PX = 2

#: A hole lies in tissue if this share of its rim is tissue; a hole of several tiles, which may well
#: be the glass around or between pieces, only if it is enclosed and more of its rim is tissue.
_MIN_RIM, _MIN_ENCLOSED_RIM = 0.5, 0.75

#: Or if coarser levels show so much tissue within it.
_MIN_INSIDE = 0.25


def holes_in_tissue(tissue: NDArray[np.bool_], holes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which tiles without data lie in tissue, so that tissue is lost with them.

    Parameters
    ----------
    tissue : (H, W) ndarray of bool
        Where the overview shows tissue.
    holes : (N, 4) ndarray of int64
        Tiles without data: row, column, height and width in pixels of `tissue`; what lies outside
        is ignored.

    Returns
    -------
    (N,) ndarray of bool
        True for tiles that lie in tissue.

    Examples
    --------
    >>> tissue = np.zeros((20, 40), bool)
    >>> tissue[:, :16] = True
    >>> holes_in_tissue(tissue, np.array([[6, 4, 8, 8], [6, 28, 8, 8]]))
    array([ True, False])
    """
    if not len(holes):
        return np.zeros(0, bool)
    empty = np.zeros(tissue.shape, bool)
    for row, column, height, width in holes.clip(min=0).tolist():
        empty[row : row + height, column : column + width] = True
    n_inside = _sums(tissue, holes)
    lost = n_inside >= _MIN_INSIDE * _sums(np.ones_like(tissue), holes)
    seen = tissue & ~empty
    wide = holes + np.array([-_RIM_PX, -_RIM_PX, 2 * _RIM_PX, 2 * _RIM_PX])
    n_rim = _sums(np.ones_like(tissue), wide) - _sums(np.ones_like(tissue), holes)
    lost |= (n_rim > 0) & (_sums(seen, wide) >= _MIN_RIM * n_rim)
    enclosed = _enclosed(empty, seen)
    lost |= _sums(enclosed, holes) > 0
    return lost & (_sums(empty, holes) > 0)


def _enclosed(empty: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the holes (H, W) that do not reach the edge and whose rim is mostly tissue."""
    labels, _ = ndimage.label(empty)
    enclosed = np.zeros_like(empty)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = (slice(max(0, part.start - _RIM_PX), part.stop + _RIM_PX) for part in place)
        if any(
            part.start == 0 or part.stop == side
            for part, side in zip(place, empty.shape, strict=True)
        ):
            continue
        hole = labels[rows, columns] == number
        rim = ndimage.binary_dilation(hole, iterations=_RIM_PX) & ~hole
        if seen[rows, columns][rim].mean() >= _MIN_ENCLOSED_RIM:
            enclosed[rows, columns] |= hole
    return enclosed


def _sums(mask: NDArray[np.bool_], windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the true pixels of a mask (H, W) in each of N windows (row, column, height, width)."""
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    table[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    top, left = windows[:, 0], windows[:, 1]
    rows = [np.clip(at, 0, mask.shape[0]) for at in (top, top + windows[:, 2])]
    columns = [np.clip(at, 0, mask.shape[1]) for at in (left, left + windows[:, 3])]
    counts: NDArray[np.int64] = (
        table[rows[1], columns[1]]
        - table[rows[0], columns[1]]
        - table[rows[1], columns[0]]
        + table[rows[0], columns[0]]
    )
    return counts

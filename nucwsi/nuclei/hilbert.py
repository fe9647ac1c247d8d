"""The order of nuclei on disk: along a curve that keeps neighbours together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Bits of a row or column along the curve: the square is cut into 65,536 x 65,536 cells.
_HILBERT_BITS = 16


def hilbert_key(
    row: NDArray[np.floating], column: NDArray[np.floating], extent_px: float
) -> NDArray[np.int64]:
    """Give each point its place along a Hilbert curve, so that neighbours lie together on disk.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Not negative.
    extent_px : float
        Side of a square that holds all points, in the same unit.

    Returns
    -------
    (N,) ndarray of int64
        0 to ``4**16 - 1``.

    References
    ----------
    Hilbert, Mathematische Annalen 38 (1891); the bitwise form is that of Warren, Hacker's
    Delight, 2nd edition, section 16.
    """
    side = 1 << _HILBERT_BITS
    cells = [
        np.clip(values * (side / extent_px), 0, side - 1).astype(np.int64)
        for values in (column, row)
    ]
    x, y = cells
    key = np.zeros(len(x), np.int64)
    bit = side >> 1
    while bit:
        right, lower = (x & bit) > 0, (y & bit) > 0
        key += bit * bit * ((3 * right) ^ lower)
        # Turn the quadrant so that the curve enters it where it left the one before.
        flip = ~lower & right
        x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
        x, y = np.where(lower, x, y), np.where(lower, y, x)
        bit >>= 1
    return key

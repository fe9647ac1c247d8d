"""Resampling whose pixels do not depend on the window that they are computed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse


#: Bytes of the source that are averaged at once; it changes no result.
_STRIP_BYTES = 1 << 19


class Taps(NamedTuple):
    """The source pixels that make each target pixel along one axis, and their weights.

    Attributes
    ----------
    first, stop : int
        Source pixels ``first <= s < stop`` are needed.
    source : (K, N) ndarray of int64
        Source pixel of each of K taps for N target pixels, counted from `first`.
    weight : (K, N) ndarray of float32
        Weight of the source pixel in the target pixel, 0 to 1; the K weights add up to 1.
    """

    first: int
    stop: int
    source: NDArray[np.int64]
    weight: NDArray[np.float32]


def scale_taps(start: int, stop: int, scale: float, offset: float) -> Taps:
    """Find the source pixels that make target pixels `start` to `stop`, and their weights.

    Target pixel k covers the source from ``offset + k * scale`` to ``offset + (k + 1) * scale``.
    It is the average of what it covers or, if it is smaller than a source pixel, interpolated
    linearly between the two source pixels around its centre. Each k is computed by itself, so all
    windows agree to the last bit.

    Parameters
    ----------
    start, stop : int
        Target pixels ``start <= k < stop``.
    scale : float
        Source pixels per target pixel, above 0.
    offset : float
        Position of the target's origin on the source, in source pixels.

    Returns
    -------
    Taps
        For ``stop - start`` target pixels; source pixels may be negative.

    Examples
    --------
    Target pixel 2 covers the source from 3 to 4.5:

    >>> taps = scale_taps(2, 3, 1.5, 0.0)
    >>> taps.first + taps.source[:, 0], taps.weight[:, 0].round(2)
    (array([3, 4, 5]), array([0.67, 0.33, 0.  ], dtype=float32))
    """
    if scale >= 1:
        return edge_taps(offset + np.arange(start, stop + 1, dtype=np.float64) * scale)
    centre = offset + (np.arange(start, stop, dtype=np.float64) + 0.5) * scale - 0.5
    left = np.floor(centre).astype(np.int64)
    share = (centre - left).astype(np.float32)
    first = int(left[0])
    source = np.stack([left, left + 1]) - first
    return Taps(first, int(left[-1]) + 2, source, np.stack([1 - share, share]))


def edge_taps(edges: NDArray[np.float64]) -> Taps:
    """Find the source pixels between edges, and their weights.

    Parameters
    ----------
    edges : (N + 1,) ndarray of float64
        Positions on the source, in source pixels, ascending; target pixel k covers the source from
        ``edges[k]`` to ``edges[k + 1]``.

    Returns
    -------
    Taps
        For N target pixels, each the average of what it covers.
    """
    low, high = edges[:-1], edges[1:]
    bottom = np.floor(low).astype(np.int64)
    count = int(np.ceil((high - low).max())) + 1
    index = bottom + np.arange(count)[:, None]
    share = np.minimum(high, index + 1) - np.maximum(low, index)
    weight = (np.maximum(share, 0) / (high - low)).astype(np.float32)
    first = int(bottom[0])
    return Taps(first, int(index[-1].max()) + 1, index - first, weight)


def area_average(pixels: NDArray[np.uint8], rows: Taps, columns: Taps) -> NDArray[np.uint8]:
    """Resample an image as the taps of its rows and columns say.

    Parameters
    ----------
    pixels : (H, W, C) ndarray of uint8
        Source from ``rows.first`` to ``rows.stop`` and ``columns.first`` to ``columns.stop``, 0 to
        255.
    rows, columns : Taps
        Of h target rows, and of w target columns.

    Returns
    -------
    (h, w, C) ndarray of uint8
        Rounded to whole numbers from 0 to 255.
    """
    (_, width, channels), targets = pixels.shape, rows.source.shape[1]
    across = _matrix(columns, width)
    answer = np.empty((targets, across.shape[0], channels), np.uint8)
    # In strips: blocks that fit into a processor's cache are used again and again, larger ones come
    # from the kernel anew each time, and clearing them takes longer than the products.
    source_rows = max(1, (rows.stop - rows.first) // max(1, targets))
    step = max(1, _STRIP_BYTES // (4 * channels * max(1, width) * source_rows))
    for top in range(0, targets, step):
        source, weight = rows.source[:, top : top + step], rows.weight[:, top : top + step]
        first, stop = int(source.min()), int(source.max()) + 1
        below = pixels[first:stop]
        down = _matrix(Taps(first, stop, source - first, weight), len(below))
        lines = down @ below.reshape(len(below), -1).astype(np.float32)
        # All colours of a pixel move as one.
        whole = lines.view(np.dtype((np.void, 4 * channels)))
        turned = np.ascontiguousarray(whole.T).view(np.float32).reshape(width, -1)
        values = across @ turned
        np.rint(values, out=values)
        answer[top : top + step] = values.reshape(len(values), -1, channels).swapaxes(0, 1)
    return answer


def _matrix(taps: Taps, size: int) -> sparse.csr_array:
    """Return the taps as a matrix (N, size), whose products always add up in the same order."""
    # Every job of a workflow loads this module for the scales of members, and few resample.
    from scipy import sparse

    count, targets = taps.source.shape
    starts = np.arange(targets + 1) * count
    # A tap of weight 0 may point one pixel beyond the source.
    columns = np.minimum(taps.source.T, size - 1).ravel()
    return sparse.csr_array((taps.weight.T.ravel(), columns, starts), shape=(targets, size))

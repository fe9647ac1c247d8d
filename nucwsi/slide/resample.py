"""Exact resampling of a picture, such that a pixel never depends on the window it is in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Taps(NamedTuple):
    """Which source pixels make each target pixel along one axis.

    Attributes
    ----------
    first : int
        First source pixel that is needed.
    stop : int
        First source pixel that is not.
    source : (K, N) ndarray of int64
        Source pixel of each of K taps for N target pixels, counted from `first`.
    weight : (K, N) ndarray of float32
        Share of the source pixel in the target pixel; sums to one.
    """

    first: int
    stop: int
    source: NDArray[np.int64]
    weight: NDArray[np.float32]


def scale_taps(start: int, stop: int, scale: float, offset: float) -> Taps:
    """Find the source pixels that make target pixels `start` to `stop`, and their shares.

    Target pixel k covers the source from ``offset + k * scale`` to ``offset + (k + 1) * scale``.
    It is the average of what it covers or, where it is smaller than a source pixel, interpolated
    linearly between the two source pixels around its centre. All of this is worked out for each k
    alone, so that all windows agree to the last bit.

    Parameters
    ----------
    start, stop : int
        Target pixels, half-open.
    scale : float
        Source pixels per target pixel.
    offset : float
        Source position of the origin of the target.

    Returns
    -------
    Taps
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
    """Find the source pixels between edges, and their shares.

    Parameters
    ----------
    edges : (N + 1,) ndarray of float64
        Source position, ascending; target pixel k covers the source from ``edges[k]`` to
        ``edges[k + 1]``.

    Returns
    -------
    Taps
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
    """Average the source under each target pixel, as the taps say.

    Parameters
    ----------
    pixels : (H, W, 3) ndarray of uint8
        Source from ``rows.first`` to ``rows.stop`` and ``columns.first`` to ``columns.stop``.
    rows, columns : Taps

    Returns
    -------
    (h, w, 3) ndarray of uint8
    """
    height, width, channels = pixels.shape
    lines = _matrix(rows, height) @ pixels.reshape(height, -1).astype(np.float32)
    turned = lines.reshape(-1, width, channels).swapaxes(0, 1).reshape(width, -1)
    answer = _matrix(columns, width) @ turned
    return np.rint(answer).astype(np.uint8).reshape(len(answer), -1, channels).swapaxes(0, 1)


def _matrix(taps: Taps, size: int) -> sparse.csr_array:
    """Write the taps as a matrix; its products are summed tap by tap, in the same order always."""
    count, targets = taps.source.shape
    starts = np.arange(targets + 1) * count
    # Taps without weight may point one pixel beyond the source.
    columns = np.minimum(taps.source.T, size - 1).ravel()
    return sparse.csr_array((taps.weight.T.ravel(), columns, starts), shape=(targets, size))


def reduced(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average blocks of `factor` x `factor` pixels; a rest at the edge is filled by repetition.

    Parameters
    ----------
    pixels : (C, H, W) ndarray of uint8
    factor : int

    Returns
    -------
    (C, ceil(H / factor), ceil(W / factor)) ndarray of uint8
    """
    channels, height, width = pixels.shape
    room = ((0, 0), (0, -height % factor), (0, -width % factor))
    padded = np.pad(pixels, room, mode="edge")
    rows, columns = padded.shape[1] // factor, padded.shape[2] // factor
    lines = padded.reshape(channels, rows, factor, -1).sum(axis=2, dtype=np.uint16)
    total = lines.reshape(channels, rows, columns, factor).sum(axis=3, dtype=np.uint32)
    return ((total + factor**2 // 2) // factor**2).astype(np.uint8)

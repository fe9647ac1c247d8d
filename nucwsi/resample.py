"""Exact area-averaging of a picture, such that a pixel never depends on the window it is in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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
        Share of the target pixel that the source pixel covers; sums to one.
    """

    first: int
    stop: int
    source: NDArray[np.int64]
    weight: NDArray[np.float32]


def area_taps(start: int, stop: int, scale: float, offset: float) -> Taps:
    """Find the source pixels under target pixels `start` to `stop`, and their shares.

    Target pixel k covers the source from ``offset + k * scale`` to ``offset + (k + 1) * scale``;
    this is worked out for each k alone, so that all windows agree to the last bit.

    Parameters
    ----------
    start, stop : int
        Target pixels, half-open.
    scale : float
        Source pixels per target pixel; at least about 1.
    offset : float
        Source position of the origin of the target.

    Returns
    -------
    Taps
    """
    k = np.arange(start, stop)
    low, high = offset + k * scale, offset + (k + 1) * scale
    bottom = np.floor(low).astype(np.int64)
    count = int(np.ceil(scale)) + 1
    index = bottom + np.arange(count)[:, None]
    share = np.minimum(high, index + 1) - np.maximum(low, index)
    weight = (np.maximum(share, 0) / scale).astype(np.float32)
    first = int(bottom[0])
    return Taps(first, int(index[-1, -1]) + 1, index - first, weight)


def area_average(pixels: NDArray[np.uint8], rows: Taps, columns: Taps) -> NDArray[np.uint8]:
    """Average the source under each target pixel.

    Parameters
    ----------
    pixels : (H, W, 3) ndarray of uint8
        Source from ``rows.first`` to ``rows.stop`` and ``columns.first`` to ``columns.stop``.
    rows, columns : Taps

    Returns
    -------
    (h, w, 3) ndarray of uint8
    """
    lines = np.zeros((rows.source.shape[1], *pixels.shape[1:]), np.float32)
    for index, weight in zip(rows.source, rows.weight, strict=True):
        lines += pixels[index] * weight[:, None, None]
    answer = np.zeros((len(lines), columns.source.shape[1], pixels.shape[2]), np.float32)
    for index, weight in zip(columns.source, columns.weight, strict=True):
        answer += lines[:, index] * weight[None, :, None]
    return np.rint(answer).astype(np.uint8)


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
    shape = (channels, padded.shape[1] // factor, factor, padded.shape[2] // factor, factor)
    return np.rint(padded.reshape(shape).mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)

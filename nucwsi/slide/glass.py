"""The colour of glass, which stains are measured against."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from nucwsi.slide.blocks import blocks, counted_median, counts_of

#: A pixel is even if the colours (0 to 255) of its neighbours differ by at most this; glass is even
#: everywhere, and tissue hardly anywhere.
_EVEN = 6

#: Plain glass is brighter than this, and its colours differ by less than this (0 to 255). Other
#: glass transmits at least this much of its strongest colour, and these shares of it in green and
#: in its weakest colour: whatever H&E stains transmits less green.
PLAIN_LEVEL, PLAIN_RANGE = 190, 26
_TINTED = {"high": 100, "green_share": 0.8, "low_share": 0.45}

#: From this level (0 to 255) on a pixel is so bright that it is taken for missing data.
_BLANK = 252

#: Sums of the three colours of a pixel.
_N_SUMS = 3 * 255 + 1


def lowest(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the least of the three colours of each pixel.

    Parameters
    ----------
    colour : (..., 3) ndarray of uint8
        RGB, 0 to 255.

    Returns
    -------
    (...) ndarray of uint8
        The same as ``colour.min(axis=-1)``, whose loops over three values take long.
    """
    return np.minimum(np.minimum(colour[..., 0], colour[..., 1]), colour[..., 2])


def highest(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the largest of the three colours of each pixel; see `lowest`.

    Parameters
    ----------
    colour : (..., 3) ndarray of uint8
        RGB, 0 to 255.

    Returns
    -------
    (...) ndarray of uint8
        The same as ``colour.max(axis=-1)``.
    """
    return np.maximum(np.maximum(colour[..., 0], colour[..., 1]), colour[..., 2])


def is_plain(colour: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which colours are those of plain glass: bright and nearly grey.

    Parameters
    ----------
    colour : (..., 3) ndarray of uint8
        RGB, 0 to 255.

    Returns
    -------
    (...) ndarray of bool
        True where glass with this colour is neither dim nor tinted.
    """
    low, high = lowest(colour), highest(colour)
    plain: NDArray[np.bool_] = (low > PLAIN_LEVEL) & (high - low < PLAIN_RANGE)
    return plain


def glass_colour(overview: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Measure the colour of glass.

    It is the median of what is bright, nearly grey and brightest, unless more of the slide is even
    and dimmer or tinted: then it is the median of that.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255; glass and missing data are white.

    Returns
    -------
    (3,) ndarray of uint8
        Red, green and blue; bright and grey where no glass is seen.
    """
    tinted = _tinted_glass(overview)
    if tinted is not None:
        return tinted
    # Pure white stands for missing data; it is no glass unless there is hardly any other candidate.
    counts = np.zeros((3, _N_SUMS * 256), np.int64)
    n_white = 0
    for block in blocks(overview.shape):
        rgb = overview[block.own]
        low = lowest(rgb)
        n_white += int((low == 255).sum())
        candidates = rgb[is_plain(rgb) & (low < 255)].astype(np.int64)
        level = candidates.sum(axis=1) * 256
        for channel in range(3):
            counts[channel] += counts_of(level + candidates[:, channel], _N_SUMS * 256)
    by_level = counts.reshape(3, _N_SUMS, 256)
    n_pixels = overview.shape[0] * overview.shape[1]
    levels = by_level[0].sum(axis=1)
    if levels.sum() < max(16, n_pixels // 1000):
        return np.full(3, 255 if n_white > 0.01 * n_pixels else 244, np.uint8)
    brightest = by_level[:, int(np.ceil(counted_median(levels))) :].sum(axis=1)
    return np.array([counted_median(one) for one in brightest]).astype(np.uint8)


def _tinted_glass(overview: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the colour (3,) of glass that is not plain; None if more is plain, or nothing even."""
    height, width = overview.shape[:2]
    # At most a million pixels, each with its eight neighbours.
    step = 1 + int((height * width) ** 0.5) // 1000
    around = [
        overview[row : max(0, height - 2) + row : step, column : max(0, width - 2) + column : step]
        for row in range(3)
        for column in range(3)
    ]
    span = reduce(np.maximum, around) - reduce(np.minimum, around)
    even = around[4][(span <= _EVEN).all(axis=2)]
    low, high = lowest(even), highest(even)
    plain = is_plain(even)
    tinted = even[
        ~plain
        & (high >= _TINTED["high"])
        & (low >= _TINTED["low_share"] * high)
        & (even[:, 1] >= _TINTED["green_share"] * high)
    ]
    if (
        len(tinted) < max(16, span[..., 0].size // 50)
        or len(tinted) < (plain & (low < _BLANK)).sum()
    ):
        return None
    colour: NDArray[np.uint8] = np.median(tinted, axis=0).astype(np.uint8)
    # Nothing is brighter than glass but missing data and rare reflections.
    n_brighter = 0
    for block in blocks(overview.shape):
        rgb = overview[block.own]
        brighter = (rgb[..., 1] > int(colour[1]) + 12) & (lowest(rgb) < _BLANK)
        n_brighter += int(brighter.sum())
    return colour if n_brighter < 0.2 * height * width else None

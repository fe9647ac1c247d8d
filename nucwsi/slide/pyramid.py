"""Which levels of a pyramid to believe: by their size, and by what they show.

A level that is cut or padded otherwise than the full resolution, or that shows another picture,
would put tissue where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Least standard deviation, in grey levels, of a patch that has something to compare.
_MIN_CONTRAST = 5.0

#: Least correlation of patches of one place; sound levels have 0.88 and more.
_MIN_CORRELATION = 0.6

#: Where a shift of more than one pixel explains a patch by so much better, it is shifted.
_SHIFT_GAIN = 0.05

#: Two blank patches of one place differ by at most so many grey levels.
_MAX_DIFFERENCE = 40.0


def is_evenly_reduced(shape: tuple[int, int], full: tuple[int, int]) -> bool:
    """Return whether one reduction explains both sides of a level, up to a pixel of rounding.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the level in its own pixels.
    full : (int, int)
        Height and width of level 0 in its own pixels.

    Returns
    -------
    bool
        Whether there is a factor by which both sides of level 0 are divided.

    Examples
    --------
    >>> is_evenly_reduced((277, 370), (2220, 2967)), is_evenly_reduced((512, 512), (2220, 2967))
    (True, False)
    """
    least = max(whole / (side + 1) for side, whole in zip(shape, full, strict=True))
    most = min(
        whole / (side - 1) if side > 1 else np.inf for side, whole in zip(shape, full, strict=True)
    )
    return bool(least <= most)


def padded_reductions(
    shape: tuple[int, int], full: tuple[int, int], tile: tuple[int, int]
) -> list[int]:
    """List the reductions that explain a level whose tiles at the edge were kept whole.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the level in its own pixels.
    full : (int, int)
        Height and width of level 0 in its own pixels.
    tile : (int, int)
        Height and width of the level's tiles in its own pixels.

    Returns
    -------
    list of int
        Level-0 pixels per pixel of the level, powers of two up to 1024; empty unless the level is
        made of whole tiles.

    Examples
    --------
    >>> padded_reductions((1024, 768), (3200, 2300), (256, 256))
    [4]
    """
    if any(side % part for side, part in zip(shape, tile, strict=True)):
        return []
    factors = (2**power for power in range(1, 11))
    return [
        factor
        for factor in factors
        if all(
            math.ceil(math.ceil(whole / factor) / part) * part == side
            for side, whole, part in zip(shape, full, tile, strict=True)
        )
    ]


def shows_same(
    fine: Sequence[NDArray[np.uint8]], coarse: Sequence[NDArray[np.uint8]]
) -> bool | None:
    """Tell from patches of two levels whether they show one picture, in one place.

    Parameters
    ----------
    fine : sequence of (S, S, 3) ndarray of uint8
        Patches of the finer level, 0 to 255, averaged to pixels of the coarser one.
    coarse : sequence of (S, S, 3) ndarray of uint8
        The same places of the coarser level, 0 to 255.

    Returns
    -------
    bool or None
        Whether at most a third of the patches that can be judged differ, as they do where one level
        is damaged; None if all of them are blank.
    """
    votes = [_agrees(a, b) for a, b in zip(fine, coarse, strict=True)]
    agreeing, differing = votes.count(True), votes.count(False)
    if agreeing == differing == 0:
        return None
    return agreeing >= 2 * differing


def _agrees(fine: NDArray[np.uint8], coarse: NDArray[np.uint8]) -> bool | None:
    """Compare two patches (S, S, 3); None if there is nothing to see on either."""
    if np.abs(fine.mean(axis=(0, 1)) - coarse.mean(axis=(0, 1))).max() > _MAX_DIFFERENCE:
        return False
    a, b = (ndimage.uniform_filter(patch.mean(axis=2), 3) for patch in (fine, coarse))
    reach = len(a) // 4
    core = a[reach:-reach, reach:-reach]
    windows = np.lib.stride_tricks.sliding_window_view(b, core.shape)
    if max(core.std(), windows[reach, reach].std()) < _MIN_CONTRAST:
        return None
    core = core - core.mean()
    spread = np.maximum(windows.std(axis=(2, 3)) * core.std(), 1e-6)
    correlation = np.einsum("ijkl,kl->ij", windows, core) / (core.size * spread)
    here = correlation[reach - 1 : reach + 2, reach - 1 : reach + 2].max()
    return bool(here >= _MIN_CORRELATION and correlation.max() - here < _SHIFT_GAIN)


def richest_places(view: NDArray[np.uint8], side: int, count: int) -> list[tuple[float, float]]:
    """Find where a small picture has most to compare.

    Parameters
    ----------
    view : (H, W, 3) ndarray of uint8
        RGB, 0 to 255, at any scale.
    side : int
        Side of a block in pixels of the view.
    count : int
        Largest number of places.

    Returns
    -------
    list of (float, float)
        Row and column of the middle of the blocks of most contrast, as shares of height and width.
    """
    grey = view.mean(axis=2)
    height, width = (max(1, length // side) for length in grey.shape)
    blocks = grey[: height * side, : width * side]
    if blocks.shape[0] < side or blocks.shape[1] < side:
        return [(0.5, 0.5)]
    spread = blocks.reshape(height, side, width, side).std(axis=(1, 3))
    order = np.argsort(spread, axis=None)[::-1][:count]
    rows, columns = np.unravel_index(order, spread.shape)
    return [
        ((row + 0.5) * side / grey.shape[0], (column + 0.5) * side / grey.shape[1])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]

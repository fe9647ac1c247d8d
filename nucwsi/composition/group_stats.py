"""Statistics of values in groups, all groups at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Spread(NamedTuple):
    """How the values of G groups are distributed; NaN where there are too few.

    Attributes
    ----------
    n : (G,) ndarray of int64
    mean : (G,) ndarray of float64
    sd : (G,) ndarray of float64
        With n - 1 below; of at least two values.
    percentiles : (Q, G) ndarray of float64
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    percentiles: NDArray[np.float64]


def percentiles(
    values: NDArray[np.float32], group: NDArray[np.int64], n_groups: int, percent: Sequence[float]
) -> NDArray[np.float64]:
    """Return percentiles of the values of each group, between neighbours by linear interpolation.

    Parameters
    ----------
    values : (N,) ndarray of float32
        Not negative; NaN are left out.
    group : (N,) ndarray of int64
    n_groups : int
    percent : sequence of float
        Q numbers from 0 to 100.

    Returns
    -------
    (Q, n_groups) ndarray of float64
        NaN for an empty group.
    """
    values, group = _known(values, group)
    # The bits of numbers above zero are in the order of the numbers: one sort of whole numbers.
    keys = (group.astype(np.uint64) << np.uint64(32)) | (values + np.float32(0)).view(np.uint32)
    keys.sort()
    ordered = keys.astype(np.uint32).view(np.float32).astype(np.float64)
    size = np.bincount(group, minlength=n_groups)
    filled = np.flatnonzero(size)
    first, last = (np.cumsum(size) - size)[filled], size[filled] - 1
    found = np.full((len(percent), n_groups), np.nan)
    for row, share in enumerate(percent):
        place = last * (share / 100)
        below = place.astype(np.int64)
        left, right = ordered[first + below], ordered[first + np.minimum(below + 1, last)]
        found[row, filled] = left + (right - left) * (place - below)
    return found


def spread(
    values: NDArray[np.float32], group: NDArray[np.int64], n_groups: int, percent: Sequence[float]
) -> Spread:
    """Describe the values of each group.

    Parameters
    ----------
    values : (N,) ndarray of float32
        Not negative; NaN are left out.
    group : (N,) ndarray of int64
    n_groups : int
    percent : sequence of float
        Q numbers from 0 to 100.

    Returns
    -------
    Spread
    """
    values, group = _known(values, group)
    n = np.bincount(group, minlength=n_groups)
    exact = values.astype(np.float64)
    some = np.where(n > 0, n, np.nan)
    mean = np.bincount(group, exact, n_groups) / some
    squares = np.bincount(group, (exact - mean[group]) ** 2, n_groups)
    sd = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
    return Spread(n, mean, sd, percentiles(values, group, n_groups, percent))


def _known(
    values: NDArray[np.float32], group: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    known = ~np.isnan(values)
    return (values, group) if known.all() else (values[known], group[known])

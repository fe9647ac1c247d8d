"""Statistics of values in groups, all groups at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.nuclei.group_sums import group_sizes, group_sums, in_parts


class GroupStats(NamedTuple):
    """How the values of each of G groups are distributed, in the unit of the values.

    Attributes
    ----------
    n : (G,) ndarray of int64
        Number of values that are known.
    mean : (G,) ndarray of float64
        NaN for an empty group.
    sd : (G,) ndarray of float64
        Sample standard deviation, divided by n - 1; NaN for fewer than two values.
    percentiles : (Q, G) ndarray of float64
        See `group_percentiles`.
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    percentiles: NDArray[np.float64]


def group_percentiles(
    values: NDArray[np.float32], group: NDArray[np.integer], n_groups: int, percent: Sequence[float]
) -> NDArray[np.float64]:
    """Return percentiles of the values of each group, interpolated linearly between two values.

    Parameters
    ----------
    values : (N,) ndarray of float32
        In any unit; not negative. NaN are left out.
    group : (N,) ndarray of int
        Index of the group that each value belongs to.
    n_groups : int
        Number of groups G.
    percent : sequence of float
        Q numbers from 0 to 100.

    Returns
    -------
    (Q, n_groups) ndarray of float64
        In the unit of the values; NaN for an empty group.

    Examples
    --------
    >>> values, group = np.array([1, 3, 7], np.float32), np.array([0, 0, 2])
    >>> group_percentiles(values, group, 3, [50])
    array([[ 2., nan,  7.]])
    """
    values, group = _without_nan(values, group)
    # The bits of numbers from 0 on, read as integers, are in the order of the numbers: one sort of
    # integers orders the values of all groups.
    keys = group.astype(np.uint64)
    keys <<= np.uint64(32)
    for some in in_parts(len(keys)):
        keys[some] |= (values[some] + np.float32(0)).view(np.uint32)
    keys.sort()

    def _at(place: NDArray[np.int64]) -> NDArray[np.float64]:
        return keys[place].astype(np.uint32).view(np.float32).astype(np.float64)

    size = group_sizes(group, n_groups)
    filled = np.flatnonzero(size)
    first, last = (np.cumsum(size) - size)[filled], size[filled] - 1
    answer = np.full((len(percent), n_groups), np.nan)
    for row, share in enumerate(percent):
        place = last * (share / 100)
        below = place.astype(np.int64)
        left, right = _at(first + below), _at(first + np.minimum(below + 1, last))
        answer[row, filled] = left + (right - left) * (place - below)
    return answer


def group_stats(
    values: NDArray[np.float32], group: NDArray[np.integer], n_groups: int, percent: Sequence[float]
) -> GroupStats:
    """Describe how the values of each group are distributed.

    Parameters
    ----------
    values : (N,) ndarray of float32
        In any unit; not negative. NaN are left out.
    group : (N,) ndarray of int
        Index of the group that each value belongs to.
    n_groups : int
        Number of groups G.
    percent : sequence of float
        Q percentiles, as numbers from 0 to 100.

    Returns
    -------
    GroupStats
        Of G groups.
    """
    values, group = _without_nan(values, group)
    n = group_sizes(group, n_groups)
    [total] = group_sums(group, n_groups, lambda some: [values[some].astype(np.float64)])
    mean = total / np.where(n > 0, n, np.nan)
    [squares] = group_sums(
        group, n_groups, lambda some: [(values[some].astype(np.float64) - mean[group[some]]) ** 2]
    )
    sd = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
    return GroupStats(n, mean, sd, group_percentiles(values, group, n_groups, percent))


def _without_nan(
    values: NDArray[np.float32], group: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    known = ~np.isnan(values)
    return (values, group) if known.all() else (values[known], group[known])

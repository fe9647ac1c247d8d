"""Sums over the nuclei of groups, without as many numbers in memory as there are nuclei."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

#: Nuclei that are looked at together; it bounds the memory, and changes no result.
_AT_ONCE = 1 << 14


def group_sums(
    group: NDArray[np.integer],
    n_groups: int,
    terms: Callable[[slice], Sequence[NDArray[np.floating]]],
) -> NDArray[np.float64]:
    """Add up terms group by group, without all of them in memory.

    Parameters
    ----------
    group : (N,) ndarray of int
        Index of the group that each term belongs to.
    n_groups : int
        Number of groups G.
    terms : callable
        Takes a part of 0 to N, and gives S arrays of the terms there; asked at least once.

    Returns
    -------
    (S, G) ndarray of float64
        Sums in the order of the terms, as `numpy.bincount` makes them, to the last bit.

    Examples
    --------
    >>> values = np.array([1.0, 2.0, 4.0])
    >>> group_sums(np.array([0, 0, 2]), 3, lambda some: [values[some]])
    array([[3., 0., 4.]])
    """
    sums: list[NDArray[np.float64]] = []
    for some in in_parts(len(group)):
        made = terms(some)
        sums = sums or [np.zeros(n_groups) for _ in made]
        for total, term in zip(sums, made, strict=True):
            np.add.at(total, group[some], term)
    return np.reshape(sums, (len(sums), n_groups))


def in_parts(n: int) -> Iterator[slice]:
    """Cut a range into parts that fit into little memory.

    Parameters
    ----------
    n : int
        Its length.

    Yields
    ------
    slice
        At least one; together all from 0 to `n`.
    """
    for start in range(0, max(n, 1), _AT_ONCE):
        yield slice(start, min(n, start + _AT_ONCE))


def group_sizes(group: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Count the members of groups.

    Parameters
    ----------
    group : (N,) ndarray of int
        Index of the group of each member.
    n_groups : int
        Number of groups G.

    Returns
    -------
    (G,) ndarray of int64
        As `numpy.bincount` makes them.
    """
    size = np.zeros(n_groups, np.int64)
    for some in in_parts(len(group)):
        size += np.bincount(group[some], minlength=n_groups)
    return size

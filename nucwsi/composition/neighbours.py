"""Which classes lie side by side, and whether more often than by chance.

Two nuclei of a region that are close to each other are an edge of a graph. Under random relabelling
nuclei keep their places and classes keep their counts, and every assignment of classes to nuclei is
equally likely. Mean and variance of the number of edges between two classes are then known exactly:
Cliff & Ord, Spatial Processes (1981), section 2.3, nonfree sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

#: Nuclei whose edges are looked at together: it bounds the memory, and changes no result.
_AT_ONCE = 1 << 12

#: What is between the numbers of two columns of a grid, and of a square and those around it.
_COLUMN = 1 << 32
_BESIDE = np.array([column * _COLUMN + row for column in (-1, 0, 1) for row in (-1, 0, 1)])

#: Reads the centroids of some nuclei, (M, 2).
Reader: TypeAlias = Callable[[], NDArray[np.float64]]


class PairCounts(NamedTuple):
    """How often each of K pairs of classes is close together in each of R regions.

    Attributes
    ----------
    n_pairs : (R, K) ndarray of int64
        Pairs of nuclei of these classes that are close to each other.
    expected, sd : (R, K) ndarray of float64
        Mean and standard deviation of `n_pairs` under random relabelling.
    """

    n_pairs: NDArray[np.int64]
    expected: NDArray[np.float64]
    sd: NDArray[np.float64]


def class_pairs(n_classes: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of classes that are counted.

    Parameters
    ----------
    n_classes : int
        Number of classes C.

    Returns
    -------
    one, other : (K,) ndarray of int
        Indices of both classes of each pair; the first is never the larger.
    """
    return np.triu_indices(n_classes)


def count_pairs(
    points_um: Sequence[Reader],
    radius_um: float,
    class_code: NDArray[np.uint8],
    n_classes: int,
    regions: Sequence[NDArray[np.integer]],
) -> PairCounts:
    """Count the pairs of classes that are close together in regions, beside what chance would give.

    Parameters
    ----------
    points_um : sequence of callable
        Each reads the centroids (M, 2) of the next nuclei in µm, in any frame; together N. Only a
        few are in memory at a time, if nuclei that are read together lie close together.
    radius_um : float
        Two nuclei are close if their centroids are at most this far apart.
    class_code : (N,) ndarray of uint8
        Index of the class; `n_classes` for nuclei without a class, which have no neighbours.
    n_classes : int
        Number of classes C.
    regions : sequence of (M,) ndarray of int
        Indices of the nuclei of each of R regions, in ascending order.

    Returns
    -------
    PairCounts
        For the pairs of `class_pairs`.

    Examples
    --------
    Three nuclei in a row, 10 µm apart:

    >>> points_um = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    >>> class_code = np.array([0, 0, 1], np.uint8)
    >>> class_pairs(2)
    (array([0, 0, 1]), array([0, 1, 1]))
    >>> count_pairs([lambda: points_um], 10, class_code, 2, [np.arange(3)]).n_pairs
    array([[1, 1, 0]])
    """
    kinds = np.zeros((len(regions), n_classes**2), np.int64)
    touching, count = np.zeros(len(regions)), np.zeros((len(regions), n_classes))
    for some, near, one, other in _edges(points_um, radius_um):
        code, around = class_code[some.start : some.stop], class_code[near]
        ends = np.array([some.start, some.stop], np.int32)
        kind = code[one].astype(np.intp) * n_classes + around[other]
        for row, members in enumerate(regions):
            first, stop = np.searchsorted(members, ends)
            if first == stop:
                continue
            inside = np.zeros(len(some), bool)
            inside[members[first:stop] - some.start] = True
            inside &= code < n_classes
            both = inside[one] & (_is_member(near, members) & (around < n_classes))[other]
            degree = np.bincount(one[both])
            touching[row] += (degree * (degree - 1)).sum()
            kinds[row] += np.bincount(kind[both], minlength=n_classes**2)
            count[row] += np.bincount(code[inside], minlength=n_classes)
    a, b = class_pairs(n_classes)
    # Each edge was seen from both ends.
    seen = kinds[:, a * n_classes + b]
    n_pairs = np.where(a == b, seen // 2, seen)
    moments = [
        _moments(of_region, a, b, float(pairs.sum()), float(twice))
        for of_region, pairs, twice in zip(count, n_pairs, touching, strict=True)
    ]
    expected, variance = np.reshape(moments, (len(regions), 2, len(a))).swapaxes(0, 1)
    return PairCounts(n_pairs, expected, np.sqrt(variance))


def _is_member(index: NDArray[np.int32], members: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return whether each of some nuclei, by index (M,), is one of the members, in order."""
    place = np.searchsorted(members, index)
    inside = place < len(members)
    inside[inside] = members[place[inside]] == index[inside]
    return inside


def _edges(
    points_um: Sequence[Reader], radius_um: float
) -> Iterator[tuple[range, NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the edges (E,) of a few nuclei at a time.

    That is the range of these nuclei; the indices of all that are close to them (M,); and of each
    edge the one end, counted from the first of the range, and the place of the other among the M.
    """
    # Rounding must not lose one that is exactly as far away.
    reach, start = 1.001 * radius_um, [0]
    low, high = np.empty((2, len(points_um), 2))
    for part, read in enumerate(points_um):
        own = read()
        start.append(start[-1] + len(own))
        low[part] = own.min(axis=0, initial=np.inf) - reach
        high[part] = own.max(axis=0, initial=-np.inf) + reach
    for part, read in enumerate(points_um):
        own, near, around = read(), [np.empty(0, np.int64)], [np.empty((0, 2))]
        cells = np.unique(_cells(own, reach)[:, None] + _BESIDE)
        overlap = (low <= high[part]) & (high >= low[part])
        for other in np.flatnonzero(overlap.all(axis=1)).tolist():
            points = own if other == part else points_um[other]()
            close = np.flatnonzero(np.isin(_cells(points, reach), cells))
            near.append(start[other] + close)
            around.append(points[close])
        yield from _of_part(
            range(start[part], start[part + 1]),
            own,
            np.concatenate(near).astype(np.int32),
            cKDTree(np.concatenate(around)),
            radius_um,
        )


def _cells(points: NDArray[np.float64], side: float) -> NDArray[np.int64]:
    """Return a number for the square of a grid that each point (M,) lies in."""
    column, row = np.floor(points / side).astype(np.int64).T
    return column * _COLUMN + row


def _of_part(
    part: range,
    own: NDArray[np.float64],
    near: NDArray[np.int32],
    around: cKDTree,
    radius_um: float,
) -> Iterator[tuple[range, NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the edges of a part as `_edges`, given its nuclei and all that are close to them."""
    for start in range(0, len(own), _AT_ONCE):
        some = part[start : start + _AT_ONCE]
        tree = cKDTree(own[start : start + _AT_ONCE])
        found = tree.sparse_distance_matrix(around, radius_um, output_type="ndarray")
        apart = near[found["j"]] != some.start + found["i"]
        one, other = found["i"][apart], found["j"][apart]
        shown = np.zeros(len(near), bool)
        shown[other] = True
        yield some, near[shown], one, (np.cumsum(shown) - 1)[other]


def _falling(count: NDArray[np.float64] | float, times: int) -> NDArray[np.float64]:
    """Return ``count * (count - 1) * ...``, the number of ways to draw `times` in sequence."""
    return np.prod([np.maximum(np.asarray(count) - k, 0.0) for k in range(times)], axis=0)


def _moments(
    count: NDArray[np.float64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    edges: float,
    touching: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the number of edges between classes under random relabelling.

    `count` (C,) holds the nuclei of each class, `a` and `b` (K,) the classes of each pair; `edges`
    is the number of edges, `touching` that of ordered pairs of edges that share a nucleus.
    """
    total, n_a, n_b = float(count.sum()), count[a], count[b]
    alike = a == b

    def chance(of_one: NDArray[np.float64], of_two: NDArray[np.float64], k: int) -> Any:
        ways = _falling(total, k)
        return np.where(alike, of_one, of_two) / ways if ways > 0 else np.zeros(len(a))

    one = chance(_falling(n_a, 2), 2 * n_a * n_b, 2)
    shared = chance(_falling(n_a, 3), n_a * _falling(n_b, 2) + n_b * _falling(n_a, 2), 3)
    apart = chance(_falling(n_a, 4), 4 * _falling(n_a, 2) * _falling(n_b, 2), 4)
    expected = edges * one
    second = expected + touching * shared + (edges * (edges - 1) - touching) * apart
    # Rounding must not make a number that cannot vary seem to vary.
    variance = second - expected**2
    return expected, np.where(variance > 1e-12 * second, variance, 0.0)

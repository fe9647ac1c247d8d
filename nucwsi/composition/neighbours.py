"""Which classes lie side by side, and whether more often than by chance.

Two nuclei of a region that are close to each other are an edge of a graph. Under random relabelling
nuclei keep their places and classes keep their counts, and every assignment of classes to nuclei is
equally likely. Mean and variance of the number of edges between two classes are then known exactly:
Cliff & Ord, Spatial Processes (1981), section 2.3, nonfree sampling.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

#: Nuclei whose edges are looked at together: it bounds the memory, and changes no result.
_AT_ONCE = 1 << 13


class PairCounts(NamedTuple):
    """How often each of K pairs of classes is close together in one region.

    Attributes
    ----------
    n_pairs : (K,) ndarray of int64
        Pairs of nuclei of these classes that are close to each other.
    expected, sd : (K,) ndarray of float64
        Mean and standard deviation of `n_pairs` under random relabelling.
    """

    n_pairs: NDArray[np.int64]
    expected: NDArray[np.float64]
    sd: NDArray[np.float64]


class NeighbourGraph:
    """The graph of nuclei within a radius of each other.

    Parameters
    ----------
    points_um : (N, 2) ndarray of float64
        Centroids in µm, in any frame.
    radius_um : float
        Two nuclei are close if their centroids are at most this far apart.
    class_code : (N,) ndarray of uint8
        Index of the class; `n_classes` for nuclei without a class, which have no neighbours.
    n_classes : int
        Number of classes C.

    Examples
    --------
    Three nuclei in a row, 10 µm apart:

    >>> points_um = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    >>> class_code = np.array([0, 0, 1], np.uint8)
    >>> graph = NeighbourGraph(points_um, 10, class_code, 2)
    >>> graph.class_pairs
    (array([0, 0, 1]), array([0, 1, 1]))
    >>> graph.count_pairs(np.arange(3)).n_pairs
    array([1, 1, 0])
    """

    def __init__(
        self,
        points_um: NDArray[np.float64],
        radius_um: float,
        class_code: NDArray[np.uint8],
        n_classes: int,
    ) -> None:
        self._code, self._n_classes = class_code, n_classes
        self._first, self._other = _edges_of(points_um, radius_um)
        # Place of each nucleus among the members of the region that is being counted.
        self._place = np.full(len(points_um), -1, np.int32)

    @property
    def class_pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Both classes of each pair, two (K,) arrays of indices; the first is never the larger."""
        return np.triu_indices(self._n_classes)

    def count_pairs(self, members: NDArray[np.int64]) -> PairCounts:
        """Count the pairs of classes among nuclei, beside what chance would give.

        Parameters
        ----------
        members : (M,) ndarray of int64
            Indices of the nuclei of a region, each once.

        Returns
        -------
        PairCounts
            One for each pair of classes, in the order of `class_pairs`.
        """
        members = members[self._code[members] < self._n_classes]
        code, degree = self._code[members].astype(np.int64), np.zeros(len(members), np.int64)
        table = np.zeros(self._n_classes**2, np.int64)
        self._place[members] = np.arange(len(members))
        for start in range(0, len(members), _AT_ONCE):
            one, other = self._edges(members[start : start + _AT_ONCE])
            degree += np.bincount(np.concatenate([one, other]), minlength=len(members))
            low, high = np.sort([code[one], code[other]], axis=0)
            table += np.bincount(low * self._n_classes + high, minlength=len(table))
        self._place[members] = -1
        a, b = self.class_pairs
        count = np.bincount(code, minlength=self._n_classes).astype(np.float64)
        touching = float((degree * (degree - 1)).sum())
        expected, variance = _moments(count, a, b, float(table.sum()), touching)
        return PairCounts(table[a * self._n_classes + b], expected, np.sqrt(variance))

    def _edges(self, some: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return both ends (E,), (E,) of the edges of some members, as places among all."""
        start, stop = self._first[some], self._first[some + 1]
        length = stop - start
        offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        other = self._place[self._other[np.repeat(start, length) + offset]]
        both = other >= 0
        return np.repeat(self._place[some], length)[both], other[both]


def _edges_of(
    points_um: NDArray[np.float64], radius_um: float
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return where the neighbours of each point begin, (N + 1,), and these neighbours, (E,).

    Of two points that are neighbours the first has the second.
    """
    everything, others = cKDTree(points_um), [np.empty(0, np.int32)]
    count = np.zeros(len(points_um) + 1, np.int64)
    for start in range(0, len(points_um), _AT_ONCE):
        some = points_um[start : start + _AT_ONCE]
        near = cKDTree(some).sparse_distance_matrix(everything, radius_um, output_type="ndarray")
        one, other = near["i"], near["j"]
        later = other > one + start
        one, other = one[later], other[later]
        count[start + 1 : start + 1 + len(some)] = np.bincount(one, minlength=len(some))
        others.append(other[np.argsort(one, kind="stable")].astype(np.int32))
    return np.cumsum(count), np.concatenate(others)


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

"""Which classes lie side by side, and whether more often than chance would have it.

Nuclei of a region that are close to each other are the edges of a graph. Under random relabelling
the nuclei keep their places and the counts of the classes, and every way to deal the labels is as
likely as any other. Mean and variance of the number of edges between two classes are then known
exactly: Cliff & Ord, Spatial Processes (1981), section 2.3, nonfree sampling.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


class Pairs(NamedTuple):
    """How often each of K pairs of classes is close together in one region.

    Attributes
    ----------
    n_pairs : (K,) ndarray of int64
        Pairs of nuclei of these classes that are close to each other.
    expected, sd : (K,) ndarray of float64
        Mean and standard deviation under random relabelling.
    """

    n_pairs: NDArray[np.int64]
    expected: NDArray[np.float64]
    sd: NDArray[np.float64]


class Closeness:
    """The graph of nuclei within a radius of each other.

    Parameters
    ----------
    points_um : (N, 2) ndarray of float64
        Centroids in µm, in any frame.
    radius_um : float
        Two nuclei are close if their centroids are at most this far apart.
    class_code : (N,) ndarray of uint8
        `n_classes` for those without a class: they are no one's neighbour.
    n_classes : int
    """

    def __init__(
        self,
        points_um: NDArray[np.float64],
        radius_um: float,
        class_code: NDArray[np.uint8],
        n_classes: int,
    ) -> None:
        self._code, self._n_classes = class_code.astype(np.int64), n_classes
        edges = cKDTree(points_um).query_pairs(radius_um, output_type="ndarray")
        self._other = edges[np.argsort(edges[:, 0], kind="stable"), 1]
        self._first = np.searchsorted(np.sort(edges[:, 0]), np.arange(len(points_um) + 1))
        # Place of each nucleus among the members of the region that is being counted.
        self._place = np.full(len(points_um), -1)

    @property
    def class_pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Codes of both classes of each pair, the first not above the second."""
        return np.triu_indices(self._n_classes)

    def pairs(self, members: NDArray[np.int64]) -> Pairs:
        """Count the pairs of classes among some nuclei, and say what chance would give.

        Parameters
        ----------
        members : (M,) ndarray of int64
            The nuclei of a region, each once.

        Returns
        -------
        Pairs
            In the order of `class_pairs`.
        """
        members = members[self._code[members] < self._n_classes]
        one, other = self._edges(members)
        code = self._code[members]
        degree = np.bincount(np.concatenate([one, other]), minlength=len(members))
        low, high = np.sort([code[one], code[other]], axis=0)
        table = np.bincount(low * self._n_classes + high, minlength=self._n_classes**2)
        a, b = self.class_pairs
        count = np.bincount(code, minlength=self._n_classes).astype(np.float64)
        touching = float((degree * (degree - 1)).sum())
        expected, variance = _moments(count, a, b, float(len(one)), touching)
        return Pairs(table[a * self._n_classes + b], expected, np.sqrt(variance))

    def _edges(self, members: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return both ends of all edges among members, as places in their list."""
        start, stop = self._first[members], self._first[members + 1]
        length = stop - start
        offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        self._place[members] = np.arange(len(members))
        other = self._place[self._other[np.repeat(start, length) + offset]]
        self._place[members] = -1
        both = other >= 0
        return np.repeat(np.arange(len(members)), length)[both], other[both]


def _falling(count: NDArray[np.float64] | float, times: int) -> NDArray[np.float64]:
    """Return ``count * (count - 1) * ...``: in how many ways to draw one after the other."""
    return np.prod([np.maximum(np.asarray(count) - k, 0.0) for k in range(times)], axis=0)


def _moments(
    count: NDArray[np.float64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    edges: float,
    touching: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the number of edges between classes under random relabelling.

    `touching` is the number of ordered pairs of edges that share a nucleus.
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
    # Where nothing varies, rounding must not make it seem so.
    variance = second - expected**2
    return expected, np.where(variance > 1e-12 * second, variance, 0.0)

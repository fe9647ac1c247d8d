"""Counts of nuclei of each class, with 95 % intervals, from the probabilities of single nuclei.

If nuclei were independent, a count would be Poisson-binomial. An error that all nuclei of a group
share comes on top: what the calibration of the network could not remove, and how far the answers of
an ensemble lie apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.disagreement import disagreement_of_counts
from nucwsi.composition.poisson_binomial import Z95, count_interval


class CountEstimate(NamedTuple):
    """What is known of the number of nuclei of C classes in G groups, such as regions.

    Attributes
    ----------
    n_nuclei : (G,) ndarray of int64
        Nuclei of each group, whatever their class.
    expected, variance : (G, C) ndarray of float64
        Sum of the class probabilities p, and of p (1 - p).
    low, high : (G, C) ndarray of int64
        Ends of the 95 % interval if nuclei were independent; see `poisson_binomial.CountInterval`.
    disagreement : (G, C) ndarray of float64
        Standard deviation of the count between the answers of an ensemble, in nuclei.
    """

    n_nuclei: NDArray[np.int64]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    disagreement: NDArray[np.float64]

    def interval(
        self, count_error: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the intervals, widened by what the nuclei of a group have in common.

        Parameters
        ----------
        count_error : (C,) or (G, C) ndarray of float64
            Standard deviation of the shared error, divided by the number of a group's nuclei, from
            `calibration.count_error`; where it is NaN, the interval has no meaning.

        Returns
        -------
        low, high : (G, C) ndarray of int64
            Ends of the interval, both included, in nuclei; see `widened`.
        """
        shared_sd = np.hypot(self.n_nuclei[:, None] * count_error, self.disagreement)
        return widened(self.expected, self.low, self.high, shared_sd)


def estimate_counts(
    pairs: NDArray[np.int64],
    class_probabilities: NDArray[np.floating],
    contrasts: NDArray[np.floating],
    n_groups: int,
) -> CountEstimate:
    """Estimate how many nuclei of each class each group holds.

    Parameters
    ----------
    pairs : (2, K) ndarray of int64
        Index of a group, and index of a nucleus in it.
    class_probabilities : (N, C) ndarray of float
        Probability that a nucleus is of a class, 0 to 1.
    contrasts : (N, Q · C) ndarray of float
        Contrasts between the answers of an ensemble, by contrast, then class; Q is 0 for a single
        answer.
    n_groups : int
        Number of groups G; some may hold no nucleus.

    Returns
    -------
    CountEstimate
        Of G groups and C classes.
    """
    group, members = pairs
    n_classes = class_probabilities.shape[1]
    by_class = [
        count_interval(group, class_probabilities[members, code], n_groups)
        for code in range(n_classes)
    ]
    shape = (n_classes, n_groups)
    expected, variance, low, high = (
        np.reshape([interval[part] for interval in by_class], shape).T for part in range(4)
    )
    return CountEstimate(
        np.bincount(group, minlength=n_groups),
        expected,
        variance,
        low.astype(np.int64),
        high.astype(np.int64),
        disagreement_of_counts(group, contrasts[members], n_classes, n_groups),
    )


def widened(
    expected: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shared_sd: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Widen the intervals of `count_interval` by an error that all nuclei of a group share.

    The shared error is independent of the others, so the distances of both ends from the expected
    number grow by the root of a sum of squares.

    Parameters
    ----------
    expected : (...) ndarray of float64
        Expected counts, of any shape.
    low, high : (...) ndarray of int64
        Ends of their intervals, in nuclei; same shape.
    shared_sd : (...) ndarray of float64
        Standard deviation of the shared error, in nuclei; same shape. Where it is 0, the interval
        stays as it is.

    Returns
    -------
    low, high : (...) ndarray of int64
        Not below 0. `high` may exceed the nuclei of the group, because some may have been missed.
    """
    below, above = (np.hypot(expected - end, Z95 * shared_sd) for end in (low, high))
    wider = shared_sd > 0
    return (
        np.where(wider, np.maximum(0, np.floor(expected - below)), low).astype(np.int64),
        np.where(wider, np.ceil(expected + above), high).astype(np.int64),
    )

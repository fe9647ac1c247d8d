"""Counts of nuclei of each class, with 95 % intervals, from the probabilities of single nuclei.

If nuclei were independent, a count would be Poisson-binomial. What comes on top is what the
probabilities do not know: nuclei that are missed or invented, a habit to take one class for another
all over a slide, and how far the answers of an ensemble lie apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.disagreement import disagreement_of_counts
from nucwsi.composition.membership import Membership
from nucwsi.composition.poisson_binomial import count_interval
from nucwsi.nuclei.group_sums import group_sums
from nucwsi.nuclei.miscount import Miscount

#: 97.5 % quantile of Student's distribution of 8 degrees of freedom: errors beyond chance have
#: heavier tails than a normal distribution, and their size is itself an estimate.
T95 = 2.306004


class CountError(NamedTuple):
    """By how much counts of C classes are off beyond chance.

    Attributes
    ----------
    lone, common : float
        As in `Miscount`.
    confusion : (C,) ndarray of float64
        As in `Miscount`; 0 where it is not known.
    share : (C,) ndarray of float64
        Standard deviation of the shared error, divided by the number of all nuclei of a group: what
        checkpoints of format 1 know instead.
    """

    lone: float
    common: float
    confusion: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(
        cls, classes: tuple[str, ...], share: Mapping[str, float], miscount: Miscount | None = None
    ) -> Self:
        """Arrange what is known of an ensemble by its classes.

        Parameters
        ----------
        classes : tuple of str
            The C class names.
        share : mapping of str to float
            Class name -> `share`; 0 for a class that is missing.
        miscount : Miscount, optional
            What was measured; without it all but `share` is 0.

        Returns
        -------
        CountError
            Of C classes.
        """
        known = miscount or Miscount(0.0, 0.0, {})
        return cls(
            known.lone,
            known.common,
            np.array([known.confusion.get(name, 0.0) for name in classes], np.float64),
            np.array([share.get(name, 0.0) for name in classes], np.float64),
        )


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
        self, error: CountError, stretch: NDArray[np.float64] | float = 1.0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the intervals, widened by what the probabilities of nuclei do not know.

        Parameters
        ----------
        error : CountError
            Of C classes.
        stretch : (G,) ndarray of float64 or float
            Factor, at least 1, by which errors beyond chance are larger in a group than in the
            images on which they were measured.

        Returns
        -------
        low, high : (G, C) ndarray of int64
            Ends of the interval, both included, in nuclei; see `widened`.

        Notes
        -----
        If all nuclei of a group have their log-odds of a class shifted by the same small amount,
        the expected count changes by this amount times the sum of p (1 - p). So this sum, the
        nuclei that the probabilities expect to be confused, is what `CountError.confusion` scales.
        """
        shared = (
            (error.confusion * self.variance) ** 2
            + (error.common * self.expected) ** 2
            + (error.share * self.n_nuclei[:, None]) ** 2
        )
        beyond = np.broadcast_to(stretch, len(self.n_nuclei))[:, None] ** 2 * (
            error.lone * self.expected + shared
        )
        sd = np.sqrt(beyond + self.disagreement**2)
        return widened(self.expected, self.low, self.high, sd)


def estimate_counts(
    membership: Membership,
    class_probabilities: Collection[NDArray[np.floating]],
    contrasts: Collection[NDArray[np.floating]],
) -> CountEstimate:
    """Estimate how many nuclei of each class each group holds.

    Parameters
    ----------
    membership : Membership
        Which of N nuclei each of G groups holds.
    class_probabilities : collection of (N,) ndarray of float
        For each of C classes the probability that a nucleus is of it, 0 to 1.
    contrasts : collection of (N,) ndarray of float
        Q · C contrasts between the answers of an ensemble, by contrast, then class; Q is 0 for a
        single answer.

    Returns
    -------
    CountEstimate
        Of G groups and C classes.
    """
    intervals = [_interval(membership, column) for column in class_probabilities]
    shape = (len(class_probabilities), membership.n_groups)
    expected, variance, low, high = (
        np.reshape([interval[part] for interval in intervals], shape).T for part in range(4)
    )
    sums = np.reshape(
        [_sums(membership, column) for column in contrasts], (len(contrasts), shape[1])
    )
    return CountEstimate(
        membership.size,
        expected,
        variance,
        low.astype(np.int64),
        high.astype(np.int64),
        disagreement_of_counts(sums, shape[0]),
    )


def _interval(membership: Membership, probability: NDArray[np.floating]) -> list[NDArray[Any]]:
    return membership.by_group(
        lambda group, own, n_groups: count_interval(group, probability[own], n_groups)
    )


def _sums(membership: Membership, contrast: NDArray[np.floating]) -> NDArray[np.float64]:
    [sums] = membership.by_group(
        lambda group, own, n_groups: group_sums(group, n_groups, lambda some: [contrast[own[some]]])
    )
    return sums


def widened(
    expected: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    sd: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Widen the intervals of `count_interval` by an error beyond chance.

    The error is independent of chance, so the distances of both ends from the expected number grow
    by the root of a sum of squares, with `T95` standard deviations of the error.

    Parameters
    ----------
    expected : (...) ndarray of float64
        Expected counts, of any shape.
    low, high : (...) ndarray of int64
        Ends of their intervals, in nuclei; same shape.
    sd : (...) ndarray of float64
        Standard deviation of the error, in nuclei; same shape. Where it is 0, the interval stays as
        it is.

    Returns
    -------
    low, high : (...) ndarray of int64
        The whole numbers that are nearest to the ends, not below 0 and never within the interval
        as it was. `high` may exceed the nuclei of the group, because some may have been missed.
    """
    below, above = (np.hypot(expected - end, T95 * sd) for end in (low, high))
    # A whole number stands for all that is rounded to it.
    first, last = np.ceil(expected - below - 0.5), np.floor(expected + above + 0.5)
    wider = sd > 0
    return (
        np.where(wider, np.maximum(0, np.minimum(first, low)), low).astype(np.int64),
        np.where(wider, np.maximum(last, high), high).astype(np.int64),
    )

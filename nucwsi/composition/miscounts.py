"""What counts are off by beyond chance, fitted to images whose true counts are known.

Images of one source, such as a laboratory, err alike. So a source weighs no more than some ten
images however many it has, and what is fitted is tried on the images of a source that was left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t as student

from nucwsi.composition.intervals import CountError

#: Images of a source weigh as much as so many at most.
_LARGEST_WEIGHT = 10.0

#: Degrees of freedom of the errors; those of `intervals.T95`.
_FREEDOM = 8

#: `lone`, `common` and `confusion` that are assumed where little is known: those of 472 images of
#: three sources (the bundled member `default`; see docs/counting.md).
_TYPICAL = (0.6, 0.13, 1.0)

#: Variance of rounding a count to a whole number.
_ROUNDING = 1 / 12


class KnownCounts(NamedTuple):
    """True counts of C classes in N images, and what the probabilities of nuclei say of them.

    Attributes
    ----------
    truth : (N, C) ndarray of int64
        True number of nuclei of each class.
    known : (N, C) ndarray of bool
        Whether the true count is known.
    expected, variance : (N, C) ndarray of float64
        Sums of the class probabilities p of the nuclei found, and of p (1 - p).
    source : (N,) ndarray of str
        Where each image comes from, such as the name of its data set.
    """

    truth: NDArray[np.int64]
    known: NDArray[np.bool_]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    source: NDArray[np.str_]

    def without(self, source: str) -> KnownCounts:
        """Leave out the images of one source.

        Parameters
        ----------
        source : str
            One of `source`.

        Returns
        -------
        KnownCounts
            Of the other images.
        """
        kept = self.source != source
        return KnownCounts(*(values[kept] for values in self))


def fit_miscounts(counts: KnownCounts) -> CountError:
    """Fit the errors of counts to images.

    Parameters
    ----------
    counts : KnownCounts
        Of N images and C classes; N may be 0.

    Returns
    -------
    CountError
        Its `share` is 0. With few images it stays near typical values, and a class of which few
        counts are known near the other classes.

    Notes
    -----
    The difference between a true and an expected count, divided by its standard deviation, has
    Student's distribution of 8 degrees of freedom; its variance is

    > Σ p (1 - p) + lone · μ + (common · μ)² + (confusion · Σ p (1 - p))²,

    where μ is the expected count. The logarithms of `lone`, `common` and the mean `confusion` have
    a normal prior of standard deviation 0.7 around typical values, and so has that of each class
    around the mean. Their most probable values are taken.
    """
    weights = _weights(counts)
    typical, n_classes = np.log(_TYPICAL), counts.truth.shape[1]

    def _surprise(logs: NDArray[np.float64]) -> float:
        error = _error(logs)
        variance = (
            counts.variance
            + error.lone * counts.expected
            + (error.common * counts.expected) ** 2
            + (error.confusion * counts.variance) ** 2
            + _ROUNDING
        )
        sd = np.sqrt(variance)
        likely = student.logpdf((counts.truth - counts.expected) / sd, _FREEDOM) - np.log(sd)
        prior = np.square(logs[:3] - typical).sum() + np.square(logs[3:]).sum()
        return float(prior - (weights * likely).sum())

    start = np.concatenate([typical, np.zeros(n_classes)])
    return _error(minimize(_surprise, start, method="L-BFGS-B").x)


def _error(logs: NDArray[np.float64]) -> CountError:
    """Return the error whose logarithms are given: lone, common, mean confusion, and by class."""
    lone, common = np.exp(logs[:2]).tolist()
    return CountError(lone, common, np.exp(logs[2] + logs[3:]), np.zeros(len(logs) - 3))


def _weights(counts: KnownCounts) -> NDArray[np.float64]:
    """Return the weight (N, C) of each count: those of a source of many images count for less."""
    weights = np.zeros(counts.known.shape)
    for name in np.unique(counts.source):
        own = (counts.source == name)[:, None] & counts.known
        weights += own * _LARGEST_WEIGHT / (_LARGEST_WEIGHT + own.sum(axis=0))
    return weights

"""The Poisson-binomial distribution: successes in independent trials of unequal probability.

A count of nuclei of a class is such a number, if each nucleus is of the class with its own
probability.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.nuclei.group_sums import group_sizes, group_sums, in_parts

#: Tail probabilities at the two ends of a central 95 % interval, and the normal quantile of the
#: upper one.
_TAILS = (0.025, 0.975)
Z95 = 1.959964

#: Steps into which probabilities are sorted before a distribution is computed.
_STEPS = 256

#: (Largest variance, window): the distribution is computed on so many counts around the mean, an
#: odd number. Above the last variance the normal approximation with its correction for skewness is
#: right to one count.
_WINDOWS = ((4.0, 63), (64.0, 255))

#: Distributions computed at once; it limits memory and changes no result.
_BATCH = 256

#: A sum of rounded numbers that is this close to a tail probability has reached it.
_ROUNDING = 1e-9


class CountInterval(NamedTuple):
    """Expected number of successes in each of G groups of independent trials, and its interval.

    Attributes
    ----------
    expected : (G,) ndarray of float64
        Sum of the probabilities p.
    variance : (G,) ndarray of float64
        Sum of p (1 - p).
    low, high : (G,) ndarray of int64
        2.5 % and 97.5 % quantile: at least 95 % of the distribution lies from `low` to `high`, both
        included.
    """

    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def count_interval(
    group: NDArray[np.integer], probability: NDArray[np.floating], n_groups: int
) -> CountInterval:
    """Return the expected number of successes in each group, and a 95 % interval.

    Parameters
    ----------
    group : (N,) ndarray of int
        Index of the group that each trial belongs to.
    probability : (N,) ndarray of float
        Probability of success of each trial, 0 to 1.
    n_groups : int
        Number of groups G; some may have no trial.

    Returns
    -------
    CountInterval
        Of G groups.

    Notes
    -----
    Up to a variance of 64 the distribution is computed from its characteristic function, the
    product of ``1 - p + p exp(it)``, on a window around the mean. Each probability is shared
    between the two nearest of 257 steps, which keeps the mean and changes the standard deviation by
    0.2 % at most. Above, a quantile is ``mean + sd * (z + skewness * (z**2 - 1) / 6)``.

    References
    ----------
    Hong, On computing the distribution function for the Poisson binomial distribution,
    Computational Statistics & Data Analysis 59 (2013), sections 2.2 and 3.2.

    Examples
    --------
    Three nuclei, one of which is certain, in the first of two groups:

    >>> found = count_interval(np.array([0, 0, 0]), np.array([1.0, 0.5, 0.5]), 2)
    >>> found.expected.tolist(), found.low.tolist(), found.high.tolist()
    ([2.0, 0.0], [1, 0], [3, 0])
    """

    def _moments(some: slice) -> list[NDArray[np.float64]]:
        p = _exact(probability[some])
        spread = p * (1 - p)
        return [p, spread, spread * (1 - 2 * p)]

    mean, variance, third = group_sums(group, n_groups, _moments)
    size = group_sizes(group, n_groups)
    low, high = _corrected_normal(mean, variance, third)
    above = 0.0
    for limit, window in _WINDOWS:
        chosen = np.flatnonzero((variance > above) & (variance <= limit))
        for start in range(0, len(chosen), _BATCH):
            batch = chosen[start : start + _BATCH]
            weights = _histograms(group, probability, batch, n_groups)
            low[batch], high[batch] = _quantiles(weights, mean[batch], window)
        above = limit
    return CountInterval(mean, variance, np.clip(low, 0, size), np.clip(high, 0, size))


def _exact(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.clip(probability.astype(np.float64), 0, 1)


def _corrected_normal(
    mean: NDArray[np.float64], variance: NDArray[np.float64], third: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both quantiles of groups (G,) from their mean and central moments.

    Without variance the mean is a whole number, and both quantiles are the mean.
    """
    deviation = np.sqrt(variance)
    skewness = np.divide(third, deviation**3, out=np.zeros_like(mean), where=deviation > 0)
    shift = skewness * (Z95**2 - 1) / 6
    low, high = (np.ceil(mean + deviation * (z + shift) - 0.5) for z in (-Z95, Z95))
    return low.astype(np.int64), high.astype(np.int64)


def _histograms(
    group: NDArray[np.integer],
    probability: NDArray[np.floating],
    chosen: NDArray[np.intp],
    n_groups: int,
) -> NDArray[np.float64]:
    """Count the trials of each chosen group by step of probability, (B, 257).

    A trial is shared between the two steps next to its probability.
    """
    row = np.full(n_groups, -1)
    row[chosen] = np.arange(len(chosen))
    below, above = np.zeros((2, len(chosen) * (_STEPS + 1)))
    for some in in_parts(len(group)):
        own = row[group[some]]
        inside = np.flatnonzero(own >= 0)
        step = _exact(probability[some][inside]) * _STEPS
        lower = np.minimum(step.astype(np.int64), _STEPS - 1)
        share = step - lower
        place = own[inside] * (_STEPS + 1) + lower
        np.add.at(below, place, 1 - share)
        np.add.at(above, place + 1, share)
    return (below + above).reshape(len(chosen), _STEPS + 1)


def _quantiles(
    weights: NDArray[np.float64], mean: NDArray[np.float64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both quantiles of sums of trials, given the trials (B, 257) of each step."""
    angle, logarithm = _characteristic(window)
    first = np.floor(mean).astype(np.int64) - window // 2
    exponent = weights @ logarithm.real + 1j * (weights @ logarithm.imag - np.outer(first, angle))
    distribution = np.fft.irfft(np.conj(np.exp(exponent)), window, axis=1)
    reached = np.cumsum(distribution, axis=1)
    low, high = ((reached < tail - _ROUNDING).sum(axis=1) for tail in _TAILS)
    return first + low, first + high


@lru_cache
def _characteristic(window: int) -> tuple[NDArray[np.floating], NDArray[np.complexfloating]]:
    """Return angles (T,), and the logarithm (257, T) of the function of one trial of each step."""
    angle = 2 * np.pi / window * np.arange(window // 2 + 1)
    probability = np.arange(_STEPS + 1) / _STEPS
    # An odd window has no angle of 180°, where a probability of one half would have no logarithm.
    return angle, np.log(1 + probability[:, None] * (np.exp(1j * angle) - 1))

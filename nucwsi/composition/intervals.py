"""Intervals for counts of nuclei that are each of a class with a probability of their own.

The number of successes in independent trials of unequal probability is Poisson-binomial; what the
trials get wrong in common comes on top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Ends of a central interval that holds 95 %, and the normal quantile of the upper one.
_TAILS = (0.025, 0.975)
_Z95 = 1.959964

#: Probabilities are sorted into so many steps before a distribution is computed.
_STEPS = 256

#: Largest variance -> odd number of counts around the mean that are told apart; for larger ones the
#: normal approximation with its correction for skewness is right to one count.
_WINDOWS = ((4.0, 63), (64.0, 255))

#: Distributions computed at once; only memory.
_BATCH = 2048

#: Sums of rounded numbers reach a tail that is reached exactly.
_ROUNDING = 1e-9


def count_interval(
    group: NDArray[np.int64], probability: NDArray[np.floating], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the expected number of successes in each group, and a 95 % interval.

    Parameters
    ----------
    group : (N,) ndarray of int64
        Which group each trial belongs to.
    probability : (N,) ndarray of float
        Of success.
    n_groups : int

    Returns
    -------
    expected : (n_groups,) ndarray of float64
    low, high : (n_groups,) ndarray of int64
        The 2.5 % and the 97.5 % quantile: at least 95 % of the distribution lie from `low` to
        `high`, both included.

    Notes
    -----
    Up to a variance of 64 the distribution is computed from its characteristic function, the
    product of ``1 - p + p exp(it)``, on a window around the mean; probabilities count in shares
    for the two nearest of 257 steps, which keeps the mean and changes the standard deviation by
    0.2 % at most. Above, a quantile is ``mean + sd * (z + skewness * (z**2 - 1) / 6)``.

    References
    ----------
    Hong, On computing the distribution function for the Poisson binomial distribution,
    Computational Statistics & Data Analysis 59 (2013), sections 2.2 and 3.2.
    """
    p = np.clip(probability.astype(np.float64), 0, 1)
    spread = p * (1 - p)
    mean = np.bincount(group, p, n_groups).astype(np.float64)
    variance = np.bincount(group, spread, n_groups).astype(np.float64)
    third = np.bincount(group, spread * (1 - 2 * p), n_groups).astype(np.float64)
    size = np.bincount(group, minlength=n_groups)
    low, high = _corrected_normal(mean, variance, third)
    above = 0.0
    for limit, window in _WINDOWS:
        chosen = np.flatnonzero((variance > above) & (variance <= limit))
        for start in range(0, len(chosen), _BATCH):
            some = chosen[start : start + _BATCH]
            weights = _histograms(group, p, some, n_groups)
            low[some], high[some] = _quantiles(weights, mean[some], window)
        above = limit
    # What can no longer vary has one value, whichever way its sum was rounded.
    certain = variance == 0
    low[certain] = high[certain] = np.rint(mean[certain]).astype(np.int64)
    return mean, np.clip(low, 0, size), np.clip(high, 0, size)


def widened(
    expected: NDArray[np.float64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shared_sd: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add an error that all nuclei of a group share to the intervals of `count_interval`.

    It is independent of the others, so distances from the expected number add up as squares.

    Parameters
    ----------
    expected : (n_groups,) ndarray of float64
    low, high : (n_groups,) ndarray of int64
    shared_sd : (n_groups,) ndarray of float64
        Standard deviation of the shared error, in nuclei.

    Returns
    -------
    low, high : (n_groups,) ndarray of int64
        Not below 0; `high` may exceed the nuclei found, because some may have been missed.
    """
    below, above = (np.hypot(expected - end, _Z95 * shared_sd) for end in (low, high))
    wider = shared_sd > 0
    return (
        np.where(wider, np.maximum(0, np.floor(expected - below)), low).astype(np.int64),
        np.where(wider, np.ceil(expected + above), high).astype(np.int64),
    )


def _corrected_normal(
    mean: NDArray[np.float64], variance: NDArray[np.float64], third: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    deviation = np.sqrt(variance)
    skewness = np.divide(third, deviation**3, out=np.zeros_like(mean), where=deviation > 0)
    shift = skewness * (_Z95**2 - 1) / 6
    low, high = (np.ceil(mean + deviation * (z + shift) - 0.5) for z in (-_Z95, _Z95))
    return low.astype(np.int64), high.astype(np.int64)


def _histograms(
    group: NDArray[np.int64], p: NDArray[np.float64], some: NDArray[np.intp], n_groups: int
) -> NDArray[np.float64]:
    """Share each trial of some groups between the two steps next to its probability."""
    row = np.full(n_groups, -1)
    row[some] = np.arange(len(some))
    inside = np.flatnonzero(row[group] >= 0)
    step = p[inside] * _STEPS
    lower = np.minimum(step.astype(np.int64), _STEPS - 1)
    share = step - lower
    place = row[group[inside]] * (_STEPS + 1) + lower
    count = len(some) * (_STEPS + 1)
    weights = np.bincount(place, 1 - share, count) + np.bincount(place + 1, share, count)
    return weights.reshape(len(some), _STEPS + 1).astype(np.float64)


def _quantiles(
    weights: NDArray[np.float64], mean: NDArray[np.float64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both ends of the interval of sums of trials, given how many there are of each step."""
    angle = 2 * np.pi / window * np.arange(window // 2 + 1)
    probability = np.arange(_STEPS + 1) / _STEPS
    # An odd window has no angle of 180°, where a probability of one half would have no logarithm.
    logarithm = np.log(1 + probability[:, None] * (np.exp(1j * angle) - 1))
    first = np.floor(mean).astype(np.int64) - window // 2
    exponent = weights @ logarithm.real + 1j * (weights @ logarithm.imag - np.outer(first, angle))
    distribution = np.fft.irfft(np.conj(np.exp(exponent)), window, axis=1)
    reached = np.cumsum(distribution, axis=1)
    low, high = ((reached < tail - _ROUNDING).sum(axis=1) for tail in _TAILS)
    return first + low, first + high

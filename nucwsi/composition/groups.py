"""Differences between groups of patients: medians, bootstrap intervals, permutation tests.

A patient is the unit: nuclei of a slide, and slides of a patient, are not independent of each
other, and whoever resamples them gets intervals that are far too narrow.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Fewer patients in a group, or fewer pairs, allow neither an interval nor a test.
MIN_PATIENTS = 3

#: Samples of the bootstrap, and random arrangements of the permutation test.
N_SAMPLES = 9999

#: Up to so many arrangements all are tried, and the p-value is exact.
_MAX_EXACT = 20_000

#: Every comparison starts from it, so that a number does not depend on what else is compared.
_SEED = 20_261_130

#: Ends of a 95 % interval, in percent.
_ENDS = (2.5, 97.5)

#: Differences that are closer than this share of the largest value are equal but for rounding.
_ROUNDING = 1e-12


class Difference(NamedTuple):
    """How two groups of patients differ in one measurement, in its unit.

    Attributes
    ----------
    n_a, n_b : int
        Number of patients of each group that have a value; of pairs, if patients are paired.
    median_a, median_b : float
        Median of each group; NaN without patients.
    difference : float
        ``median_b - median_a``; of pairs the median of the differences within patients. NaN if a
        group is empty.
    low, high : float
        Ends of its 95 % interval; NaN where there are fewer than `MIN_PATIENTS` patients.
    p_value : float
        Of the permutation test; NaN where there are fewer than `MIN_PATIENTS` patients.
    """

    n_a: int
    n_b: int
    median_a: float
    median_b: float
    difference: float
    low: float
    high: float
    p_value: float


def difference_of_groups(a: NDArray[np.floating], b: NDArray[np.floating]) -> Difference:
    """Compare the medians of two groups of different patients.

    Parameters
    ----------
    a, b : (N,) and (M,) ndarray of float
        One value for each patient, in any unit; NaN are left out.

    Returns
    -------
    Difference
        Its numbers do not depend on the order of the patients. Interval: percentiles of the
        differences of medians of resampled patients, group by group. p-value: share of the
        arrangements of all patients in two groups of these sizes whose medians differ at least as
        much.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 (percentile interval)
    and 15 (permutation test). Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39
    (p-values of random arrangements).
    """
    a, b = _known(a), _known(b)
    middles = _median(a), _median(b)
    observed = middles[1] - middles[0]
    if min(len(a), len(b)) < MIN_PATIENTS:
        return Difference(len(a), len(b), *middles, observed, math.nan, math.nan, math.nan)
    rng = np.random.default_rng(_SEED)
    samples_a = a[rng.integers(len(a), size=(N_SAMPLES, len(a)))]
    samples_b = b[rng.integers(len(b), size=(N_SAMPLES, len(b)))]
    low, high = np.percentile(np.median(samples_b, 1) - np.median(samples_a, 1), _ENDS)
    together = np.concatenate([a, b])
    n, m = len(together), len(b)

    def _statistic(in_b: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows = np.broadcast_to(together, in_b.shape)
        of_b, of_a = rows[in_b].reshape(-1, m), rows[~in_b].reshape(-1, n - m)
        return np.asarray(np.median(of_b, 1) - np.median(of_a, 1))

    if math.comb(n, m) <= _MAX_EXACT:
        chosen = np.array(list(itertools.combinations(range(n), m)))
        every = np.zeros((len(chosen), n), bool)
        np.put_along_axis(every, chosen, True, axis=1)
        p_value = _share_as_large(_statistic(every), observed, together)
    else:
        shuffled = rng.permuted(np.tile(np.arange(n) < m, (N_SAMPLES, 1)), axis=1)
        p_value = _random_share(_statistic(shuffled), observed, together)
    return Difference(len(a), len(b), *middles, observed, float(low), float(high), p_value)


def difference_within_pairs(a: NDArray[np.floating], b: NDArray[np.floating]) -> Difference:
    """Compare two groups within patients: the median of the differences.

    Parameters
    ----------
    a, b : (N,) ndarray of float
        The values of each of N patients in both groups, in any unit; patients with a NaN are left
        out.

    Returns
    -------
    Difference
        Its numbers do not depend on the order of the patients. Interval: percentiles of the median
        difference of resampled patients. p-value: share of the ways to exchange the groups within
        patients in which the median difference is at least as far from 0.

    References
    ----------
    See `difference_of_groups`.
    """
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.asarray(a)[both], np.asarray(b)[both]
    within, middles = _known(b - a), (_median(_known(a)), _median(_known(b)))
    n, observed = len(within), _median(within)
    if n < MIN_PATIENTS:
        return Difference(n, n, *middles, observed, math.nan, math.nan, math.nan)
    rng = np.random.default_rng(_SEED)
    medians = np.median(within[rng.integers(n, size=(N_SAMPLES, n))], 1)
    low, high = np.percentile(medians, _ENDS)

    def _statistic(exchanged: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(np.median(np.where(exchanged, -within, within), 1))

    scale = np.concatenate([a, b])
    if 2**n <= _MAX_EXACT:
        every = (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1
        p_value = _share_as_large(_statistic(every), observed, scale)
    else:
        p_value = _random_share(_statistic(rng.random((N_SAMPLES, n)) < 0.5), observed, scale)
    return Difference(n, n, *middles, observed, float(low), float(high), p_value)


def smallest_p_value(n_a: int, n_b: int, paired: bool) -> float:
    """Return the p-value of groups that differ as clearly as groups of their size can.

    A median stays what it is when the values on one side of it are exchanged for others of that
    side, so that several arrangements differ as much as the clearest.

    Parameters
    ----------
    n_a, n_b : int
        Number of patients of each group; of pairs, if patients are paired.
    paired : bool
        Whether groups are compared by `difference_within_pairs`, not by `difference_of_groups`.

    Returns
    -------
    float
        No comparison of as many patients has a smaller one.
    """
    arrangements = 2**n_a if paired else math.comb(n_a + n_b, n_a)
    if arrangements > _MAX_EXACT:
        return 1 / (N_SAMPLES + 1)
    free_a, free_b = (n_a - 1) // 2, (n_b - 1) // 2
    if paired:
        return 2 ** (free_a + 1) / arrangements
    return (1 + (n_a == n_b)) * math.comb(free_a + free_b, free_a) / arrangements


def _known(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the values that are known, in order: no number may depend on that of the patients."""
    values = np.asarray(values, np.float64)
    return np.sort(values[np.isfinite(values)])


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _as_large(
    differences: NDArray[np.float64], observed: float, values: NDArray[np.float64]
) -> int:
    slack = _ROUNDING * float(np.abs(values).max())
    return int((np.abs(differences) >= abs(observed) - slack).sum())


def _share_as_large(
    differences: NDArray[np.float64], observed: float, values: NDArray[np.float64]
) -> float:
    """Return the p-value if `differences` are those of all arrangements."""
    return _as_large(differences, observed, values) / len(differences)


def _random_share(
    differences: NDArray[np.float64], observed: float, values: NDArray[np.float64]
) -> float:
    """Return the p-value if `differences` are those of random arrangements; never 0."""
    return (_as_large(differences, observed, values) + 1) / (len(differences) + 1)

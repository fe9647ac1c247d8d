"""Differences between groups: every number against an independent computation."""

import itertools
import math
import statistics

import numpy as np
import pytest
from scipy import stats

from nucwsi.composition.groups import (
    MIN_PATIENTS,
    Difference,
    difference_of_groups,
    difference_within_pairs,
    smallest_p_value,
)

RNG = np.random.default_rng(3)
A, B = RNG.lognormal(5, 0.5, 6), RNG.lognormal(5.6, 0.5, 7)


def distribution_of_median(values):
    """The exact distribution of the median of a bootstrap sample (Efron 1982): value -> share.

    Counted over how often each value is drawn, without a random number.
    """
    values, n = sorted(values), len(values)
    shares = {}
    for drawn in itertools.combinations_with_replacement(range(n), n):
        ways = math.factorial(n)
        for index in set(drawn):
            ways //= math.factorial(drawn.count(index))
        middle = statistics.median(values[index] for index in drawn)
        shares[middle] = shares.get(middle, 0) + ways / n**n
    return shares


def difference_distribution():
    found = {}
    for (x, p), (y, q) in itertools.product(
        distribution_of_median(A).items(), distribution_of_median(B).items()
    ):
        found[y - x] = found.get(y - x, 0) + p * q
    return found


def test_the_interval_holds_95_percent_of_the_exact_bootstrap():
    found, exact = difference_of_groups(A, B), difference_distribution()
    assert sum(exact.values()) == pytest.approx(1)
    # Each end is a quantile of a distribution of steps: what lies below it brackets 2.5 %.
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        below = sum(p for value, p in exact.items() if value < end - 1e-9)
        up_to = sum(p for value, p in exact.items() if value <= end + 1e-9)
        assert below - 0.006 <= share <= up_to + 0.006


def test_medians_and_their_difference():
    found = difference_of_groups(A, B)
    assert (found.n_a, found.n_b) == (6, 7)
    assert found.median_a == statistics.median(A)
    assert found.median_b == statistics.median(B)
    assert found.difference == statistics.median(B) - statistics.median(A)


def test_the_interval_agrees_with_scipy():
    def difference(a, b, axis=-1):
        return np.median(b, axis) - np.median(a, axis)

    found = difference_of_groups(A, B)
    theirs = stats.bootstrap((A, B), difference, n_resamples=20000, method="percentile", rng=1)
    assert found.low == pytest.approx(theirs.confidence_interval.low, rel=0.1)
    assert found.high == pytest.approx(theirs.confidence_interval.high, rel=0.1)


def test_the_p_value_counts_all_arrangements():
    observed, together = abs(statistics.median(B) - statistics.median(A)), [*A, *B]
    arrangements = list(itertools.combinations(range(13), 6))
    as_large = 0
    for chosen in arrangements:
        a = [together[at] for at in chosen]
        b = [together[at] for at in range(13) if at not in chosen]
        as_large += abs(statistics.median(b) - statistics.median(a)) >= observed - 1e-9
    assert difference_of_groups(A, B).p_value == as_large / len(arrangements)


def test_random_arrangements_agree_with_scipy():
    a, b = RNG.normal(0, 1, 20), RNG.normal(0.5, 1, 25)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.median(y, axis) - np.median(x, axis),
        n_resamples=9999,
        rng=1,
        vectorized=True,
    )
    found = difference_of_groups(a, b)
    assert found.p_value == pytest.approx(theirs.pvalue, abs=0.02)
    assert found.p_value >= 1 / 10_000


def test_pairs_are_compared_within_patients():
    a, b = A, A + np.array([1.0, 2, 3, 4, -1, 6])
    found = difference_within_pairs(a, b)
    within = b - a
    assert found.difference == pytest.approx(2.5)
    assert (found.n_a, found.n_b) == (6, 6)
    assert (found.median_a, found.median_b) == (statistics.median(a), statistics.median(b))
    signs = itertools.product((1, -1), repeat=6)
    as_large = [abs(statistics.median(within * np.array(s))) >= 2.5 - 1e-9 for s in signs]
    assert found.p_value == sum(as_large) / 64
    theirs = stats.bootstrap((within,), np.median, n_resamples=20000, method="percentile", rng=1)
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.3)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.3)
    unpaired = difference_of_groups(a, b)
    assert found.high - found.low < (unpaired.high - unpaired.low) / 3, "that is what pairs are for"


@pytest.mark.parametrize(("n", "m"), [(3, 3), (3, 4), (4, 4), (5, 3), (5, 5), (6, 4), (6, 6)])
def test_the_smallest_p_value_is_that_of_the_clearest_difference(n, m):
    few = np.sort(RNG.lognormal(0, 2, n + m))
    apart = [difference_of_groups(few[:n], few[n:]), difference_of_groups(few[m:], few[:m])]
    assert min(found.p_value for found in apart) == smallest_p_value(n, m, False)
    pairs = difference_within_pairs(np.zeros(n), few[:n])
    assert pairs.p_value == smallest_p_value(n, n, True)
    for _ in range(20):
        a, b = RNG.normal(size=n), RNG.normal(0.5, 1, m)
        assert difference_of_groups(a, b).p_value >= smallest_p_value(n, m, False)
        assert difference_within_pairs(a, a * RNG.normal(size=n)).p_value >= pairs.p_value


def test_the_smallest_p_value_of_random_arrangements():
    a, b = RNG.normal(0, 1, 20), RNG.normal(90, 1, 20)
    assert difference_of_groups(a, b).p_value == smallest_p_value(20, 20, False) == 1e-4
    assert difference_within_pairs(a, b).p_value >= smallest_p_value(20, 20, True) == 1e-4


@pytest.mark.parametrize("compared", [difference_of_groups, difference_within_pairs])
def test_numbers_do_not_depend_on_the_order_of_patients(compared):
    a, b = RNG.normal(size=8), RNG.normal(size=8)
    order = RNG.permutation(8)
    assert compared(a, b) == compared(a, b)
    assert compared(a[order], b[order]) == pytest.approx(compared(a, b), rel=1e-12)


def test_exchanging_the_groups_changes_the_sign_alone():
    there, back = difference_of_groups(A, B), difference_of_groups(B, A)
    assert back.difference == -there.difference
    assert back.p_value == there.p_value
    assert back.low == pytest.approx(-there.high, rel=0.1)


@pytest.mark.parametrize("compared", [difference_of_groups, difference_within_pairs])
@pytest.mark.parametrize("n", range(MIN_PATIENTS + 1))
def test_few_patients_are_not_tested(compared, n):
    found = compared(np.arange(n), np.arange(n) + 1.0)
    assert (found.n_a, found.n_b) == (n, n)
    tested = not any(map(math.isnan, (found.low, found.high, found.p_value)))
    assert tested == (n >= MIN_PATIENTS)
    assert math.isnan(found.difference) == (n == 0)


def test_values_that_are_not_known_are_left_out():
    gaps = np.array([np.nan, *A])
    assert difference_of_groups(gaps, B) == difference_of_groups(A, B)
    pairs = difference_within_pairs(gaps, np.array([1.0, *A]))
    assert pairs.n_a == 6
    assert pairs == Difference(6, 6, pairs.median_a, pairs.median_a, 0, 0, 0, 1)


def test_equal_groups_differ_by_nothing():
    same = np.full(5, 0.1 + 0.2)
    assert difference_of_groups(same, same)[4:] == (0, 0, 0, 1)

"""Intervals of Poisson-binomial counts against distributions that are multiplied out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import poisson_binomial
from nucwsi.composition.poisson_binomial import count_interval


def multiplied_out(probabilities):
    """Return the distribution of the number of successes, one trial after the other."""
    distribution = np.ones(1)
    for p in probabilities:
        distribution = np.convolve(distribution, [1 - p, p])
    return distribution


def quantiles(distribution):
    reached = np.cumsum(distribution)
    return [int((reached < tail - 1e-9).sum()) for tail in (0.025, 0.975)]


def one(probabilities):
    p = np.asarray(probabilities, float)
    expected, _, low, high = count_interval(np.zeros(len(p), np.int64), p, 1)
    return expected[0], low[0], high[0]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 400),
    st.floats(0.02, 5),
    st.floats(0.02, 5),
    st.integers(0, 10**6),
)
def test_small_counts_have_the_exact_quantiles(n, a, b, seed):
    p = np.random.default_rng(seed).beta(a, b, n)
    distribution = multiplied_out(p)
    expected, low, high = one(p)
    assert expected == pytest.approx(p.sum())
    for found, exact in zip((low, high), quantiles(distribution), strict=True):
        # Where a tail ends within a hair of 2.5 %, the neighbour is as good.
        assert abs(found - exact) <= 1
    assert distribution[low : high + 1].sum() >= 0.9495


def test_a_simple_count_is_exact_to_the_last_nucleus():
    for p in ([0.3], [0.02], [0.03], [0.5] * 10, [0.9, 0.1, 0.5], [0.001] * 300, [1.0, 0.5, 0]):
        assert list(one(p)[1:]) == quantiles(multiplied_out(p)), p


def test_large_counts_agree_with_the_distribution_on_a_grid(monkeypatch):
    """The approximation above a variance of 64 against the computation below it."""
    rng = np.random.default_rng(3)
    every = [rng.beta(0.3, 9, rng.integers(4000, 6000)) for _ in range(40)]
    assert all((p * (1 - p)).sum() > 64 for p in every)
    approximate = np.array([one(p)[1:] for p in every])
    monkeypatch.setattr(poisson_binomial, "_WINDOWS", ((1e9, 1023),))
    error = approximate - [one(p)[1:] for p in every]
    assert np.abs(error).max() <= 1
    # Without the skewness both ends would lie too low by 0.4 nuclei.
    assert np.abs(error.mean()) < 0.15


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_groups_do_not_see_each_other(seed):
    rng = np.random.default_rng(seed)
    group, p = rng.integers(0, 5, 60), rng.random(60).astype(np.float32)
    expected, variance, low, high = count_interval(group, p, 6)
    np.testing.assert_allclose(variance, np.bincount(group, p * (1 - p), 6), rtol=1e-5)
    found = expected, low, high
    for index in range(5):
        for values, value in zip(found, one(p[group == index]), strict=True):
            assert values[index] == pytest.approx(value)
    assert [values[5] for values in found] == [0, 0, 0]


def test_certain_nuclei_leave_no_interval():
    assert one([1, 1, 0, 0, 1]) == (3, 3, 3)
    assert one([]) == (0, 0, 0)


def test_batches_join_seamlessly(monkeypatch):
    rng = np.random.default_rng(1)
    group, p = rng.integers(0, 40, 500), rng.random(500)
    whole = count_interval(group, p, 40)
    monkeypatch.setattr(poisson_binomial, "_BATCH", 7)
    for values, again in zip(whole, count_interval(group, p, 40), strict=True):
        np.testing.assert_array_equal(values, again)


def test_the_interval_covers_drawn_counts_at_least_19_times_in_20():
    rng = np.random.default_rng(4)
    for p in (rng.dirichlet(np.ones(2), 400)[:, 0], rng.beta(0.2, 3, 30)):
        _, low, high = one(p)
        drawn = (rng.random((4000, len(p))) < p).sum(axis=1)
        assert ((drawn >= low) & (drawn <= high)).mean() > 0.94

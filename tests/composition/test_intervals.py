"""Counts with intervals: independent nuclei, and what all nuclei of a group have in common."""

import numpy as np
import pytest

from nucwsi.composition.intervals import estimate_counts, widened
from nucwsi.composition.poisson_binomial import count_interval


def test_an_estimate_is_made_class_by_class_of_the_nuclei_of_each_group():
    """Nucleus 1 lies in both groups, nucleus 3 in none, and the third group is empty."""
    pairs = np.array([[0, 0, 1, 1], [0, 1, 1, 2]])
    p = np.float32([[1, 0], [0.5, 0.5], [0.25, 0.75], [0, 1]])
    contrasts = np.array([[0.1, -0.1], [0.2, -0.2], [-0.2, 0.2], [9, 9]])
    found = estimate_counts(pairs, p, contrasts, 3)
    assert found.n_nuclei.tolist() == [2, 2, 0]
    np.testing.assert_allclose(found.expected, [[1.5, 0.5], [0.75, 1.25], [0, 0]])
    np.testing.assert_allclose(found.variance, [[0.25, 0.25], [0.4375, 0.4375], [0, 0]])
    assert found.low.tolist() == [[1, 0], [0, 0], [0, 0]]
    assert found.high.tolist() == [[2, 1], [2, 2], [0, 0]]
    np.testing.assert_allclose(found.disagreement, [[0.3, 0.3], [0, 0], [0, 0]], atol=1e-12)


def test_errors_in_common_and_disagreement_add_up_as_squares():
    pairs = np.stack([np.zeros(100, np.int64), np.arange(100)])
    certain = np.tile(np.float32([1, 0]), (100, 1))
    contrasts = np.full((100, 2), 0.03)
    alone = estimate_counts(pairs, certain, np.empty((100, 0)), 1)
    assert [end.tolist() for end in alone.interval(np.zeros(2))] == [[[100, 0]], [[100, 0]]]
    both = estimate_counts(pairs, certain, contrasts, 1)
    # 3 nuclei between answers and 4 % of 100 nuclei in common make 5, and 1.96 * 5 = 9.8.
    low, high = both.interval(np.array([0.04, 0.0]))
    assert low.tolist() == [[90, 0]]
    assert high.tolist() == [[110, 6]]
    each = both.interval(np.array([[0.04, 0.0]]))
    assert [end.tolist() for end in each] == [low.tolist(), high.tolist()]


def test_without_classes_or_groups_there_is_nothing_to_estimate():
    no_pairs = np.empty((2, 0), np.int64)
    no_class = estimate_counts(no_pairs, np.empty((5, 0)), np.empty((5, 0)), 2)
    assert no_class.expected.shape == no_class.disagreement.shape == (2, 0)
    no_group = estimate_counts(no_pairs, np.empty((5, 3)), np.empty((5, 6)), 0)
    assert no_group.low.shape == no_group.disagreement.shape == (0, 3)
    assert no_group.low.dtype == np.int64


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_widening_keeps_the_shape(shape):
    expected, low, high = np.full(shape, 5.0), np.full(shape, 4), np.full(shape, 7)
    assert [end.shape for end in widened(expected, low, high, np.ones(shape))] == [shape] * 2


def test_a_shared_error_adds_up_as_squares_and_may_exceed_what_was_found():
    expected, low, high = np.array([10.0, 10.0, 10.0]), np.array([7, 7, 10]), np.array([14, 14, 10])
    below, above = widened(expected, low, high, np.array([0, 4 / 1.959964, 20.0]))
    assert below.tolist() == [7, 5, 0]
    assert above.tolist() == [14, 16, 50]


def test_the_widened_interval_covers_drawn_counts_at_least_19_times_in_20():
    rng = np.random.default_rng(5)
    p, shared_sd = rng.dirichlet(np.ones(2), 400)[:, 0], 30.0
    expected, _, low, high = count_interval(np.zeros(len(p), np.int64), p, 1)
    alone = (rng.random((4000, len(p))) < p).sum(axis=1)
    drawn = alone + rng.normal(0, shared_sd, 4000)
    assert ((drawn >= low) & (drawn <= high)).mean() < 0.6
    low, high = widened(expected, low, high, np.array([shared_sd]))
    assert 0.94 < ((drawn >= low) & (drawn <= high)).mean() < 0.97

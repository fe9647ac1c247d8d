"""Counts with intervals: independent nuclei, and what all nuclei of a group have in common."""

import numpy as np
import pytest

from nucwsi.composition.intervals import T95, CountError, estimate_counts, widened
from nucwsi.composition.membership import Membership
from nucwsi.composition.poisson_binomial import count_interval
from nucwsi.nuclei.miscount import Miscount


def test_an_estimate_is_made_class_by_class_of_the_nuclei_of_each_group():
    """Nucleus 1 lies in both groups, nucleus 3 in none, and the third group is empty."""
    pairs = np.array([[0, 0, 1, 1], [0, 1, 1, 2]])
    p = np.float32([[1, 0], [0.5, 0.5], [0.25, 0.75], [0, 1]])
    contrasts = np.array([[0.1, -0.1], [0.2, -0.2], [-0.2, 0.2], [9, 9]])
    found = estimate_counts(Membership.of([pairs], 3), p.T, contrasts.T)
    assert found.n_nuclei.tolist() == [2, 2, 0]
    np.testing.assert_allclose(found.expected, [[1.5, 0.5], [0.75, 1.25], [0, 0]])
    np.testing.assert_allclose(found.variance, [[0.25, 0.25], [0.4375, 0.4375], [0, 0]])
    assert found.low.tolist() == [[1, 0], [0, 0], [0, 0]]
    assert found.high.tolist() == [[2, 1], [2, 2], [0, 0]]
    np.testing.assert_allclose(found.disagreement, [[0.3, 0.3], [0, 0], [0, 0]], atol=1e-12)


CLASSES = ("one", "other")
NO_ERROR = CountError.of(CLASSES, {})


def counted(shares, contrasts=None):
    """An estimate for one group of nuclei with these probabilities."""
    share = np.array(shares, np.float32)
    pairs = np.stack([np.zeros(len(share), np.int64), np.arange(len(share))])
    apart = np.empty((len(share), 0)) if contrasts is None else contrasts
    return estimate_counts(Membership.of([pairs], 1), share.T, apart.T)


def half_width(found, error, stretch=1.0):
    """How far the upper end lies above the expected count, rounded as the interval is."""
    return (found.interval(error, stretch)[1] - found.expected).round().tolist()[0]


def test_errors_beyond_chance_and_disagreement_add_up_as_squares():
    certain = np.tile([1, 0], (100, 1))
    assert [end.tolist() for end in counted(certain).interval(NO_ERROR)] == [[[100, 0]]] * 2
    both = counted(certain, np.full((100, 2), 0.03))
    # 3 nuclei between answers and 4 % of 100 nuclei in common make 5, and 2.306 * 5 = 11.5.
    low, high = both.interval(CountError.of(CLASSES, {"one": 0.04}))
    assert low.tolist() == [[88, 0]]
    assert high.tolist() == [[112, 7]]


@pytest.mark.parametrize(
    ("error", "widths"),
    [
        # 9 missed one by one of 100 expected have a standard deviation of 3.
        (Miscount(0.09, 0.0, {}), [7, 0]),
        # All of a class are missed or invented alike: the class that is not there has no error.
        (Miscount(0.0, 0.1, {}), [23, 0]),
        (Miscount(0.09, 0.1, {}), [24, 0]),
        # Nuclei of a certain class are not confused.
        (Miscount(0.0, 0.0, {"one": 5.0, "other": 5.0}), [0, 0]),
    ],
)
def test_each_error_scales_with_what_it_is_an_error_of(error, widths):
    found = counted(np.tile([1, 0], (100, 1)))
    assert half_width(found, CountError.of(CLASSES, {}, error)) == widths


def test_confusion_scales_with_the_nuclei_that_may_be_confused():
    """Of 400 nuclei, 100 are of either class alike and 300 for certain of the first."""
    doubtful = counted([[0.5, 0.5]] * 100 + [[1, 0]] * 300)
    alone = half_width(doubtful, NO_ERROR)
    # Σ p (1 - p) is 25: one unit of log-odds shifts 25 nuclei, whatever the class has beside them.
    error = CountError.of(CLASSES, {}, Miscount(0.0, 0.0, {"one": 1.0, "other": 1.0}))
    assert half_width(doubtful, error) == [round(np.hypot(alone[0], 2.306 * 25))] * 2


def test_out_of_its_domain_all_errors_beyond_chance_are_larger_and_chance_is_not():
    found = counted([[0.5, 0.5]] * 100 + [[1, 0]] * 300)
    error = CountError.of(CLASSES, {}, Miscount(0.0, 0.1, {}))
    alone, chance = half_width(found, error), half_width(found, NO_ERROR)
    twice = half_width(found, error, np.array([2.0]))
    assert half_width(found, NO_ERROR, np.array([2.0])) == chance
    beyond = (np.square(alone) - np.square(chance)) * 4 + np.square(chance)
    np.testing.assert_allclose(twice, np.sqrt(beyond), atol=3)


def test_without_classes_or_groups_there_is_nothing_to_estimate():
    no_class = estimate_counts(Membership.of([], 2), np.empty((0, 5)), np.empty((0, 5)))
    assert no_class.expected.shape == no_class.disagreement.shape == (2, 0)
    no_group = estimate_counts(Membership.of([], 0), np.empty((3, 5)), np.empty((6, 5)))
    assert no_group.low.shape == no_group.disagreement.shape == (0, 3)
    assert no_group.low.dtype == np.int64


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_widening_keeps_the_shape(shape):
    expected, low, high = np.full(shape, 5.0), np.full(shape, 4), np.full(shape, 7)
    assert [end.shape for end in widened(expected, low, high, np.ones(shape))] == [shape] * 2


def test_a_shared_error_adds_up_as_squares_and_may_exceed_what_was_found():
    expected, low, high = np.array([10.0, 10.0, 10.0]), np.array([7, 7, 10]), np.array([14, 14, 10])
    below, above = widened(expected, low, high, np.array([0, 4 / T95, 20.0]))
    assert below.tolist() == [7, 5, 0]
    assert above.tolist() == [14, 16, 56]


def test_an_error_never_narrows_an_interval():
    expected, low, high = np.array([3.2]), np.array([2]), np.array([4])
    below, above = widened(expected, low, high, np.array([1e-6]))
    assert (below.tolist(), above.tolist()) == ([2], [4])


def test_the_widened_interval_covers_drawn_counts_at_least_19_times_in_20():
    rng = np.random.default_rng(5)
    p, shared_sd = rng.dirichlet(np.ones(2), 400)[:, 0], 30.0
    expected, _, low, high = count_interval(np.zeros(len(p), np.int64), p, 1)
    alone = (rng.random((4000, len(p))) < p).sum(axis=1)
    drawn = alone + rng.normal(0, shared_sd, 4000)
    assert ((drawn >= low) & (drawn <= high)).mean() < 0.6
    low, high = widened(expected, low, high, np.array([shared_sd]))
    # Of a normal error 2.306 standard deviations hold 97.9 %.
    assert 0.96 < ((drawn >= low) & (drawn <= high)).mean() < 0.99

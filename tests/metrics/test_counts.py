"""Scores of counts, by hand and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nucwsi.metrics.counts import central_counts, count_r2, interval_coverage


def test_central_counts_take_what_reaches_the_middle() -> None:
    labels = np.zeros((6, 6), int)
    labels[0, 0], labels[0:2, 2], labels[3, 3] = 1, 2, 3
    np.testing.assert_array_equal(
        central_counts(labels, np.array([0, 1, 1]), 3, margin_px=1), [0, 2, 0]
    )


def test_r2_of_counts() -> None:
    truth = np.array([[1, 0, 2, 0, 5], [3, 0, 2, 0, 5]])
    predicted = np.array([[1, 0, 2, 1, 5], [2, 0, 2, 0, 4]])
    np.testing.assert_array_equal(count_r2(truth, predicted), [0.5, math.nan, 1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"shapes \(1, 5\) and \(1, 5\)"):
        count_r2(truth[:1], predicted[:1])


def test_interval_coverage_counts_ends_as_inside():
    truth = np.array([[3, 5], [4, 5], [9, 0]])
    low, high = np.array([[3, 6], [0, 0], [0, 0]]), np.array([[9, 9], [4, 4], [8, 0]])
    known = np.ones((3, 2), bool)
    np.testing.assert_allclose(interval_coverage(truth, low, high, known), [2 / 3, 1 / 3])
    known[:, 1] = [True, False, False]
    np.testing.assert_allclose(interval_coverage(truth, low, high, known), [2 / 3, 0])
    nothing = interval_coverage(truth[:0], low[:0], high[:0], known[:0])
    assert np.isnan(nothing).all()


def test_instances_of_unknown_class_are_not_counted() -> None:
    labels = np.array([[1, 2, 3]])
    assert central_counts(labels, np.array([-1, 0, 2]), 2, margin_px=0).tolist() == [1, 0]


def test_a_prediction_worse_than_the_mean_scores_below_zero() -> None:
    truth, predicted = np.array([[1], [3]]), np.array([[3], [1]])
    # Residuals 4 + 4 against 1 + 1 around the mean.
    assert count_r2(truth, predicted).tolist() == [-3]

"""Scores of instance maps, by hand and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.metrics.instances import Score, aji, class_panoptic, dice, overlaps, panoptic, summed

EMPTY = np.zeros((6, 6), np.int32)


def square(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (6, 6)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    for label, (row, column, height, width) in enumerate(boxes, start=1):
        labels[row : row + height, column : column + width] = label
    return labels


def test_a_perfect_prediction_scores_one() -> None:
    truth = square((0, 0, 2, 2), (3, 3, 3, 2))
    other_labels = np.where(truth == 1, 70000, np.where(truth == 2, 3, 0))
    score = panoptic(truth, other_labels)
    assert score == Score(2, 0, 0, 2.0)
    assert (score.pq, score.dq, score.sq) == (1, 1, 1)
    assert aji(truth, other_labels) == dice(truth, other_labels) == 1


def test_half_an_overlap_is_no_match() -> None:
    truth = square((0, 0, 1, 3))
    assert panoptic(truth, square((0, 1, 1, 3))).tp == 0  # 2 of 4
    assert panoptic(truth, square((0, 0, 1, 2))) == Score(1, 0, 0, 2 / 3)


def test_hand_made_scores() -> None:
    truth = square((0, 0, 2, 3), (4, 0, 2, 2), (4, 4, 1, 1))
    predicted = square((0, 0, 2, 4), (4, 0, 1, 2), (2, 5, 1, 1))
    score = panoptic(truth, predicted)
    assert score == Score(1, 2, 2, 0.75)
    assert score.pq == pytest.approx(1 / 3 * 0.75)
    assert (score.precision, score.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    # 6 of 8, 2 of 4; one missed nucleus of 1 px, one surplus of 1 px.
    assert aji(truth, predicted) == pytest.approx((6 + 2) / (8 + 4 + 1 + 1))
    assert dice(truth, predicted) == pytest.approx(2 * 8 / (11 + 11))


def test_aji_lets_one_prediction_serve_two_nuclei() -> None:
    truth = square((0, 0, 2, 2), (0, 2, 2, 2))
    assert aji(truth, square((0, 0, 2, 4))) == pytest.approx((4 + 4) / (8 + 8))


def test_nothing_anywhere_has_no_score() -> None:
    score = panoptic(EMPTY, EMPTY)
    assert score == Score()
    assert all(map(math.isnan, (score.pq, score.dq, score.sq, score.precision, score.recall)))
    assert math.isnan(aji(EMPTY, EMPTY))
    assert math.isnan(dice(EMPTY, EMPTY))


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_side_scores_zero(swap: bool) -> None:
    pair = (square((0, 0, 2, 2)), EMPTY)
    truth, predicted = pair[::-1] if swap else pair
    score = panoptic(truth, predicted)
    assert (score.pq, score.sq) == (0, 0)
    assert aji(truth, predicted) == dice(truth, predicted) == 0


def test_a_picture_without_background() -> None:
    full = np.full((3, 3), 9)
    assert panoptic(full, full) == Score(1, 0, 0, 1.0)


def test_many_labels_do_not_overflow() -> None:
    labels = np.arange(1, 90001, dtype=np.int32).reshape(300, 300)
    assert panoptic(labels, labels).tp == 90000


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(6, 6\), the prediction \(6, 5\)"):
        panoptic(EMPTY, EMPTY[:, :5])
    with pytest.raises(ValueError, match=r"\(6, 6\), the prediction \(6, 5\)"):
        dice(EMPTY, EMPTY[:, :5])


def test_matching_stays_within_a_class_and_sums_over_pictures() -> None:
    truth = square((0, 0, 2, 2), (3, 3, 2, 2), (0, 4, 1, 1))
    first = class_panoptic(truth, np.array([0, 1, -1]), truth, np.array([0, 0, 1]), 3)
    assert first == [Score(1, 1, 0, 1.0), Score(0, 0, 1, 0.0), Score()]
    second = class_panoptic(EMPTY, np.array([]), truth, np.array([1, 1, 1]), 3)
    pooled = summed([first, second])
    assert pooled[1] == Score(0, 3, 1, 0.0)
    assert np.nanmean([score.pq for score in pooled]) == pytest.approx((2 / 3 + 0) / 2)
    with pytest.raises(ValueError, match="truth holds 3 instances but 2 classes"):
        class_panoptic(truth, np.array([0, 1]), truth, np.array([0, 0, 1]), 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_scores_do_not_depend_on_the_numbering(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 6, (2, 12, 12))
    renumbered = np.concatenate([[0], rng.permutation(5) * 1000 + 1])[predicted]
    assert panoptic(truth, predicted) == panoptic(truth, renumbered)
    assert dice(truth, predicted) == dice(truth, renumbered)


def test_overlaps_are_counted_pair_by_pair() -> None:
    truth, predicted = square((0, 0, 2, 3), (4, 0, 2, 2)), square((0, 2, 5, 2), (5, 5, 1, 1))
    found = overlaps(truth, predicted)
    assert found.truth_areas.tolist() == [6, 4]
    assert found.predicted_areas.tolist() == [10, 1]
    pairs = zip(found.truth_index, found.predicted_index, found.shared, found.union, strict=True)
    assert list(pairs) == [(0, 0, 2, 14)]


def test_no_images_have_no_scores() -> None:
    assert summed([]) == []

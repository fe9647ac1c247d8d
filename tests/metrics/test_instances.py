from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi import metrics
from nucwsi.metrics import Score

EMPTY = np.zeros((6, 6), np.int32)


def square(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (6, 6)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    for label, (row, column, height, width) in enumerate(boxes, start=1):
        labels[row : row + height, column : column + width] = label
    return labels


def test_a_perfect_prediction_scores_one() -> None:
    truth = square((0, 0, 2, 2), (3, 3, 3, 2))
    other_labels = np.where(truth == 1, 70000, np.where(truth == 2, 3, 0))
    score = metrics.panoptic(truth, other_labels)
    assert score == Score(2, 0, 0, 2.0)
    assert (score.pq, score.dq, score.sq) == (1, 1, 1)
    assert metrics.aji(truth, other_labels) == metrics.dice(truth, other_labels) == 1


def test_half_an_overlap_is_no_match() -> None:
    truth = square((0, 0, 1, 3))
    assert metrics.panoptic(truth, square((0, 1, 1, 3))).tp == 0  # 2 of 4
    assert metrics.panoptic(truth, square((0, 0, 1, 2))) == Score(1, 0, 0, 2 / 3)


def test_hand_made_scores() -> None:
    truth = square((0, 0, 2, 3), (4, 0, 2, 2), (4, 4, 1, 1))
    predicted = square((0, 0, 2, 4), (4, 0, 1, 2), (2, 5, 1, 1))
    score = metrics.panoptic(truth, predicted)
    assert score == Score(1, 2, 2, 0.75)
    assert score.pq == pytest.approx(1 / 3 * 0.75)
    assert (score.precision, score.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    # 6 of 8, 2 of 4; one missed nucleus of 1 px, one surplus of 1 px.
    assert metrics.aji(truth, predicted) == pytest.approx((6 + 2) / (8 + 4 + 1 + 1))
    assert metrics.dice(truth, predicted) == pytest.approx(2 * 8 / (11 + 11))


def test_aji_lets_one_prediction_serve_two_nuclei() -> None:
    truth = square((0, 0, 2, 2), (0, 2, 2, 2))
    assert metrics.aji(truth, square((0, 0, 2, 4))) == pytest.approx((4 + 4) / (8 + 8))


def test_nothing_anywhere_has_no_score() -> None:
    score = metrics.panoptic(EMPTY, EMPTY)
    assert score == Score()
    assert all(map(math.isnan, (score.pq, score.dq, score.sq, score.precision, score.recall)))
    assert math.isnan(metrics.aji(EMPTY, EMPTY))
    assert math.isnan(metrics.dice(EMPTY, EMPTY))


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_side_scores_zero(swap: bool) -> None:
    pair = (square((0, 0, 2, 2)), EMPTY)
    truth, predicted = pair[::-1] if swap else pair
    score = metrics.panoptic(truth, predicted)
    assert (score.pq, score.sq) == (0, 0)
    assert metrics.aji(truth, predicted) == metrics.dice(truth, predicted) == 0


def test_a_picture_without_background() -> None:
    full = np.full((3, 3), 9)
    assert metrics.panoptic(full, full) == Score(1, 0, 0, 1.0)


def test_many_labels_do_not_overflow() -> None:
    labels = np.arange(1, 90001, dtype=np.int32).reshape(300, 300)
    assert metrics.panoptic(labels, labels).tp == 90000


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(6, 6\), the prediction \(6, 5\)"):
        metrics.panoptic(EMPTY, EMPTY[:, :5])
    with pytest.raises(ValueError, match=r"\(6, 6\), the prediction \(6, 5\)"):
        metrics.dice(EMPTY, EMPTY[:, :5])


def test_matching_stays_within_a_class_and_sums_over_pictures() -> None:
    truth = square((0, 0, 2, 2), (3, 3, 2, 2), (0, 4, 1, 1))
    first = metrics.class_panoptic(truth, np.array([0, 1, -1]), truth, np.array([0, 0, 1]), 3)
    assert first == [Score(1, 1, 0, 1.0), Score(0, 0, 1, 0.0), Score()]
    second = metrics.class_panoptic(EMPTY, np.array([]), truth, np.array([1, 1, 1]), 3)
    pooled = metrics.summed([first, second])
    assert pooled[1] == Score(0, 3, 1, 0.0)
    assert np.nanmean([score.pq for score in pooled]) == pytest.approx((2 / 3 + 0) / 2)
    with pytest.raises(ValueError, match="truth holds 3 instances but 2 classes"):
        metrics.class_panoptic(truth, np.array([0, 1]), truth, np.array([0, 0, 1]), 3)


def test_pairs_are_as_many_and_then_as_close_as_possible() -> None:
    # Greedy by distance would take (0, 4)-(0, 5) and leave two points alone.
    truth = np.array([[0.0, 0.0], [0.0, 4.0]])
    predicted = np.array([[0.0, 5.0], [0.0, 9.0]]) - [0, 0.5]
    np.testing.assert_array_equal(metrics.match_centroids(truth, predicted, 4.5), [[0, 0], [1, 1]])
    same = np.array([[3.0, 3.0]])
    np.testing.assert_array_equal(metrics.match_centroids(same, same, 1), [[0, 0]])


def test_detection_counts_what_is_alone() -> None:
    truth = np.array([[0.0, 0.0], [50.0, 50.0]])
    score = metrics.detection(truth, np.array([[0.0, 6.0]]), 6)
    assert score == Score(1, 0, 1)
    assert score.dq == pytest.approx(2 / 3)
    assert metrics.detection(np.zeros((0, 2)), truth, 6) == Score(0, 2, 0)
    with pytest.raises(ValueError, match="must be positive, got 0"):
        metrics.match_centroids(truth, truth, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**31))
def test_no_pairing_beats_the_best(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (m, 2))
    pairs = metrics.match_centroids(truth, predicted, 3.0)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    distance = np.hypot(*(truth[:, None] - predicted[None]).transpose(2, 0, 1))
    assert (distance[tuple(pairs.T)] <= 3.0).all()
    reachable = distance <= 3.0
    best = _largest_matching(reachable)
    assert len(pairs) == best


def _largest_matching(reachable: np.ndarray) -> int:
    owner: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column in np.flatnonzero(reachable[row]).tolist():
            if column not in seen:
                seen.add(column)
                if column not in owner or place(owner[column], seen):
                    owner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(reachable)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_scores_do_not_depend_on_the_numbering(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 6, (2, 12, 12))
    renumbered = np.concatenate([[0], rng.permutation(5) * 1000 + 1])[predicted]
    assert metrics.panoptic(truth, predicted) == metrics.panoptic(truth, renumbered)
    assert metrics.dice(truth, predicted) == metrics.dice(truth, renumbered)


def test_central_counts_take_what_reaches_the_middle() -> None:
    labels = square((0, 0, 1, 1), (0, 2, 2, 1), (3, 3, 1, 1))
    np.testing.assert_array_equal(
        metrics.central_counts(labels, np.array([0, 1, 1]), 3, margin_px=1), [0, 2, 0]
    )


def test_r2_of_counts() -> None:
    truth = np.array([[1, 0, 2, 0, 5], [3, 0, 2, 0, 5]])
    predicted = np.array([[1, 0, 2, 1, 5], [2, 0, 2, 0, 4]])
    np.testing.assert_array_equal(
        metrics.count_r2(truth, predicted), [0.5, math.nan, 1.0, 0.0, 0.0]
    )
    with pytest.raises(ValueError, match=r"shapes \(1, 5\) and \(1, 5\)"):
        metrics.count_r2(truth[:1], predicted[:1])


def test_interval_coverage_counts_ends_as_inside():
    truth = np.array([[3, 5], [4, 5], [9, 0]])
    low, high = np.array([[3, 6], [0, 0], [0, 0]]), np.array([[9, 9], [4, 4], [8, 0]])
    known = np.ones((3, 2), bool)
    np.testing.assert_allclose(metrics.interval_coverage(truth, low, high, known), [2 / 3, 1 / 3])
    known[:, 1] = [True, False, False]
    np.testing.assert_allclose(metrics.interval_coverage(truth, low, high, known), [2 / 3, 0])
    nothing = metrics.interval_coverage(truth[:0], low[:0], high[:0], known[:0])
    assert np.isnan(nothing).all()


def test_detection_of_a_class_knows_no_other() -> None:
    truth = np.array([[0.0, 0.0], [0.0, 9.0], [0.0, 20.0], [0.0, 40.0]])
    predicted = np.array([[0.0, 1.0], [0.0, 9.0], [0.0, 21.0], [0.0, 23.0], [0.0, 40.0]])
    of_truth, of_predicted = np.array([0, 1, 1, -1]), np.array([0, 0, 0, 1, 1])
    scores = metrics.class_detection(truth, predicted, of_truth, of_predicted, 3, 4)
    # The third is nearest to a nucleus of the wrong class, and next to one of the right class;
    # what lies on the one whose class nobody knows is left out.
    assert scores == [Score(1, 2, 0), Score(1, 0, 1), Score()]


@pytest.mark.parametrize("seed", range(5))
def test_each_class_by_itself_scores_no_less_than_together(seed) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.uniform(0, 100, (150, 2)), rng.uniform(0, 100, (160, 2))
    codes = rng.integers(0, 3, 150), rng.integers(0, 3, 160)
    alone = metrics.class_detection(truth, predicted, *codes, 3, 5)
    together = metrics.class_counts(*codes, metrics.match_centroids(truth, predicted, 5), 3)
    assert (together.right > 0).all()
    assert (np.array([score.dq for score in alone]) > together.f1).all()


def test_class_f1_weighs_a_wrong_class_twice_and_a_lone_nucleus_once() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2, -1]), np.array([0, 1, 1, 0, 2, 1])
    pairs = np.array([[0, 0], [1, 1], [2, 2], [4, 3], [5, 4]])
    counts = metrics.class_counts(truth, predicted, pairs, 4)
    np.testing.assert_array_equal(counts.right, [1, 1, 0, 0])
    np.testing.assert_array_equal(counts.confused, [2, 1, 1, 0])
    # True nucleus 3 of class 1 and predicted nucleus 5 of class 1; nobody knows what -1 is.
    np.testing.assert_array_equal(counts.alone, [0, 2, 0, 0])
    np.testing.assert_allclose(counts.f1, [2 / 6, 2 / 6, 0, math.nan])
    np.testing.assert_array_equal((counts + counts).alone, [0, 4, 0, 0])

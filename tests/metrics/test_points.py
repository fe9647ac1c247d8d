"""Matches of centroids are the best there are, and classes agree among matches."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.metrics.instances import Score
from nucwsi.metrics.points import (
    class_agreement,
    class_detection,
    detection,
    match_centroids,
    pair_as_published,
)


def test_pairs_are_as_many_and_then_as_close_as_possible() -> None:
    # Greedy by distance would take (0, 4)-(0, 5) and leave two points alone.
    truth = np.array([[0.0, 0.0], [0.0, 4.0]])
    predicted = np.array([[0.0, 5.0], [0.0, 9.0]]) - [0, 0.5]
    np.testing.assert_array_equal(match_centroids(truth, predicted, 4.5), [[0, 0], [1, 1]])
    same = np.array([[3.0, 3.0]])
    np.testing.assert_array_equal(match_centroids(same, same, 1), [[0, 0]])


def test_detection_counts_what_is_alone() -> None:
    truth = np.array([[0.0, 0.0], [50.0, 50.0]])
    score = detection(truth, np.array([[0.0, 6.0]]), 6)
    assert score == Score(1, 0, 1)
    assert score.dq == pytest.approx(2 / 3)
    assert detection(np.zeros((0, 2)), truth, 6) == Score(0, 2, 0)
    with pytest.raises(ValueError, match="must be positive, got 0"):
        match_centroids(truth, truth, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**31))
def test_no_pairing_beats_the_best(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (m, 2))
    pairs = match_centroids(truth, predicted, 3.0)
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


def test_detection_of_a_class_knows_no_other() -> None:
    truth = np.array([[0.0, 0.0], [0.0, 9.0], [0.0, 20.0], [0.0, 40.0]])
    predicted = np.array([[0.0, 1.0], [0.0, 9.0], [0.0, 21.0], [0.0, 23.0], [0.0, 40.0]])
    of_truth, of_predicted = np.array([0, 1, 1, -1]), np.array([0, 0, 0, 1, 1])
    scores = class_detection(truth, predicted, of_truth, of_predicted, 3, 4)
    # The third is nearest to a nucleus of the wrong class, and next to one of the right class;
    # what lies on the one whose class nobody knows is left out.
    assert scores == [Score(1, 2, 0), Score(1, 0, 1), Score()]


@pytest.mark.parametrize("seed", range(5))
def test_each_class_by_itself_scores_no_less_than_together(seed) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.uniform(0, 100, (150, 2)), rng.uniform(0, 100, (160, 2))
    codes = rng.integers(0, 3, 150), rng.integers(0, 3, 160)
    alone = class_detection(truth, predicted, *codes, 3, 5)
    together = class_agreement(*codes, match_centroids(truth, predicted, 5), 3)
    assert (together.agreeing > 0).all()
    assert (np.array([score.dq for score in alone]) > together.f1).all()


def test_class_f1_weighs_a_wrong_class_twice_and_a_lone_nucleus_once() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2, -1]), np.array([0, 1, 1, 0, 2, 1])
    pairs = np.array([[0, 0], [1, 1], [2, 2], [4, 3], [5, 4]])
    agreement = class_agreement(truth, predicted, pairs, 4)
    np.testing.assert_array_equal(agreement.agreeing, [1, 1, 0, 0])
    np.testing.assert_array_equal(agreement.confused, [2, 1, 1, 0])
    # True nucleus 3 of class 1 and predicted nucleus 5 of class 1; nobody knows what -1 is.
    np.testing.assert_array_equal(agreement.unmatched, [0, 2, 0, 0])
    np.testing.assert_allclose(agreement.f1, [2 / 6, 2 / 6, 0, math.nan])
    np.testing.assert_array_equal((agreement + agreement).unmatched, [0, 4, 0, 0])


@pytest.mark.parametrize("seed", range(8))
def test_of_all_largest_pairings_the_closest_is_taken(seed: int) -> None:
    """Against all ways to pair five points with five, all of them within reach."""
    truth, predicted = np.random.default_rng(seed).uniform(0, 10, (2, 5, 2))
    distance = np.hypot(*(truth[:, None] - predicted[None]).transpose(2, 0, 1))
    pairs = match_centroids(truth, predicted, 15.0)
    best = min(
        sum(distance[row, column] for row, column in enumerate(order))
        for order in itertools.permutations(range(5))
    )
    assert distance[tuple(pairs.T)].sum() == pytest.approx(best)
    assert np.all(np.diff(pairs[:, 0]) == 1)


def test_a_pair_at_the_radius_counts_and_one_beyond_does_not() -> None:
    truth, predicted = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    assert len(match_centroids(truth, predicted, 5.0)) == 1
    assert len(match_centroids(truth, predicted, 4.999)) == 0


#: Truth, predicted, radius, pairs as published, pairs as many as possible.
DIFFERING = {
    "a far partner costs a near one": (
        [(0.0, 0.0), (0.0, 4.0)],
        [(0.0, 5.0), (3.0, 9.0)],
        6,
        [[1, 0]],
        [[0, 0], [1, 1]],
    ),
    # 10 + 12.7 + 10 is less than 1 + 1 + 32.3, and the middle pair is dropped afterwards.
    "as many pairs, but other ones": (
        [(0.0, 0.0), (0.0, 11.0), (9.0, 21.0)],
        [(0.0, 10.0), (9.0, 20.0), (9.0, 31.0)],
        12,
        [[0, 0], [2, 2]],
        [[1, 0], [2, 1]],
    ),
    "nothing is in doubt": ([(0.0, 4.0)], [(0.0, 5.0), (3.0, 9.0)], 6, [[0, 0]], [[0, 0]]),
}


@pytest.mark.parametrize("name", DIFFERING)
def test_the_published_pairing_drops_far_pairs_only_after_the_assignment(name: str) -> None:
    truth, predicted, radius, published, most = DIFFERING[name]
    one, other = np.array(truth), np.array(predicted)
    assert pair_as_published(one, other, radius).tolist() == published
    assert match_centroids(one, other, radius).tolist() == most


@pytest.mark.parametrize("seed", range(8))
def test_the_published_pairing_has_the_least_total_distance_of_all(seed: int) -> None:
    """Against all ways to pair four points with five, the radius left aside."""
    rng = np.random.default_rng(seed)
    truth, predicted = rng.uniform(0, 10, (4, 2)), rng.uniform(0, 10, (5, 2))
    distance = np.hypot(*(truth[:, None] - predicted[None]).transpose(2, 0, 1))
    orders = list(itertools.permutations(range(5), 4))
    best = min(orders, key=lambda order: distance[range(4), order].sum())
    expected = [[row, column] for row, column in enumerate(best) if distance[row, column] <= 3]
    pairs = pair_as_published(truth, predicted, 3)
    assert pairs.tolist() == expected
    assert len(pairs) <= len(match_centroids(truth, predicted, 3))


def test_the_published_pairing_takes_no_points_and_refuses_no_radius() -> None:
    none, one = np.zeros((0, 2)), np.zeros((1, 2))
    assert pair_as_published(none, one, 3).shape == (0, 2)
    assert pair_as_published(one, none, 3).shape == (0, 2)
    assert pair_as_published(one, np.array([[0.0, 3.0]]), 3).tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="must be positive, got 0"):
        pair_as_published(one, one, 0)

"""Neighbouring classes against loops over all pairs and all ways to deal the labels."""

import itertools
from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import neighbours
from nucwsi.composition.neighbours import NeighbourGraph


def counted(points, codes, radius, n_classes, members):
    """Count close pairs of classes in a loop."""
    found = Counter()
    for i, j in itertools.combinations(members, 2):
        known = codes[i] < n_classes and codes[j] < n_classes
        if known and np.hypot(*(points[i] - points[j])) <= radius:
            found[tuple(sorted((int(codes[i]), int(codes[j]))))] += 1
    return [found[pair] for pair in itertools.combinations_with_replacement(range(n_classes), 2)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 40), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([3, 8, 1 << 13])
)
def test_pairs_equal_a_loop(n, n_classes, seed, at_once):
    with mock.patch.object(neighbours, "_AT_ONCE", at_once):
        _compare_with_a_loop(n, n_classes, seed)


def _compare_with_a_loop(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    # Whole numbers, so that many pairs are exactly as far apart as the radius.
    points = rng.integers(0, 12, (n, 2)).astype(float)
    codes = rng.integers(0, n_classes + 1, n).astype(np.uint8)
    graph = NeighbourGraph(points, 3.0, codes, n_classes)
    for share in (1.0, 0.5, 0.0):
        members = np.flatnonzero(rng.random(n) < share)
        found = graph.count_pairs(members)
        assert found.n_pairs.tolist() == counted(points, codes, 3.0, n_classes, members)


@pytest.mark.parametrize("codes", [[0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1], [0] * 6, [0, 1, 2, 2]])
def test_expectation_and_deviation_are_those_of_all_relabellings(codes):
    codes = np.array(codes, np.uint8)
    points = np.random.default_rng(len(codes)).random((len(codes), 2))
    members = np.arange(len(codes))
    dealt = {tuple(order) for order in itertools.permutations(codes.tolist())}
    every = np.array(
        [
            NeighbourGraph(points, 0.5, np.array(d, np.uint8), 3).count_pairs(members).n_pairs
            for d in dealt
        ]
    )
    found = NeighbourGraph(points, 0.5, codes, 3).count_pairs(members)
    np.testing.assert_allclose(found.expected, every.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.sd, every.std(axis=0), atol=1e-7)
    assert every.sum() > 0


def test_one_class_only_leaves_nothing_to_chance():
    points = np.random.default_rng(0).random((500, 2)) * 100
    found = NeighbourGraph(points, 10, np.zeros(500, np.uint8), 2).count_pairs(np.arange(500))
    assert found.n_pairs[0] == pytest.approx(found.expected[0])
    assert found.n_pairs[0] > 100
    assert found.sd.tolist() == [0, 0, 0]


def test_what_lies_together_stands_out():
    rng = np.random.default_rng(1)
    points = rng.random((2000, 2)) * 1000
    codes = (points[:, 0] > 500).astype(np.uint8)
    together = NeighbourGraph(points, 20, codes, 2).count_pairs(np.arange(2000))
    z = (together.n_pairs - together.expected) / together.sd
    assert z[0] > 5
    assert z[1] < -5
    shuffled = NeighbourGraph(points, 20, rng.permutation(codes), 2).count_pairs(np.arange(2000))
    assert np.abs((shuffled.n_pairs - shuffled.expected) / shuffled.sd).max() < 4

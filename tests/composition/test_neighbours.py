"""Neighbouring classes against loops over all pairs and all ways to deal the labels."""

import itertools
from collections import Counter
from functools import partial
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import neighbours
from nucwsi.composition.neighbours import count_pairs


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
    st.integers(0, 40),
    st.integers(1, 4),
    st.integers(0, 10**6),
    st.sampled_from([3, 8, 1 << 13]),
    st.integers(1, 4),
)
def test_pairs_equal_a_loop_however_the_points_are_read(n, n_classes, seed, at_once, n_parts):
    rng = np.random.default_rng(seed)
    # Whole numbers, so that many pairs are exactly as far apart as the radius.
    points = rng.integers(-6, 6, (n, 2)).astype(float)
    codes = rng.integers(0, n_classes + 1, n).astype(np.uint8)
    regions = [np.flatnonzero(rng.random(n) < share) for share in (1.0, 0.5, 0.0)]
    parts = np.split(points, np.sort(rng.integers(0, n + 1, n_parts - 1)))
    readers = [partial(np.copy, part) for part in parts]
    with mock.patch.object(neighbours, "_AT_ONCE", at_once):
        found = count_pairs(readers, 3.0, codes, n_classes, regions)
    expected = [counted(points, codes, 3.0, n_classes, members) for members in regions]
    assert found.n_pairs.tolist() == expected


def test_parts_that_lie_apart_are_not_read_together():
    """Ten parts in a row, 100 µm apart: each is read once to learn where it lies, and once."""
    asked = []

    def read(part):
        asked.append(part)
        return np.random.default_rng(part).random((50, 2)) * 20 + [100 * part, 0]

    readers = [partial(read, part) for part in range(10)]
    count_pairs(readers, 20.0, np.zeros(500, np.uint8), 1, [np.arange(500)])
    assert sorted(asked) == sorted([*range(10)] * 2)


def in_one(points, codes, radius, n_classes):
    """Count all nuclei as one region; give what is known of it."""
    region = [np.arange(len(points))]
    found = count_pairs([lambda: points], radius, codes, n_classes, region)
    return found._make(values[0] for values in found)


@pytest.mark.parametrize("codes", [[0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1], [0] * 6, [0, 1, 2, 2]])
def test_expectation_and_deviation_are_those_of_all_relabellings(codes):
    codes = np.array(codes, np.uint8)
    points = np.random.default_rng(len(codes)).random((len(codes), 2))
    dealt = {tuple(order) for order in itertools.permutations(codes.tolist())}
    every = np.array([in_one(points, np.array(d, np.uint8), 0.5, 3).n_pairs for d in dealt])
    found = in_one(points, codes, 0.5, 3)
    np.testing.assert_allclose(found.expected, every.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.sd, every.std(axis=0), atol=1e-7)
    assert every.sum() > 0


def test_one_class_only_leaves_nothing_to_chance():
    points = np.random.default_rng(0).random((500, 2)) * 100
    found = in_one(points, np.zeros(500, np.uint8), 10, 2)
    assert found.n_pairs[0] == pytest.approx(found.expected[0])
    assert found.n_pairs[0] > 100
    assert found.sd.tolist() == [0, 0, 0]


def test_what_lies_together_stands_out():
    rng = np.random.default_rng(1)
    points = rng.random((2000, 2)) * 1000
    codes = (points[:, 0] > 500).astype(np.uint8)
    together = in_one(points, codes, 20, 2)
    z = (together.n_pairs - together.expected) / together.sd
    assert z[0] > 5
    assert z[1] < -5
    shuffled = in_one(points, rng.permutation(codes), 20, 2)
    assert np.abs((shuffled.n_pairs - shuffled.expected) / shuffled.sd).max() < 4

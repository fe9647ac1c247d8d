"""Draws have their size, their probabilities, and leave nobody out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.review.drawing import (
    inclusion_probabilities,
    shared_out,
    sizes,
    systematic_draw,
    uncertainty,
)


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60), st.integers(1, 70))
def test_probabilities_add_up_to_the_draw_and_keep_the_order_of_sizes(size, n):
    size = np.array(size)
    chance = inclusion_probabilities(size, n)
    assert chance.sum() == pytest.approx(min(n, len(size)))
    assert (chance > 0).all()
    assert (chance <= 1).all()
    order = np.argsort(size, kind="stable")
    assert (np.diff(chance[order]) >= -1e-12).all()


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_draw_has_its_size_and_nothing_twice(seed, n):
    rng = np.random.default_rng(seed)
    chance = inclusion_probabilities(rng.uniform(0.1, 5, 40), n)
    drawn = systematic_draw(chance, rng.integers(0, 3, 40), rng)
    assert len(np.unique(drawn)) == len(drawn) == n
    assert set(np.flatnonzero(chance == 1)) <= set(drawn)


def test_each_is_drawn_as_often_as_its_probability_says():
    rng = np.random.default_rng(0)
    block = np.repeat([0, 1], 15)
    chance = inclusion_probabilities(rng.uniform(0.2, 3, 30), 7)
    hits = np.zeros(30)
    for _ in range(4000):
        hits[systematic_draw(chance, block, rng)] += 1
    assert np.abs(hits / 4000 - chance).max() < 4 * 0.5 / np.sqrt(4000)


def test_each_block_receives_its_expected_number_up_to_rounding():
    rng = np.random.default_rng(1)
    block = rng.integers(0, 4, 200)
    chance = inclusion_probabilities(rng.uniform(0.2, 1, 200), 30)
    expected = np.bincount(block, chance)
    for _ in range(50):
        drawn = np.bincount(block[systematic_draw(chance, block, rng)], minlength=4)
        assert (np.abs(drawn - expected) < 1 + 1e-9).all()


def test_the_unsure_are_larger_and_no_nucleus_is_left_out():
    share = np.array([[1.0, 0, 0], [0.6, 0.4, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert uncertainty(share)[[0, 2]] == pytest.approx([0, 1])
    size = sizes(share, np.zeros(3, int))
    assert 0 < size[0] < size[1] < size[2]
    assert size[0] / size[2] == pytest.approx(0.2)
    assert (uncertainty(np.ones((4, 1))) == 0).all()


def test_small_blocks_are_drawn_from_more_densely_than_large_ones():
    share = np.full((110, 2), 0.5)
    block = np.repeat([0, 1], [100, 10])
    expected = np.bincount(block, inclusion_probabilities(sizes(share, block), 20))
    assert 2 < expected[0] / expected[1] < 10


def test_each_slide_has_two_or_all_it_has():
    assert shared_out(np.array([1.0, 4.0, 4.0]), np.array([1, 90, 90]), 3) == [1, 2, 2]
    assert sum(shared_out(np.array([1.0, 4.0]), np.array([5, 5]), 100)) == 10
    assert shared_out(np.array([9.0]), np.array([0]), 5) == [0]

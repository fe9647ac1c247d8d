"""Folds: whole slides where there are three, else neighbours together; everything once."""

import numpy as np
import pytest

from nucwsi.teaching.folds import make_folds

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n_slides", [3, 7, 10, 40])
def test_a_slide_is_never_in_two_parts(n_slides):
    slide = RNG.integers(0, n_slides, 500) * 3
    folds = make_folds(slide, RNG.uniform(0, 5000, (500, 2)))
    assert folds.over == "slides"
    parts = [set(folds.of[slide == one].tolist()) for one in np.unique(slide)]
    assert all(len(part) == 1 for part in parts)
    sizes = np.bincount(folds.of)
    assert len(sizes) == min(10, n_slides)
    assert sizes.min() > 0


def test_slides_of_few_answers_share_a_part():
    slide = np.repeat(np.arange(30), [200, *[5] * 29])
    sizes = np.bincount(make_folds(slide, np.zeros((len(slide), 2))).of)
    assert sizes.max() == 200
    assert sizes[sizes < 200].max() <= 20


@pytest.mark.parametrize("n_slides", [1, 2])
def test_of_few_slides_a_part_is_a_fifth_of_each_and_lies_together(n_slides):
    slide = np.repeat(np.arange(n_slides), 100)
    points = RNG.uniform(0, 1000, (100 * n_slides, 2))
    folds = make_folds(slide, points)
    assert folds.over == "blocks"
    for one in range(n_slides):
        of, place = folds.of[slide == one], points[slide == one]
        assert np.bincount(of).tolist() == [20] * 5
        near = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
        np.fill_diagonal(near, np.inf)
        # Of a nucleus chosen at random, the nearest would be in its part in one of five cases.
        assert (of == of[near.argmin(axis=1)]).mean() > 0.6


def test_the_order_of_the_answers_does_not_matter():
    points, slide = RNG.uniform(0, 1000, (60, 2)), np.zeros(60, int)
    order = RNG.permutation(60)
    one, two = make_folds(slide, points), make_folds(slide, points[order])
    np.testing.assert_array_equal(one.of[order], two.of)

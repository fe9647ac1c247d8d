"""A walk visits every point once, and is short."""

import numpy as np
import pytest

from nucwsi.review.walking import walking_order


def length(points):
    return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50, 900])
def test_every_point_is_visited_once(n):
    points = np.random.default_rng(n).uniform(0, 1000, (n, 2))
    assert sorted(walking_order(points)) == list(range(n))


def test_points_on_a_line_are_walked_from_end_to_end():
    points = np.stack([np.random.default_rng(0).permutation(30), np.zeros(30)], axis=1) * 7.0
    assert length(points[walking_order(points)]) == 29 * 7


def test_the_walk_is_close_to_the_shortest_one():
    """The shortest path through n random points of a square is about 0.7124 sqrt(n area) long."""
    points = np.random.default_rng(3).uniform(0, 1, (200, 2))
    assert length(points[walking_order(points)]) < 1.25 * 0.7124 * np.sqrt(200)


def test_equal_points_are_no_failure():
    assert sorted(walking_order(np.zeros((5, 2)))) == list(range(5))

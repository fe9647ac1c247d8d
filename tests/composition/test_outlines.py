"""Drawn outlines become valid areas, and holes are cut out of the areas they were drawn in."""

import numpy as np
import pytest
import shapely
from shapely import Polygon

from nucwsi.composition.outlines import check_points, ellipse, repaired_area, with_holes


def array_of(*shapes):
    return np.array(shapes, dtype=object)


def test_an_ellipse_touches_the_sides_of_its_box_and_has_its_area():
    shape = ellipse(np.array([[10.0, 40.0], [30.0, 20.0]]))
    assert shape.bounds == pytest.approx((10, 20, 30, 40))
    wide = ellipse(np.array([[0.0, 0.0], [40.0, 10.0], [5.0, 5.0]]))
    assert wide.area == pytest.approx(np.pi * 20 * 5, rel=1e-3)


def test_a_valid_area_is_returned_as_it_is():
    square = shapely.box(0, 0, 4, 4)
    assert repaired_area(square) is square


@pytest.mark.parametrize("overshoot", [0.01, 1.0, 3.0])
def test_an_outline_that_crosses_itself_by_a_hair_is_repaired(overshoot):
    """The last stroke crosses the first: a triangle of about overshoot²/2 is on the wrong side."""
    drawn = Polygon([(0, 0), (100, 0), (100, 100), (0, 100), (overshoot, -overshoot)])
    assert not drawn.is_valid
    whole = repaired_area(drawn)
    assert whole.is_valid
    assert abs(whole.area - drawn.area) <= 1e-3 * whole.area


def test_more_than_a_thousandth_of_the_area_in_doubt_is_too_much():
    drawn = Polygon([(0, 0), (100, 0), (100, 100), (0, 100), (3.4, -3.4)])
    with pytest.raises(ValueError, match="Self-intersection"):
        repaired_area(drawn)


def test_a_bow_tie_is_not_guessed():
    with pytest.raises(ValueError, match=r"Self-intersection\[2 2\]"):
        repaired_area(Polygon([(0, 0), (4, 4), (4, 0), (0, 4)]))


def test_a_hole_is_cut_out_of_the_smallest_area_around_it():
    """An island in a lake: the hole belongs to the outer area, not to the island within it."""
    land, island = shapely.box(0, 0, 100, 100), shapely.box(40, 40, 60, 60)
    lake, pond = shapely.box(20, 20, 80, 80), shapely.box(45, 45, 50, 50)
    cut = with_holes(array_of(land, island), array_of(lake, pond))
    assert shapely.area(cut).tolist() == [100**2 - 60**2, 20**2 - 5**2]


def test_a_hole_across_an_edge_is_cut_out_of_all_that_it_crosses():
    one, other, far = shapely.box(0, 0, 4, 4), shapely.box(5, 0, 9, 4), shapely.box(50, 0, 54, 4)
    hole = shapely.box(3, -1, 6, 5)
    cut = with_holes(array_of(one, other, far), array_of(hole))
    assert shapely.area(cut).tolist() == [12, 12, 16]


def test_an_area_that_a_larger_hole_covers_stays():
    """The hole is larger than the area and lies in no other: it surrounds it, as a lake does."""
    island, lake = shapely.box(4, 4, 6, 6), shapely.box(0, 0, 10, 10)
    [left] = with_holes(array_of(island), array_of(lake))
    assert left.equals(island)


def test_a_hole_of_the_size_of_its_area_leaves_nothing():
    square = shapely.box(0, 0, 4, 4)
    areas = array_of(square)
    [left] = with_holes(areas, array_of(square))
    assert left.is_empty
    assert areas[0] is square, "the input is not changed"


def star(n):
    """Of n points, each joined to one nearly opposite: about n²/4 crossings."""
    angle = np.arange(n) * (n // 2 - 1) * 2 * np.pi / n
    return Polygon(1500 + 1000 * np.column_stack([np.cos(angle), np.sin(angle)]))


def comb(n):
    """A valid outline of n slanted teeth, the bounding boxes of which overlap each other."""
    x = np.arange(n) * 2.0
    ends = [(x, 0 * x), (x + 3000, 0 * x + 3000), (x + 3001, 0 * x + 3000), (x + 1, 0 * x)]
    teeth = np.stack([np.column_stack(end) for end in ends], axis=1).reshape(-1, 2)
    return Polygon(np.vstack([teeth, [(x[-1] + 1, -10), (0, -10)]]))


@pytest.mark.parametrize("n", [300, 1200, 9000])
def test_the_time_to_refuse_a_star_does_not_grow_with_its_crossings(n):
    """9,000 points have 20 million crossings, and to take them apart would take an hour."""
    with pytest.raises(ValueError, match=r"Self-intersection.*more than 10,000 crossings"):
        repaired_area(star(n))


def test_edges_that_lie_upon_each_other_are_refused_like_crossings():
    triangle = [[0, 0], [1000, 0], [500, 800]]
    with pytest.raises(ValueError, match="more than 10,000 crossings"):
        repaired_area(Polygon(triangle * 300))


def test_many_crossings_by_a_hair_are_repaired():
    angle = np.linspace(0, 2 * np.pi, 8000, endpoint=False)
    points = 1e4 * np.column_stack([np.cos(angle), np.sin(angle)])
    points[1::4], points[2::4] = points[2::4].copy(), points[1::4].copy()
    drawn = Polygon(points)
    assert not drawn.is_valid
    assert repaired_area(drawn).area == pytest.approx(np.pi * 1e8, rel=1e-5)


def test_an_outline_whose_check_would_take_long_is_refused():
    assert repaired_area(comb(500)).is_valid
    with pytest.raises(ValueError, match="its 80,002 edges run too close beside each other"):
        repaired_area(comb(20_000))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.nan, "point 2 at x nan, y 0 lies on no slide"),
        (np.inf, "point 2 at x inf"),
        (-1e308, "point 2 at x -1e.308, y 0 lies on no slide, expected numbers up to 10,000,000"),
        (1.1e7, "point 2"),
    ],
)
def test_points_that_lie_on_no_slide_are_refused_by_place_and_value(x, message):
    points = np.array([(0, 0), (x, 0), (9, 9)], float)
    with pytest.raises(ValueError, match=message):
        check_points(points)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        repaired_area(Polygon([*points, points[0]]))


def test_an_outline_without_points_is_refused():
    with pytest.raises(ValueError, match="it has no points"):
        repaired_area(Polygon())


def test_many_holes_are_cut_in_little_time():
    """Each of 4,000 holes is compared with the areas that it meets, not with all."""
    x, y = np.divmod(np.arange(4000), 64) * np.array([[10.0], [10.0]])
    areas, holes = shapely.box(x, y, x + 8, y + 8), shapely.box(x + 2, y + 2, x + 4, y + 4)
    assert shapely.area(with_holes(areas, holes)).tolist() == [60.0] * 4000

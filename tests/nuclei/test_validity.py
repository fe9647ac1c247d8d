"""Valid polygons: what crosses itself is rebuilt, what is valid stays the same object."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from nucwsi.nuclei.validity import largest_polygon, make_valid, on_grid, polygon_parts, repaired


def array_of(*shapes):
    return np.array(shapes, dtype=object)


def test_valid_outlines_are_returned_as_they_are():
    square = shapely.box(0, 0, 2, 2)
    outlines = array_of(square, square)
    assert repaired(outlines) is outlines


def test_a_repaired_outline_is_the_largest_part_without_holes():
    bow = Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])
    lopsided = Polygon([(0, 0), (4, 4), (4, 0), (0, 4), (-2, 2)])
    spiral = shapely.box(0, 0, 9, 9)
    [half, kept, same] = repaired(array_of(bow, lopsided, spiral))
    assert half.area == 4
    assert kept.area > 4
    assert same is spiral
    assert not any(len(shape.interiors) for shape in (half, kept))


def test_a_shape_without_area_becomes_an_empty_polygon():
    flat = Polygon([(0, 0), (4, 0), (2, 0)])
    [left] = repaired(array_of(flat))
    assert left.geom_type == "Polygon"
    assert left.is_empty
    assert largest_polygon(shapely.LineString([(0, 0), (1, 1)])).is_empty
    assert polygon_parts(shapely.LineString([(0, 0), (1, 1)])) == []


def test_lines_and_points_are_no_parts():
    square = shapely.box(0, 0, 1, 1)
    mixed = shapely.GeometryCollection([shapely.Point(5, 5), square, shapely.box(3, 3, 5, 5)])
    assert [part.area for part in polygon_parts(mixed)] == [1, 4]
    assert largest_polygon(mixed).area == 4


def test_holes_survive_the_rounding():
    ring = shapely.box(0, 0, 9, 9) - shapely.box(3.001, 3.004, 5, 5)
    [shape] = on_grid(array_of(ring))
    assert [shapely.Polygon(hole).bounds for hole in shape.interiors] == [(3, 3, 5, 5)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 400)] * 2), min_size=3, max_size=9, unique=True))
def test_any_ring_comes_out_valid_and_on_the_grid(corners):
    # In steps of 0.0025 px, so that rounding moves most corners and makes many rings cross.
    drawn = Polygon(np.array(corners) / 400)
    [shape] = on_grid(array_of(drawn))
    assert shape.is_valid
    points = shapely.get_coordinates(shape)
    np.testing.assert_allclose(points, np.round(points, 2), atol=1e-12)
    assert make_valid(drawn).is_valid
    assert repaired(array_of(drawn))[0].is_valid

"""Shapes in µm: known figures have their known measures."""

import numpy as np
import pytest
import shapely
from shapely.affinity import rotate, scale, translate

from nucwsi.features.shape import NAMES, shape_features


def measures(*shapes):
    return [
        dict(zip(NAMES, row, strict=True))
        for row in shape_features(np.array(shapes, object)).tolist()
    ]


def test_an_ellipse_has_its_axes_its_area_and_its_form():
    circle = shapely.Point(0, 0).buffer(1, quad_segs=256)
    (found,) = measures(translate(rotate(scale(circle, 8, 3), 30), 5000, 9000))
    assert found["major_axis_um"] == pytest.approx(16, rel=1e-3)
    assert found["minor_axis_um"] == pytest.approx(6, rel=1e-3)
    assert found["area_um2"] == pytest.approx(np.pi * 24, rel=1e-3)
    assert found["eccentricity"] == pytest.approx(np.sqrt(1 - 9 / 64), rel=1e-3)
    assert found["solidity"] == pytest.approx(1, abs=1e-6)


def test_a_circle_is_round_and_a_star_is_not():
    angle = np.linspace(0, 2 * np.pi, 200)
    radius = 5 * (1 + 0.4 * np.cos(5 * angle))
    star = shapely.Polygon(np.c_[radius * np.cos(angle), radius * np.sin(angle)])
    circle, spiky = measures(shapely.Point(0, 0).buffer(5, quad_segs=64), star)
    assert circle["circularity"] == pytest.approx(1, abs=1e-3)
    assert circle["radius_variation"] == pytest.approx(0, abs=1e-3)
    assert spiky["circularity"] < 0.7
    assert spiky["solidity"] < 0.9
    assert spiky["radius_variation"] > 0.2


def test_neither_direction_nor_start_nor_place_of_a_ring_matters():
    shape = shapely.Polygon([(0, 0), (9, 1), (12, 6), (4, 8)])
    other = shapely.Polygon(np.array([(12, 6), (9, 1), (0, 0), (4, 8)]) + 1024)
    np.testing.assert_allclose(*shape_features(np.array([shape, other], object)), rtol=1e-5)


def test_the_largest_part_without_its_holes_is_measured():
    whole = shapely.box(0, 0, 10, 10)
    several = shapely.union(whole - shapely.box(4, 4, 6, 6), shapely.box(20, 0, 22, 2))
    np.testing.assert_array_equal(*shape_features(np.array([whole, several], object)))

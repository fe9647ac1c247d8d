"""Polygons: simplified within a tolerance, and moved between frames."""

import numpy as np
import pytest
import shapely
from instances_made import blobs

from nucwsi.grid import Frame
from nucwsi.nuclei.polygons import level0_to_canvas, simplified, window_to_level0
from nucwsi.nuclei.tracing import trace


def test_simplifying_stays_valid_and_near():
    labels, count = blobs(3, 2.0, 128)
    outlines = trace(labels, count).polygons
    simple = simplified(outlines, 0.75)
    assert shapely.is_valid(simple).all()
    assert (shapely.hausdorff_distance(outlines, simple) <= 0.75 + 1e-9).all()
    assert simplified(outlines, 0) is outlines
    coarse = simplified(outlines, 6)
    assert (shapely.is_valid(coarse) & ~shapely.is_empty(coarse)).all()


def test_moving_to_level_0():
    square = trace(np.ones((2, 3), np.int32), 1).polygons
    (there,) = window_to_level0(square, (10, 20), (2.0, 4.0), (100, 1000))
    # x: (20 .. 23) * 4 + 1000; y: (10 .. 12) * 2 + 100
    assert there.bounds == (1080, 120, 1092, 124)


def test_what_moves_to_level_0_and_back_is_where_it_was():
    """Pixels that are not square: 2 level-0 pixels a canvas pixel down, 4 across."""
    frame = Frame((40, 50), 1.0, (0.5, 0.25), (100, 1000), (2000, 4000))
    square = trace(np.ones((2, 3), np.int32), 1).polygons
    there = window_to_level0(square, (10, 20), frame.scale, frame.origin_px)
    (back,) = level0_to_canvas(there, frame)
    assert back.bounds == pytest.approx((20, 10, 23, 12))


def test_nothing_moves_nowhere():
    nothing = np.empty(0, object)
    assert len(window_to_level0(nothing, (1, 1), (2, 2), (0, 0))) == 0
    assert len(simplified(nothing, 1.0)) == 0


def test_an_outline_that_rounding_breaks_is_repaired():
    spike = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 4), (2.001, 7), (1.999, 4), (0, 4)])
    (there,) = window_to_level0(np.array([spike], object), (0, 0), (1, 1), (0, 0))
    assert there.is_valid
    assert there.area == pytest.approx(16, abs=0.01)

"""Outlines of other programs are measured as ours: known numbers for known shapes."""

import numpy as np
import pytest
import shapely
from shapely import affinity
from stores import frame_of

from nucwsi.nuclei.imported import imported_table, second_moment_axes, unique_ids


def test_axes_of_turned_ellipses_and_of_a_rectangle_are_known():
    circle = shapely.Point(0, 0).buffer(1, 256)
    turned = [
        affinity.translate(affinity.rotate(affinity.scale(circle, 9, 4), angle), 1e5, 2e5)
        for angle in (0, 33, 90)
    ]
    # A clockwise outline encloses the same area.
    shapes = np.array([*turned, shapely.box(0, 0, 12, 6).reverse()])
    major, minor = second_moment_axes(shapes)
    np.testing.assert_allclose(major, [18, 18, 18, 4 * 12 / np.sqrt(12)], rtol=1e-4)
    np.testing.assert_allclose(minor, [8, 8, 8, 4 * 6 / np.sqrt(12)], rtol=1e-4)


def test_nuclei_in_one_pixel_have_numbers_of_their_own():
    frame = frame_of((100, 200))
    scale = frame.scale[0]
    centroids = np.array([[3.2, 5.1], [3.4, 5.2], [3.0, 6.9], [0.0, 0.0]]) * scale
    ids = unique_ids(centroids, frame)
    assert ids.tolist() == [605, 606, 607, 0]
    assert unique_ids(centroids[[3, 2]], frame).tolist() == [0, 606]


def test_measures_are_in_micrometres_whatever_the_pixels():
    frame = frame_of((100, 200))
    side = 8 / frame.level0_mpp[1]
    squares = np.array(
        [shapely.box(20, 30, 20 + side, 30 + side), shapely.box(0, 9, side, 9 + side)]
    )
    table = imported_table(squares, np.array([1, 0]), 3, np.array([0.5, 1]), frame)
    np.testing.assert_allclose(table.area_um2, 64, rtol=1e-5)
    np.testing.assert_allclose(table.perimeter_um, 32, rtol=1e-5)
    np.testing.assert_allclose(table.circularity, np.pi / 4, rtol=1e-5)
    assert table.class_probabilities.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert table.at_edge.tolist() == [False, True]
    assert table.row[0] == pytest.approx(30 + side / 2)
    assert table.np_mean.tolist() == [0.5, 1]

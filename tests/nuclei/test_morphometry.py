"""Measures of nuclei: known numbers for known shapes."""

import numpy as np
import pytest
import shapely
from instances_made import discs

from nucwsi.nuclei.morphometry import pixel_sums, shapes
from nucwsi.nuclei.pixels import Pixels
from nucwsi.nuclei.polygons import simplified
from nucwsi.nuclei.tracing import trace


def test_classes_are_weighed_by_np_and_sum_to_one():
    labels = np.array([[1, 1, 0], [2, 0, 0]], np.int32)
    np_map = np.array([[200, 100, 255], [50, 0, 0]], np.uint8)
    tp_map = np.zeros((2, 2, 3), np.uint8)
    tp_map[0, 0] = [255, 0, 9]
    tp_map[1, 0] = [0, 255, 9]
    contrast_map = np.zeros((2, 2, 3), np.int8)
    contrast_map[1, 0] = [127, -63, 99]
    sums = pixel_sums(Pixels.of(labels), 2, np_map, tp_map, contrast_map)
    assert sums.area_px.tolist() == [2, 1]
    np.testing.assert_allclose(sums.class_probabilities[0], [2 / 3, 1 / 3])
    np.testing.assert_allclose(sums.class_probabilities[1], [0.5, 0.5])  # no class was named
    np.testing.assert_allclose(sums.np_mean, [150 / 255, 50 / 255], rtol=1e-6)
    # Contrasts are weighed by `np` already; they are shares of the nucleus.
    np.testing.assert_allclose(sums.contrasts, [[0, 64 / 127 / (300 / 255)], [0, 0]], rtol=1e-6)


def test_measures_of_a_disc():
    labels = discs((101, 101), [(50, 50)], 30)
    np_map, tp_map = np.full((101, 101), 255, np.uint8), np.full((1, 101, 101), 255)
    sums = pixel_sums(Pixels.of(labels), 1, np_map, tp_map, np.empty((0, 101, 101), np.int8))
    assert sums.major_axis_px[0] == pytest.approx(60, rel=0.02)
    assert sums.minor_axis_px[0] == pytest.approx(60, rel=0.02)
    outlines = trace(labels, 1)
    assert outlines.perimeter_px[0] == pytest.approx(np.sqrt(4 * np.pi * sums.area_px[0]), rel=0.02)
    measured = shapes(simplified(outlines.polygons, 0.75), outlines.perimeter_px)
    assert measured.circularity[0] > 0.9
    assert measured.solidity[0] > 0.97


def sums_of(labels):
    np_map, tp_map = (
        np.full(labels.shape, 255, np.uint8),
        np.full((1, *labels.shape), 255, np.uint8),
    )
    no_contrast = np.empty((0, *labels.shape), np.int8)
    return pixel_sums(Pixels.of(labels), int(labels.max()), np_map, tp_map, no_contrast)


def test_axes_of_a_rectangle():
    """A side of length s has the second moment s² / 12, an axis is 4 standard deviations."""
    labels = np.zeros((20, 30), int)
    labels[5:9, 2:14] = 1
    sums = sums_of(labels)
    assert sums.major_axis_px[0] == pytest.approx(4 * 12 / 12**0.5)
    assert sums.minor_axis_px[0] == pytest.approx(4 * 4 / 12**0.5)


def test_axes_do_not_depend_on_where_a_nucleus_lies():
    near, far = np.zeros((2, 9, 40000), int)
    near[2:6, 3:20] = far[2:6, 39003:39020] = 1
    assert sums_of(near).major_axis_px == sums_of(far).major_axis_px


def test_shapes_of_known_outlines():
    square = shapely.box(0, 0, 3, 3)
    ell = shapely.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    measured = shapes(np.array([square, ell]), np.array([12.0, 8.0]))
    assert measured.area.tolist() == [9, 3]
    np.testing.assert_allclose(measured.circularity, [np.pi / 4, 4 * np.pi * 3 / 64], rtol=1e-6)
    np.testing.assert_allclose(measured.solidity, [1, 3 / 3.5], rtol=1e-6)


def test_nothing_is_rounder_than_a_circle():
    assert shapes(np.array([shapely.box(0, 0, 1, 1)]), np.array([3.0])).circularity[0] == 1

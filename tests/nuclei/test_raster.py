"""Outlines burnt into pixels: the first one stays, and squares know who reaches into them."""

import numpy as np
import shapely

from nucwsi.grid import Window
from nucwsi.nuclei.raster import burn_outlines, by_square


def test_a_pixel_belongs_to_the_first_outline_that_holds_its_middle():
    outlines = np.array([shapely.box(0.4, 0, 2.4, 1), shapely.box(1, 0, 4.6, 2)], object)
    labels = np.zeros((2, 6), np.uint32)
    burn_outlines(labels, outlines, np.array([5, 7], np.uint32), Window(0, 0, 2, 6))
    assert labels.tolist() == [[5, 5, 7, 7, 7, 0], [0, 7, 7, 7, 7, 0]]


def test_what_is_burnt_stays_and_windows_agree():
    outlines = np.array([shapely.Point(10, 8).buffer(5), shapely.Point(14, 9).buffer(4)], object)
    values = np.array([1, 2], np.uint32)
    whole = np.zeros((20, 24), np.uint32)
    burn_outlines(whole, outlines, values, Window(0, 0, 20, 24))
    parts = np.zeros_like(whole)
    for window in Window(0, 0, 20, 24).cut(7, 5):
        burn_outlines(parts[window.slices], outlines, values, window)
    np.testing.assert_array_equal(parts, whole)
    one_by_one = np.zeros_like(whole)
    for index in range(2):
        burn_outlines(one_by_one, outlines[[index]], values[[index]], Window(0, 0, 20, 24))
    np.testing.assert_array_equal(one_by_one, whole)


def test_squares_list_the_outlines_that_may_reach_into_them():
    outlines = np.array([shapely.box(-2, 1, 3, 3), shapely.box(9, 1, 11, 12)], object)
    squares = {at: indices.tolist() for at, indices in by_square(outlines, 10).items()}
    assert squares == {(0, 0): [0, 1], (0, 1): [1], (1, 0): [1], (1, 1): [1]}

"""Rows of the table: frames and units, also where level-0 pixels are not square."""

import numpy as np
import pytest
import shapely

from nucwsi.grid import Frame, Window
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.pixels import connected
from nucwsi.nuclei.window import WindowMaps, nuclei_of
from nucwsi.steps.segment.on_slide import on_slide

#: 0.5 µm a canvas pixel; 2 level-0 pixels of it down, 4 across.
FRAME = Frame((100, 300), 0.5, (0.25, 0.125), (1000.0, 7.0), (2000, 3000))
WINDOW = Window(20, 40, 30, 50)


@pytest.fixture
def rows():
    """One nucleus of 6 x 10 px in the window's rows 5 to 10 and columns 8 to 17."""
    np_map = np.zeros(WINDOW.shape, np.uint8)
    np_map[5:11, 8:18] = 204
    maps = WindowMaps(
        np.ones((32, 52), bool), np_map, np.zeros((2, 30, 50), np.int8), np.stack([np_map] * 2)
    )
    constants = PixelConstants(128, 100, 4, np.array([1, 1]), 0, False, 0)
    return on_slide(nuclei_of(maps, *connected(np_map >= 128), constants), WINDOW, FRAME, True)


def test_the_id_is_the_first_pixel_on_the_canvas(rows):
    assert rows.id.tolist() == [(20 + 5) * 300 + 40 + 8]


def test_outline_and_centroid_are_in_level_0_pixels(rows):
    left, top = 7 + 4 * (40 + 8), 1000 + 2 * (20 + 5)
    assert rows.bounds.tolist() == [[left, top, left + 4 * 10, top + 2 * 6]]
    assert shapely.from_wkb(rows.geometry[0]).bounds == tuple(rows.bounds[0])
    assert (rows.row[0], rows.column[0]) == (top + 2 * 3, left + 4 * 5)


def test_measures_are_in_micrometres(rows):
    assert rows.area_um2.tolist() == [6 * 10 * 0.25]
    assert rows.major_axis_um[0] == pytest.approx(0.5 * 4 * 10 / 12**0.5)
    assert rows.minor_axis_um[0] == pytest.approx(0.5 * 4 * 6 / 12**0.5)
    assert rows.perimeter_um[0] == pytest.approx(
        0.5 * (32 - 4 * (1 - 0.5**0.5)) * np.pi * (1 + 2**0.5) / 8
    )


def test_what_the_maps_say_is_kept(rows):
    assert rows.np_mean[0] == pytest.approx(204 / 255)
    assert rows.class_probabilities.tolist() == [[0.5, 0.5]]
    assert rows.escalated.tolist() == [True]

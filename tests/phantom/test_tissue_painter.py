"""A window of the scene tissue is painted as the whole; lumens are bright, nuclei dark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.grid import Window
from nucwsi.phantom import Phantom

SHAPE = (700, 900)


@pytest.fixture(scope="module")
def whole():
    return Phantom(SHAPE, seed=3, scene="tissue").paint()


@settings(max_examples=12, deadline=None)
@given(row=st.integers(0, 690), column=st.integers(0, 890), height=st.integers(1, 300))
def test_a_window_is_painted_as_the_whole(whole, row, column, height):
    window = Window(row, column, min(height, 700 - row), min(2 * height, 900 - column))
    alone = Phantom(SHAPE, seed=3, scene="tissue").paint(window)
    np.testing.assert_array_equal(alone, whole[window.slices])


def test_a_gland_is_open_in_its_middle_and_dark_at_its_nuclei():
    demo = Phantom(scene="tissue")
    gland = next(
        organ
        for organ in demo._anatomy.organs.near(Window(0, 0, *demo.shape))
        if organ.kind == "gland" and demo._anatomy.tissue(*organ.outline.T).min() > 5
    )
    picture = demo.paint(gland.frame).mean(axis=2)
    instances = np.zeros(gland.frame.shape, bool)
    rows, columns = np.mgrid[gland.frame.slices]
    for nucleus in demo.nuclei(gland.frame):
        instances |= nucleus.reach(rows + 0.5, columns + 0.5)[0] < 0.8
    lumen = gland.inner(24 / demo.mpp).reach(rows + 0.5, columns + 0.5)[0] < 0.9
    rim = (gland.reach(rows + 0.5, columns + 0.5)[0] < 0.9) & ~lumen & ~instances
    assert picture[lumen].mean() > picture[rim].mean() + 30
    assert picture[rim].mean() > picture[instances].mean() + 30

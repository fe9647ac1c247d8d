"""A window of the phantom is painted as the whole; what is painted looks like its stains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nucwsi.grid import Window
from nucwsi.phantom import Phantom
from nucwsi.phantom.anatomy import Anatomy
from nucwsi.phantom.nucleus import Nucleus
from nucwsi.phantom.painter import Painter

SHAPE = (700, 900)
SMALL = Phantom(SHAPE, seed=3)


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, int]) -> Window:
    row, column = (draw(st.integers(0, side - 2)) for side in shape)
    height = draw(st.integers(1, min(200, shape[0] - row)))
    return Window(row, column, height, draw(st.integers(1, min(200, shape[1] - column))))


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return SMALL.paint()


@settings(max_examples=20, deadline=None)
@given(window=windows(SHAPE))
@example(window=Window(0, 15, 145, 200))  # a nucleus below it blurs into its last row
def test_a_window_is_painted_as_the_whole(whole: np.ndarray, window: Window) -> None:
    # A phantom of its own: nothing remembered from elsewhere on the slide.
    alone = Phantom(SHAPE, seed=3).paint(window)
    np.testing.assert_array_equal(alone, whole[window.slices])


def test_a_nucleus_darkens_the_pixels_it_covers_and_no_other() -> None:
    painter = Painter(Anatomy((200, 200), 0.25, 1, (100.0, 100.0, 30.0)))
    window = Window(0, 0, 200, 200)
    round_one = Nucleus(1, "sheet", "inflammatory", (60.0, 80.0), (12.0, 12.0), 0.0, np.ones(48))
    bare, painted = painter.paint(window, []), painter.paint(window, iter([round_one]))
    distance = np.hypot(*(np.indices((200, 200)) + 0.5 - np.reshape((60, 80), (2, 1, 1))))
    changed = (bare != painted).any(axis=2)
    assert not changed[distance > 12 + painter.margin_px].any()
    assert changed[distance < 11].all()
    # Haematoxylin absorbs red; nothing else on the slide does as much.
    assert painted[distance < 11, 0].max() < bare[..., 0].min()


def test_a_later_nucleus_covers_an_earlier_one() -> None:
    painter = Painter(Anatomy((200, 200), 0.25, 1, (100.0, 100.0, 30.0)))
    window = Window(40, 60, 40, 40)
    pale = Nucleus(1, "sheet", "epithelial", (60.0, 80.0), (14.0, 14.0), 0.0, np.ones(48))
    dark = Nucleus(2, "sheet", "inflammatory", (60.0, 80.0), (8.0, 8.0), 0.0, np.ones(48))

    def middle(*nuclei: Nucleus) -> float:
        return float(painter.paint(window, nuclei)[18:22, 18:22, 0].mean())

    assert middle(pale, dark) == middle(dark)
    assert middle(dark, pale) == middle(pale) > middle(dark)

"""Pictures of a slide show the part that they are asked for."""

import numpy as np
import pytest

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import open_slide
from nucwsi.report.slide_pictures import (
    field_window,
    read_field,
    read_thumbnail,
    resampled_frame,
)


@pytest.mark.parametrize("level0_mpp", [0.25, 0.2527, 0.499, 0.5034])
def test_a_field_is_shown_where_its_nuclei_were_counted(level0_mpp):
    """However far from the corner, whatever the slide's own resolution."""
    side = round(80000 * 0.5 / level0_mpp)
    frame = Frame((80000, 80000), 0.5, (level0_mpp, level0_mpp), (0.0, 0.0), (side, side))
    for place in ((0, 0), (3, 200), (300, 7)):
        view, window = field_window(frame, place, 128.0, level0_mpp)
        shown = view.to_level0(np.array([[window.row, window.column]], float))
        counted = frame.to_level0(np.array([place], float) * 256)
        np.testing.assert_allclose(shown, counted, atol=0.51)
        assert window.shape == (round(128 / level0_mpp),) * 2


def test_another_resolution_covers_the_whole_canvas():
    frame = Frame((1000, 999), 0.5, (0.25, 0.25), (10.0, 20.0), (2100, 2100))
    assert resampled_frame(frame, 1.0).shape == (500, 500)
    assert resampled_frame(frame, 10000.0).shape == (1, 1)
    assert resampled_frame(frame, 1.0).origin_px == frame.origin_px


def test_fields_and_thumbnails_are_read_from_the_canvas(small_slide):
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    with open_slide(small_slide) as slide:
        whole, _ = SlideCanvas(slide, frame).read(Window(0, 0, 800, 1050))
        inside = read_field(slide, frame, (1, 2), 128.0, 0.5)
        at_edge = read_field(slide, frame, (3, 4), 128.0, 0.5)
        image, mpp = read_thumbnail(slide, frame, 1)
    np.testing.assert_array_equal(inside, whole[256:512, 512:768])
    np.testing.assert_array_equal(at_edge, whole[768:, 1024:], "cut at the end of the canvas")
    assert mpp == 0.5, "never finer than the canvas"
    assert image.shape == whole.shape

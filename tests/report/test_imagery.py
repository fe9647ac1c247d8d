"""Images and drawings lie where the slide has them."""

import base64

import numpy as np
import pytest
import shapely
import simplejpeg

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import open_slide
from nucwsi.report.imagery import (
    field_window,
    jpeg_uri,
    read_field,
    read_thumbnail,
    resampled_frame,
    scale_bar,
    shrunk,
    svg_path,
)


@pytest.mark.parametrize(
    ("width_um", "text"),
    [(30, "10 µm"), (128, "20 µm"), (999, "200 µm"), (20000, "5 mm"), (1e6, "10 mm")],
)
def test_scale_bars_fit(width_um, text):
    """They take up at most a third of the image."""
    bar = scale_bar(width_um)
    assert bar.text == text
    length, unit = text.split()
    um = int(length) * (1000 if unit == "mm" else 1)
    assert bar.percent == pytest.approx(100 * um / width_um)
    assert um <= width_um / 3


def test_outlines_are_drawn_where_they_are():
    ring = shapely.Polygon(
        [(10, 20), (14, 20), (14, 26), (10, 26)], [[(11, 21), (12, 21), (12, 22)]]
    )
    crumb = shapely.box(10, 20, 10.01, 20.01)
    path = svg_path(np.array([ring, crumb], object), (2.0, 0.5), (10, 20))
    assert path == "M0 0l80 0 0 30 -80 0zM20 5l20 0 0 5z"


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


def test_an_image_shrinks_into_its_square():
    assert shrunk(np.zeros((100, 200, 3), np.uint8), 50).shape == (25, 50, 3)
    assert shrunk(np.zeros((10, 20, 3), np.uint8), 50).shape == (10, 20, 3)


def test_a_jpeg_comes_back_from_its_address():
    image = np.full((16, 24, 3), (200, 120, 180), np.uint8)
    address = jpeg_uri(image, 90)
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    assert np.abs(simplejpeg.decode_jpeg(base64.b64decode(data)).astype(int) - image).max() < 6

"""Drawings lie where the slide has them; images fit and come back."""

import base64

import numpy as np
import pytest
import shapely
import simplejpeg

from nucwsi.report.imagery import jpeg_uri, scale_bar, shrunk, svg_path


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


def test_an_image_shrinks_into_its_square():
    assert shrunk(np.zeros((100, 200, 3), np.uint8), 50).shape == (25, 50, 3)
    assert shrunk(np.zeros((10, 20, 3), np.uint8), 50).shape == (10, 20, 3)


def test_a_jpeg_comes_back_from_its_address():
    image = np.full((16, 24, 3), (200, 120, 180), np.uint8)
    address = jpeg_uri(image, 90)
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    assert np.abs(simplejpeg.decode_jpeg(base64.b64decode(data)).astype(int) - image).max() < 6

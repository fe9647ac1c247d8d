"""The canvas: honest averages of the slide, along rows and columns each at their own scale."""

import logging
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from slides_made import damage, picture, write_aperio, write_slide

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, level0_claim
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.slides.slide_reader import level_of
from nucwsi.slide.mpp import MppClaim

IMAGE = picture()


def averaged(image, scale, offset, shape):
    """Average under each target pixel by differences of a cumulative sum; outside is white."""
    room = 40
    summed = np.pad(image.astype(float), ((room,) * 2, (room,) * 2, (0, 0)), constant_values=255)
    for axis in (0, 1):
        edges = offset[axis] + room + np.arange(shape[axis] + 1) * scale[axis]
        summed = np.moveaxis(np.cumsum(summed, axis=axis), axis, 0)
        summed = np.concatenate([np.zeros_like(summed[:1]), summed])
        low = np.floor(edges).astype(int)
        part = (edges - low).reshape(-1, 1, 1)
        at_edges = summed[low] * (1 - part) + summed[low + 1] * part
        summed = np.moveaxis(np.diff(at_edges, axis=0) / scale[axis], 0, axis)
    return summed


def canvas_of(slide, mpp, target=0.5):
    return SlideCanvas(slide, canvas_frame(slide, MppClaim(mpp, mpp, "override"), target))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A slide with one level, without loss."""
    path = tmp_path_factory.mktemp("plain") / "plain.tif"
    return write_slide(path, IMAGE, compression="lzw", levels=(1,))


@pytest.mark.parametrize("mpp", [0.25, 0.263018, 0.3611, 0.499, 0.5])
def test_resampling_is_the_average_under_each_pixel(plain, mpp):
    with open_slide(plain) as slide:
        canvas = canvas_of(slide, mpp)
        shape = canvas.frame.shape
        assert shape == tuple(int(np.ceil(side * mpp / 0.5)) for side in IMAGE.shape[:2])
        pixels, bad = canvas.read(Window(0, 0, *shape))
        assert not bad
        expected = averaged(IMAGE, canvas.frame.scale, (0, 0), shape)
        # Halves may be rounded either way.
        assert np.abs(pixels - expected).max() < 0.501


def test_coarser_slides_are_interpolated(plain):
    with open_slide(plain) as slide:
        canvas = canvas_of(slide, 0.8)
        window = Window(100, 150, 700, 900)
        pixels, _ = canvas.read(window)
    rows = (np.arange(window.row, window.row_stop) + 0.5) * 0.625 - 0.5
    columns = (np.arange(window.column, window.column_stop) + 0.5) * 0.625 - 0.5
    at = np.meshgrid(rows, columns, indexing="ij")
    for channel in range(3):
        expected = ndimage.map_coordinates(IMAGE[..., channel].astype(float), at, order=1)
        assert np.abs(pixels[..., channel] - expected).max() < 0.501


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0.25, 0.263018, 0.499, 0.7]),
    st.tuples(st.integers(0, 400), st.integers(0, 500)),
    st.tuples(st.integers(1, 140), st.integers(1, 140)),
)
def test_a_pixel_does_not_depend_on_the_window(plain, mpp, corner, size):
    window = Window(*corner, *size)
    with open_slide(plain) as slide:
        canvas = canvas_of(slide, mpp)
        pixels, _ = canvas.read(window)
        larger, _ = canvas.read(window.grown(37))
    np.testing.assert_array_equal(pixels, larger[37:-37, 37:-37])


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """A pyramid whose levels differ in brightness, so that one sees where pixels come from."""
    path = tmp_path_factory.mktemp("coloured") / "coloured.tif"
    with tifffile.TiffWriter(path) as tiff:
        for factor in (1, 2, 4, 16):
            image = np.full((2048 // factor, 2048 // factor, 3), 200 - factor, np.uint8)
            options = {"subfiletype": int(factor > 1), "metadata": None}
            tiff.write(image, photometric="rgb", tile=(256, 256), **options)
    return path


@pytest.mark.parametrize(
    ("mpp", "factor"),
    [(0.5, 1), (0.26, 1), (0.2515, 2), (0.25, 2), (0.14, 2), (0.125, 4), (0.05, 4), (0.9, 1)],
)
def test_the_best_level_is_read(coloured, mpp, factor):
    with open_slide(coloured) as slide:
        pixels, _ = canvas_of(slide, mpp).read(Window(8, 8, 64, 64))
    assert (pixels == 200 - factor).all()


def test_levels_that_openslide_interpolates_are_for_overviews_only(tmp_path):
    image = picture(1030, 1300)
    for options, exact in (({}, True), ({"compression": 33005}, False)):
        with open_slide(write_aperio(tmp_path / "odd.svs", image, **options)) as slide:
            assert slide.levels[1].downsample == (4.0, 4.0)
            assert slide.levels[1].exact is exact
            canvas = canvas_of(slide, 0.125)
            assert canvas._levels(1, exact=True) == ([1, 0] if exact else [0])
            assert canvas._levels(16, exact=False) == [1, 0]


#: Height and width of a level-0 pixel in µm: square, 1.5 % from it either way, and far from it.
PIXELS = [(0.25, 0.25), (0.25, 0.25375), (0.25375, 0.25), (0.25, 0.5), (0.5, 0.2)]


@pytest.mark.parametrize(("rows", "columns"), PIXELS)
def test_pixels_that_are_not_square_keep_the_shape_of_the_tissue(tmp_path, rows, columns):
    """From the file to the canvas: an edge is where it is in µm, along rows and along columns."""
    top, left, height, width = 301, 202, 400, 500
    image = np.full((1100, 1300, 3), 255, np.uint8)
    image[top : top + height, left : left + width] = 55
    resolution = {"resolution": (1e4 / columns, 1e4 / rows), "resolutionunit": "CENTIMETER"}
    options = {"compression": "lzw", "levels": (1,), "unit": None, **resolution}
    path = write_slide(tmp_path / "oblong.tif", image, **options)
    with open_slide(path) as slide:
        [claim] = slide.claims
        frame = canvas_frame(slide, claim, 0.5)
        assert frame.shape == (math.ceil(1100 * rows / 0.5), math.ceil(1300 * columns / 0.5))
        assert frame.level0_mpp == (pytest.approx(rows), pytest.approx(columns))
        canvas = SlideCanvas(slide, frame)
        pixels, bad = canvas.read(Window(0, 0, *frame.shape))
        view, _ = canvas.overview(4)
    assert not bad
    dark = (255 - pixels[..., 0].astype(float)) / 200
    # Each side of the rectangle is cut through its middle; 3/4 px are what rounding makes of it.
    along_rows, along_columns = dark[:, dark.shape[1] // 3], dark[dark.shape[0] // 3]
    assert along_rows.sum() == pytest.approx(height * rows / 0.5, abs=0.75)
    assert along_columns.sum() == pytest.approx(width * columns / 0.5, abs=0.75)
    middle = frame.to_level0(np.array([ndimage.center_of_mass(dark)]) + 0.5)[0]
    assert middle == pytest.approx((top + height / 2, left + width / 2), abs=0.2)
    expected = averaged(image, frame.scale, (0, 0), frame.shape)
    assert np.abs(pixels - expected).max() < 0.501
    # An overview averages over 4 x 4 canvas pixels.
    scale = (frame.scale[0] * 4, frame.scale[1] * 4)
    assert np.abs(view - averaged(image, scale, (0, 0), view.shape[:2])).max() < 0.501


def test_the_finer_axis_decides_which_level_is_read(coloured):
    """A level that is fine enough along columns only would blur rows."""
    with open_slide(coloured) as slide:
        for claim, level in (((0.25, 0.25), 1), ((0.3, 0.25), 0), ((0.25, 0.3), 0)):
            frame = canvas_frame(slide, MppClaim(*claim, "override"), 0.5)
            assert SlideCanvas(slide, frame)._levels(1, exact=True)[0] == level


def test_the_coarser_axis_of_a_level_decides_whether_it_is_read():
    levels = [level_of((64, 64), (64, 64), True, (8, 8)) for _ in range(2)]
    slide = SimpleNamespace(levels=levels)
    frame = Frame((32, 32), 0.5, (0.25, 0.25), (0.0, 0.0), (64, 64))
    for shape, chosen in (((32, 32), 1), ((32, 16), 0), ((16, 32), 0)):
        levels[1] = level_of(shape, (64, 64), True, (8, 8))
        assert SlideCanvas(slide, frame)._levels(1, exact=True)[0] == chosen


def test_a_canvas_has_at_least_one_pixel(plain):
    with open_slide(plain) as slide:
        assert canvas_frame(slide, MppClaim(0.25, 0.25, "override"), 1000).shape == (1, 1)
        # In floating point, 0.2 * 3 is above 0.6 by a hair, which is no pixel.
        frame = canvas_frame(slide, MppClaim(0.2 * 3, 0.2 * 3, "override"), 0.6)
        assert frame.shape == (1100, 1300)


def test_bad_cells_are_those_whose_average_is_spoilt(tmp_path):
    """Level-0 rows and columns 256 to 512 of 0.3 µm are canvas pixels 153.6 to 307.2 of 0.5 µm."""
    path = write_slide(tmp_path / "bad.tif", IMAGE, levels=(1,))
    with open_slide(path) as slide:
        frame = canvas_frame(slide, MppClaim(0.3, 0.3, "override"), 0.5)
        sound, _ = SlideCanvas(slide, frame).read(Window(0, 0, *frame.shape))
    damage(path, "zeroed", tile=7)
    with open_slide(path) as slide:
        canvas = SlideCanvas(slide, frame)
        pixels, bad = canvas.read(Window(0, 0, *frame.shape))
        assert bad == [Window(153, 153, 155, 155)]
        good = np.ones(frame.shape, bool)
        good[bad[0].slices] = False
        np.testing.assert_array_equal(pixels[good], sound[good])
        view, unreadable = canvas.overview(16)
        assert np.flatnonzero(unreadable.any(axis=1)).tolist() == list(range(9, 20))
        assert unreadable.sum() == 11 * 11
        assert view.shape == (42, 49, 3)
        # A part of it is the same, wherever it begins.
        part = Window(11, 3, 20, 30)
        own, own_unreadable = canvas.overview(16, part=part)
        np.testing.assert_array_equal(own, view[part.slices])
        np.testing.assert_array_equal(own_unreadable, unreadable[part.slices])


@pytest.mark.parametrize(("power", "warned"), [(40, False), (20, True)])
def test_a_contradicting_objective_is_logged_and_not_followed(tmp_path, caplog, power, warned):
    path = write_aperio(tmp_path / "slide.svs", IMAGE[:300, :300], mpp=0.25, power=power)
    with caplog.at_level(logging.WARNING), open_slide(path) as slide:
        claim = level0_claim(slide)
    assert (claim.rows, claim.source) == (0.25, "vendor")
    expected = f"{path}: mpp 0.25 (vendor) and objective power 20 do not fit each other; mpp is"
    assert (expected in caplog.text) is warned

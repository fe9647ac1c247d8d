"""Resampling: exact averages, and the same pixels in every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.slide import resample
from nucwsi.slide.resample import area_average, edge_taps, scale_taps

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def resampled(image, rows, columns, scale, offset=(0.0, 0.0)):
    """Resample windows of target rows and columns; the source repeats its edges."""
    taps = [
        scale_taps(start, stop, s, o)
        for (start, stop), s, o in zip((rows, columns), scale, offset, strict=True)
    ]
    height, width = image.shape[:2]
    source = [
        np.arange(t.first, t.stop).clip(0, side - 1)
        for t, side in zip(taps, (height, width), strict=True)
    ]
    return area_average(image[np.ix_(*source)], *taps)


@settings(max_examples=60, deadline=None)
@given(st.integers(-9, 9), st.integers(1, 20), st.floats(0.2, 6), st.floats(-5, 5))
def test_weights_of_every_target_pixel_add_up_to_one(start, size, scale, offset):
    taps = scale_taps(start, start + size, scale, offset)
    assert taps.source.shape == taps.weight.shape
    assert taps.weight.shape[1] == size
    np.testing.assert_allclose(taps.weight.sum(axis=0), 1, atol=1e-5)
    assert (taps.weight >= 0).all()
    used = taps.source[taps.weight > 0]
    assert 0 <= used.min() <= used.max() < taps.stop - taps.first


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(1, 9), st.sampled_from([0.4, 0.77, 1.0, 1.7, 3.0]))
def test_a_pixel_does_not_depend_on_its_window(start, size, scale):
    whole = resampled(IMAGE, (0, 20), (0, 20), (scale, scale), (0.3, 1.7))
    part = resampled(
        IMAGE, (start, start + size), (start, start + size), (scale, scale), (0.3, 1.7)
    )
    np.testing.assert_array_equal(part, whole[start : start + size, start : start + size])


@pytest.mark.parametrize("scale", [0.4, 1.3, 2.5])
def test_strips_of_any_size_give_the_same_pixels(monkeypatch, scale):
    whole = resampled(IMAGE, (3, 30), (2, 40), (scale, scale), (0.3, 1.7))
    for size in (1, 2_000, 20_000):
        monkeypatch.setattr(resample, "_STRIP_BYTES", size)
        again = resampled(IMAGE, (3, 30), (2, 40), (scale, scale), (0.3, 1.7))
        np.testing.assert_array_equal(again, whole)


def test_twice_as_large_pixels_are_the_mean_of_four():
    blocks = IMAGE.reshape(45, 2, 60, 2, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(
        resampled(IMAGE, (0, 45), (0, 60), (2.0, 2.0)), np.rint(blocks).astype(np.uint8)
    )


def test_the_same_scale_without_an_offset_changes_nothing():
    np.testing.assert_array_equal(resampled(IMAGE, (0, 90), (0, 120), (1.0, 1.0)), IMAGE)


def test_rows_and_columns_have_a_scale_of_their_own():
    rows_alone = resampled(IMAGE, (0, 30), (0, 120), (3.0, 1.0))
    expected = np.rint(IMAGE.reshape(30, 3, 120, 3).mean(axis=1)).astype(np.uint8)
    np.testing.assert_array_equal(rows_alone, expected)


def test_smaller_pixels_lie_on_the_line_between_their_neighbours():
    """Two source pixels of 0 and 200; targets of half a pixel have their centres at 1/4, 3/4 …"""
    taps = scale_taps(0, 4, 0.5, 0.0)
    values = np.array([0, 0, 200, 200])  # source pixels -1 to 2, edges repeated
    assert (taps.first, taps.stop) == (-1, 3)
    assert (values[taps.source] * taps.weight).sum(axis=0).tolist() == [0, 50, 150, 200]


def test_between_edges_a_target_is_the_average_of_what_it_covers():
    taps = edge_taps(np.array([0.5, 2.0, 2.25]))
    values = np.array([10.0, 20.0, 40.0, 0.0, 0.0])
    assert taps.first == 0
    found = (values[taps.source] * taps.weight).sum(axis=0)
    # Half of 10 and all of 20 over 1.5 pixels; a quarter of a pixel of 40.
    np.testing.assert_allclose(found, [(0.5 * 10 + 20) / 1.5, 40], rtol=1e-6)

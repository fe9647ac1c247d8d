"""Textures wrap around; a field has the same values whatever window asks for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.grid import Window
from nucwsi.phantom.textures import interpolate, look_up, spread, texture

TEXTURE = texture(1, 2, (2.0, 6.0))


def test_a_texture_follows_from_its_seed_and_stream():
    assert TEXTURE.mean() == pytest.approx(0, abs=1e-6)
    assert TEXTURE.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(TEXTURE, texture(1, 2, (2.0, 6.0)))
    for other in (texture(2, 2, (2.0, 6.0)), texture(1, 3, (2.0, 6.0))):
        assert abs(np.corrcoef(TEXTURE.ravel(), other.ravel())[0, 1]) < 0.1


def test_a_texture_has_no_seam_where_it_wraps_around():
    for axis in (0, 1):
        steps = np.abs(np.diff(TEXTURE, axis=axis, append=TEXTURE.take([0], axis)))
        assert steps.take(-1, axis).mean() < 1.5 * steps.mean()


@given(st.integers(0, 511), st.integers(0, 511), st.integers(-2, 2))
def test_a_texture_repeats_every_512_texels(row, column, turns):
    value = TEXTURE[row, column]
    assert look_up(TEXTURE, row + 512.0 * turns, column) == value
    assert interpolate(TEXTURE, row + 512.0 * turns, column - 512.0 * turns) == value


def test_between_texels_values_are_interpolated():
    corners = TEXTURE[511, 0], TEXTURE[0, 0], TEXTURE[511, 1], TEXTURE[0, 1]
    assert interpolate(TEXTURE, 511.5, 0.0) == pytest.approx((corners[0] + corners[1]) / 2)
    assert interpolate(TEXTURE, 511.5, 0.5) == pytest.approx(np.mean(corners))


@given(
    row=st.integers(0, 40),
    column=st.integers(0, 40),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    step=st.sampled_from([1, 4, 8]),
)
def test_windows_agree_to_the_bit(row, column, height, width, step):
    def field(rows, columns):
        return np.sin(rows / 7) * np.cos(columns / 5)

    whole = spread(field, Window(0, 0, 60, 60), step)
    window = Window(row, column, height, width)
    np.testing.assert_array_equal(spread(field, window, step), whole[window.slices])


def test_a_field_that_is_a_plane_is_spread_exactly():
    seen = spread(lambda rows, columns: 2 * rows - columns, Window(3, 5, 9, 11), 4)
    rows, columns = np.mgrid[3:12, 5:16] + 0.5
    np.testing.assert_allclose(seen, 2 * rows - columns, atol=1e-5)

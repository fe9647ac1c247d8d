"""Windows, cores and frames: every pixel has one core, and level 0 leads back to the canvas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.errors import ConfigError
from nucwsi.grid import Frame, TileGrid, Window

SIDES = st.integers(1, 200)


@st.composite
def windows(draw):
    row, column = draw(st.integers(-50, 50)), draw(st.integers(-50, 50))
    return Window(row, column, draw(st.integers(1, 60)), draw(st.integers(1, 60)))


@given(SIDES, SIDES, st.integers(1, 70))
def test_every_pixel_lies_in_exactly_one_core(height, width, core_px):
    grid = TileGrid((height, width), core_px)
    owners = np.zeros((height, width), int)
    for position in grid.positions():
        owners[grid.core(*position).slices] += 1
    assert (owners == 1).all()


@given(SIDES, SIDES, st.integers(1, 70), st.integers(1, 9))
def test_bands_hold_every_row_of_cores_once(height, width, core_px, parts):
    grid = TileGrid((height, width), core_px)
    rows = [row for part in range(1, parts + 1) for row in grid.band(part, parts)]
    assert rows == list(range(grid.n_rows))


def test_a_band_of_more_parts_than_rows_is_empty():
    assert sum(len(TileGrid((10, 10), 10).band(part, 3)) for part in (1, 2, 3)) == 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3072))
def test_strips_visit_every_core_once(n_rows, n_columns, core_px):
    grid = TileGrid((n_rows * core_px, n_columns * core_px), core_px)
    visited = list(grid.strips(range(grid.n_rows)))
    assert sorted(visited) == list(grid.positions())


@given(windows(), st.integers(1, 20), st.integers(1, 20))
def test_a_cut_window_holds_each_of_its_pixels_once(window, height, width):
    pieces = list(window.cut(height, width))
    seen = np.zeros(window.shape, int)
    for piece in pieces:
        seen[piece.within(window).slices] += 1
        assert piece.row // height == (piece.row_stop - 1) // height
        assert piece.column // width == (piece.column_stop - 1) // width
    assert (seen == 1).all()


@given(windows(), windows())
def test_an_intersection_holds_the_pixels_of_both(one, other):
    def pixels(window):
        return {
            (row, column)
            for row in range(window.row, window.row_stop)
            for column in range(window.column, window.column_stop)
        }

    shared = one.intersection(other)
    assert (pixels(shared) if shared else set()) == pixels(one) & pixels(other)


def test_a_grown_window_keeps_its_middle():
    assert Window(3, 4, 5, 6).grown(2) == Window(1, 2, 9, 10)


@pytest.mark.parametrize(("height", "width"), [(0, 4), (4, 0), (-1, 4)])
def test_a_window_without_a_pixel_is_refused(height, width):
    with pytest.raises(ValueError, match=f"got {height} x {width}"):
        Window(0, 0, height, width)


def test_a_grid_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match=r"canvas of \(0, 5\) px has no cores of 64 px"):
        TileGrid((0, 5), 64)


@pytest.mark.parametrize("position", [(-1, 0), (0, -1), (2, 0), (0, 3)])
def test_a_position_outside_the_grid_is_refused(position):
    with pytest.raises(IndexError, match="of a 2 x 3 grid"):
        TileGrid((128, 150), 64).core(*position)


@pytest.mark.parametrize("part", [0, 4])
def test_a_part_that_does_not_exist_is_refused(part):
    with pytest.raises(ConfigError, match=f"part {part} of 3: expected a part from 1 to 3"):
        TileGrid((128, 150), 64).band(part, 3)


def test_rows_and_columns_of_pixels_that_are_not_square_have_scales_of_their_own():
    frame = Frame((100, 200), 0.5, (0.25, 0.125), (8.0, 16.0), (208, 816))
    assert frame.scale == (2.0, 4.0)
    assert frame.level0_pixel_um2 == 0.25 * 0.125
    assert frame.to_level0(np.array([[1.0, 1.0]])).tolist() == [[10.0, 20.0]]


@given(st.floats(0.05, 5), st.floats(0.05, 5), st.floats(0.05, 5))
def test_level0_leads_back_to_the_canvas(mpp, down, across):
    frame = Frame((100, 200), mpp, (down, across), (8.0, 16.5), (1000, 1000))
    points = np.array([[0.0, 0.0], [0.5, 99.25], [100.0, 200.0]])
    np.testing.assert_allclose(frame.from_level0(frame.to_level0(points)), points, atol=1e-9)

"""Windows cover the tissue of every core once, and cores share one where that saves work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nucwsi.grid import TileGrid, Window
from nucwsi.slide.windows import Asked, WindowPlan, batches, size_step_px

CELL = 2


def planned(tissue, core_px, side, halo_px=8, step_px=4):
    grid = TileGrid((tissue.shape[0] * CELL, tissue.shape[1] * CELL), core_px)
    plan = WindowPlan(grid, tissue, CELL, step_px, halo_px)
    return grid, list(plan.windows(grid.positions(), (side, side)))


def work(windows, halo_px=8):
    return sum((at.window.height + halo_px) * (at.window.width + halo_px) for at in windows)


@given(
    arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    st.sampled_from([8, 16]),
    st.integers(1, 3),
)
def test_every_core_with_tissue_is_asked_once_and_all_of_its_tissue_lies_in_its_window(
    tissue, core_px, side
):
    grid, windows = planned(tissue, core_px, side)
    asked = [position for window in windows for position in window.positions]
    holds = {at: tissue[grid.core(*at).cells(CELL).slices].any() for at in grid.positions()}
    assert sorted(asked) == sorted(at for at, some in holds.items() if some)
    for window in windows:
        assert max(window.window.shape) <= side * core_px
        edges = (window.window.row, window.window.column, *window.window.shape)
        assert not any(edge % 4 for edge in edges)
        for position in window.positions:
            rows, columns = np.nonzero(tissue[grid.core(*position).cells(CELL).slices])
            core = grid.core(*position)
            cells = window.window.cells(CELL)
            assert cells.row <= core.row // CELL + rows.min()
            assert core.row // CELL + rows.max() < cells.row_stop
            assert cells.column <= core.column // CELL + columns.min()
            assert core.column // CELL + columns.max() < cells.column_stop


@given(arrays(bool, (16, 16)), st.integers(2, 4))
def test_asking_together_is_never_more_work_than_asking_alone(tissue, side):
    alone, together = (planned(tissue, 8, n)[1] for n in (1, side))
    assert work(together) <= work(alone)


def test_full_cores_share_one_window():
    _, windows = planned(np.ones((16, 16), bool), 8, 2)
    assert [window.positions for window in windows][:1] == [((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len(windows) == 4


def test_tissue_in_two_far_corners_is_asked_for_apart():
    tissue = np.zeros((16, 16), bool)
    tissue[0, 0] = tissue[-1, -1] = True
    _, windows = planned(tissue, 16, 2, halo_px=2)
    assert [window.positions for window in windows] == [((0, 0),), ((1, 1),)]


@pytest.mark.parametrize("side", [1, 2])
def test_without_tissue_nothing_is_asked(side):
    assert planned(np.zeros((4, 4), bool), 8, side)[1] == []


@pytest.mark.parametrize(
    ("core_px", "unit_px", "step_px"),
    [(512, 16, 128), (512, 256, 256), (48, 16, 16), (208, 16, 208), (96, 96, 96), (528, 16, 176)],
)
def test_windows_have_at_most_four_sizes_a_core_along_an_axis(core_px, unit_px, step_px):
    assert size_step_px(core_px, unit_px) == step_px


sides = st.sampled_from([4, 8, 12, 40])


@given(st.lists(st.tuples(sides, sides)), st.integers(0, 5000))
def test_batches_hold_every_window_once_with_others_of_its_size_the_largest_first(shapes, most_px):
    halo_px = 3
    windows = [Asked(((n, 0),), Window(0, 0, *shape)) for n, shape in enumerate(shapes)]
    made = list(batches(windows, halo_px, most_px))
    assert sorted(at.positions for batch in made for at in batch) == [w.positions for w in windows]
    areas = []
    for batch in made:
        (shape,) = {at.window.shape for at in batch}
        areas.append(shape[0] * shape[1])
        pixels = (shape[0] + 2 * halo_px) * (shape[1] + 2 * halo_px)
        assert len(batch) == 1 or len(batch) * pixels <= most_px
        assert [at.positions for at in batch] == sorted(at.positions for at in batch)
    assert areas == sorted(areas, reverse=True)
    counted = {shape: shapes.count(shape) for shape in shapes}
    for shape, count in counted.items():
        fit = max(1, most_px // ((shape[0] + 2 * halo_px) * (shape[1] + 2 * halo_px)))
        assert sum(batch[0].window.shape == shape for batch in made) == -(-count // fit)

"""The Hilbert curve: every cell once, neighbours next to each other."""

import numpy as np

from nucwsi.nuclei.hilbert import hilbert_key


def test_the_curve_visits_every_cell_once_and_walks_to_a_neighbour():
    side = 16
    row, column = (axis.ravel() for axis in np.indices((side, side)))
    key = hilbert_key(row + 0.5, column + 0.5, side)
    cell = key // (4**16 // side**2)
    order = np.argsort(cell)
    assert (cell[order] == np.arange(side**2)).all()
    steps = np.abs(np.diff(row[order])) + np.abs(np.diff(column[order]))
    assert (steps == 1).all()


def test_the_curve_starts_in_the_upper_left_and_ends_in_the_upper_right():
    keys = hilbert_key(np.array([0.0, 0.0]), np.array([0.0, 99.999]), 100)
    assert keys.tolist() == [0, 4**16 - 1]


def test_points_on_the_far_edge_stay_on_the_curve():
    assert 0 <= hilbert_key(np.array([100.0]), np.array([100.0]), 100)[0] < 4**16

"""Frames tile the slide, and any that holds tissue can be drawn."""

import numpy as np
import shapely

from nucwsi.review.frames import FrameGrid, frame_sizes


def test_every_point_lies_in_the_square_that_is_said_to_hold_it():
    grid = FrameGrid.over((100.0, 50.0, 305.0, 150.0), (20.0, 10.0))
    points = np.random.default_rng(0).uniform((100, 50), (305, 150), (500, 2))
    xmin, ymin, xmax, ymax = grid.boxes(grid.square_of(points)).T
    x, y = points.T
    assert ((xmin <= x) & (x < xmax) & (ymin <= y) & (y < ymax)).all()
    every = grid.boxes(np.arange(grid.n_rows * grid.n_columns))
    assert np.prod(every[:, 2:] - every[:, :2], axis=1).sum() == 220 * 100


def test_tissue_without_nuclei_can_be_drawn_and_glass_cannot():
    grid = FrameGrid.over((0.0, 0.0, 100.0, 100.0), (10.0, 10.0))
    nuclei = grid.square_of(np.array([[5.0, 5.0], [6.0, 6.0], [95.0, 95.0]]))
    squares = grid.inhabited(shapely.box(1, 1, 29, 9), nuclei)
    assert squares.tolist() == [0, 1, 2, 99]
    size = frame_sizes(squares, nuclei)
    assert (size > 0).all()
    assert size.argmax() == 0
    assert size[1] == size[2] < size[3]


def test_a_slide_without_nuclei_or_area_is_no_failure():
    grid = FrameGrid.over((0.0, 0.0, 0.0, 0.0), (10.0, 10.0))
    none = grid.square_of(np.empty((0, 2)))
    assert len(frame_sizes(grid.inhabited(shapely.Polygon(), none), none)) == 0

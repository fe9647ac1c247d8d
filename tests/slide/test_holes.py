"""A tile without data is lost in tissue, and glass in glass."""

import numpy as np
import pytest

from nucwsi.slide.holes import holes_in_tissue

#: A disc of tissue, radius 40 pixels, in a picture of 120 x 160; tiles have 8 pixels.
TISSUE = np.hypot(*(np.mgrid[:120, :160] - np.array([60, 80])[:, None, None])) < 40


def without(tissue, holes):
    shown = tissue.copy()
    for row, column, height, width in holes:
        shown[row : row + height, column : column + width] = False
    return shown


def judged(*corners, shown=True):
    holes = np.array([(row, column, 8, 8) for row, column in corners]).reshape(-1, 4)
    return holes_in_tissue(without(TISSUE, holes) if shown else TISSUE, holes).tolist()


def test_a_hole_is_judged_by_what_lies_around_it():
    assert judged((56, 80), (8, 8)) == [True, False]
    assert judged((56, 80), (56, 88), (64, 80), (64, 88)) == [True] * 4


def test_a_hole_at_the_edge_of_the_slide_may_be_lost():
    cut = TISSUE[60:, 80:]
    hole = np.array([[0, 0, 8, 8]])
    assert holes_in_tissue(without(cut, hole), hole).tolist() == [True]


def test_a_large_block_within_tissue_is_lost_to_its_middle():
    block = [(row, column) for row in range(40, 80, 8) for column in range(64, 104, 8)]
    assert all(judged(*block))


def test_what_coarser_levels_show_within_a_hole_is_lost():
    assert judged((20, 80), shown=False) == [True]


def test_the_glass_that_a_scanner_leaves_out_is_no_loss():
    """All tiles without any tissue are left out, as scanners do, and nothing is lost."""
    corners = [
        (row, column)
        for row in range(0, 120, 8)
        for column in range(0, 160, 8)
        if not TISSUE[row : row + 8, column : column + 8].any()
    ]
    assert not any(judged(*corners))
    lumen = TISSUE & (np.hypot(*(np.mgrid[:120, :160] - np.array([60, 80])[:, None, None])) > 16)
    hole = np.array([[56, 76, 8, 8]])
    assert not holes_in_tissue(lumen, hole).any()


@pytest.mark.parametrize("holes", [np.empty((0, 4), np.int64), np.array([[-30, 500, 8, 8]])])
def test_nothing_is_lost_where_nothing_is(holes):
    assert not holes_in_tissue(TISSUE, holes).any()

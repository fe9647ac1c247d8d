"""Giants: the rule of their size, their blocks, and where they are in a window."""

import numpy as np
import pytest

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.giants import (
    BLOCK_MARGIN_PX,
    BLOCK_PX,
    GIANT_PX,
    block_window,
    blocks_of,
    giant_mask,
    is_giant,
)
from nucwsi.nuclei.instances import EDGE_RADIUS_PX


def test_the_rule_takes_numbers_and_columns_of_numbers():
    assert not is_giant(GIANT_PX, GIANT_PX)
    assert is_giant(GIANT_PX + 1, 1)
    assert is_giant(np.array([1, GIANT_PX]), np.array([GIANT_PX + 1, 1])).tolist() == [True, False]


def test_blocks_are_those_that_share_a_pixel_with_a_core():
    grid = TileGrid((3000, 3000), 300)
    # Core (3, 3) ends at 1200 and crosses the border of blocks at 1024 both ways.
    corners = [(block.row, block.column) for block in blocks_of(grid, [(3, 3), (0, 0)])]
    assert corners == [(0, 0), (0, 1024), (1024, 0), (1024, 1024)]
    assert {block.shape for block in blocks_of(grid, [(3, 3)])} == {(BLOCK_PX, BLOCK_PX)}


@pytest.mark.parametrize("core_px", [256, 512, 1024, 2048])
def test_blocks_of_all_cores_cover_the_canvas_once(core_px):
    grid = TileGrid((2600, 4400), core_px)
    seen = np.zeros(grid.shape, np.uint8)
    for block in blocks_of(grid, grid.positions()):
        seen[block.slices] += 1
    assert (seen == 1).all()


def test_a_block_is_read_with_its_margin_on_the_canvas():
    grid = TileGrid((3000, 2100), 512)
    margin = BLOCK_MARGIN_PX + EDGE_RADIUS_PX
    window = block_window(grid, Window(1024, 1024, BLOCK_PX, BLOCK_PX))
    assert (window.row, window.row_stop) == (1024 - margin, 2048 + margin)
    assert (window.column, window.column_stop) == (1024 - margin, 2100)


def test_a_mask_of_giants_holds_their_pieces_only():
    mask = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 1],
            [1, 0, 1, 1, 0, 1],
            [1, 0, 0, 1, 0, 1],
        ],
        bool,
    )
    grid = TileGrid((4, 6), 3)
    cores = {at: mask[grid.core(*at).slices] for at in grid.positions()}
    # The giant is the first piece of the upper cores, and the second of the lower right one.
    pieces = {(0, 0): [1], (0, 1): [1], (1, 1): [2]}
    window = Window(0, 1, 4, 5)
    giant = giant_mask(grid, pieces, lambda row, column: cores[row, column], window)
    assert giant.astype(int).tolist() == [
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1],
    ]

"""Ownership: every component of a mask is dealt exactly once, whatever the size of the cores."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei import giants, ownership
from nucwsi.nuclei.giants import GIANT_PX
from nucwsi.nuclei.ownership import (
    GAP_PX,
    MARGINS_PX,
    Ownership,
    find_far_components,
    owner,
    reach,
)
from nucwsi.nuclei.pixels import connected

LEVEL = 128


class ArrayMaps:
    """An `np` map in memory, read as the maps of a slide are; notes which cores are read alone."""

    def __init__(self, mask, core_px):
        self.np_map = np.where(mask, 255, LEVEL - 1).astype(np.uint8)
        self.grid = TileGrid(mask.shape, core_px)
        self.cores_read = []

    def has_tissue(self, row, column):
        return bool((self.np_map[self.grid.core(row, column).slices] >= LEVEL).any())

    def core(self, name, row, column):
        self.cores_read.append((row, column))
        return self.read(name, self.grid.core(row, column))

    def read(self, name, window):
        assert name == "np"
        assert window == window.intersection(self.grid.canvas), "read beyond the canvas"
        return self.np_map[window.slices]


def pixels_on_canvas(share):
    """List for each component of a share its pixels: a tuple of (row, column)."""
    row, column = np.divmod(share.components.place, share.window.width)
    at = np.column_stack([row + share.window.row, column + share.window.column])
    numbers = range(1, share.n_components + 1)
    return [tuple(map(tuple, at[share.components.label == k].tolist())) for k in numbers]


def components_of(mask):
    """List the components of a whole mask: for each its pixels, a tuple of (row, column)."""
    pixels, count = connected(mask)
    at = np.column_stack(np.divmod(pixels.place, mask.shape[1]))
    return [tuple(map(tuple, at[pixels.label == k].tolist())) for k in range(1, count + 1)]


def dealt_to(maps):
    """Ask every core; return grid position -> components, and the ownership."""
    asked = Ownership(maps, LEVEL)
    given = {
        position: [c for share in asked.of_core(position) for c in pixels_on_canvas(share)]
        for position in maps.grid.positions()
    }
    return given, asked


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(3, 40), st.integers(3, 40)),
    st.integers(2, 17),
    st.floats(0.3, 0.7),
    st.integers(0, 10**6),
)
@example((40, 40), 5, 0.62, 0)
def test_every_component_has_one_owner_for_every_core_size(shape, core_px, share, seed):
    mask = np.random.default_rng(seed).random(shape) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownership, "MARGINS_PX", (1, 4))
        given, asked = dealt_to(ArrayMaps(mask, core_px))
    dealt = [component for components in given.values() for component in components]
    assert sorted(dealt) == components_of(mask)
    for (row, column), components in given.items():
        for pixels in components:
            assert (pixels[0][0] // core_px, pixels[0][1] // core_px) == (row, column)
    assert asked.blocks(range(asked._maps.grid.n_rows)) == []


def test_the_owner_holds_the_first_pixel_not_most_pixels():
    """The picture of the module's docstring."""
    mask = np.zeros((3, 12), bool)
    mask[1:, 6] = mask[2, 3:7] = True
    given, _ = dealt_to(ArrayMaps(mask, 6))
    assert {position: len(components) for position, components in given.items()} == {
        (0, 0): 0,
        (0, 1): 1,
    }


def test_a_component_that_crosses_cores_is_handed_over_whole():
    mask = np.zeros((96, 96), bool)
    mask[30:35, 28:70] = True  # across three columns of cores, and from row 0 into row 1
    given, _ = dealt_to(ArrayMaps(mask, 32))
    assert given[0, 0] == components_of(mask)
    assert sum(map(len, given.values())) == 1


def bar(length_px, core_px=64):
    """A bar from the last pixel of core (0, 0) to the right, and a dot in core (0, 0)."""
    mask = np.zeros((core_px, core_px + length_px + 40), bool)
    mask[10:14, core_px - 1 : core_px - 1 + length_px] = True
    mask[30:33, 5:8] = True
    return ArrayMaps(mask, core_px)


@pytest.mark.parametrize("beyond_px", [0, 1])
def test_the_canvas_is_searched_only_for_what_leaves_all_margins(beyond_px):
    # All but `GAP_PX` of the margin may be used.
    maps = bar(1 + MARGINS_PX[-1] - GAP_PX + beyond_px)
    shares = list(Ownership(maps, LEVEL).of_core((0, 0)))
    assert bool(maps.cores_read) == bool(beyond_px)
    assert [share.n_components for share in shares] == ([1, 1] if beyond_px else [2])
    assert {c for share in shares for c in pixels_on_canvas(share)} == set(
        components_of(maps.np_map >= LEVEL)
    )


def test_a_component_beyond_all_margins_gets_a_window_of_its_own():
    maps = bar(MARGINS_PX[-1] + 20)
    *_, share = Ownership(maps, LEVEL).of_core((0, 0))
    box = Window(10, 63, 4, MARGINS_PX[-1] + 20)
    assert share.window == box.grown(GAP_PX)
    assert share.block is None
    assert pixels_on_canvas(share)[0][0] == (10, 63)


def test_a_component_alone_is_told_from_others_in_its_window():
    maps = bar(MARGINS_PX[-1] + 20)
    maps.np_map[9, 100] = 0
    maps.np_map[8, 90:95] = 255  # within the window, not touching, and above the bar's first pixel
    *_, share = Ownership(maps, LEVEL).of_core((0, 0))
    (pixels,) = pixels_on_canvas(share)
    assert len(pixels) == 4 * (MARGINS_PX[-1] + 20)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("core_px", [512, 2048])
@pytest.mark.parametrize("more_px", [0, 1])
def test_a_component_of_exactly_giant_px_is_no_giant(more_px, core_px, turned):
    """In the search of the canvas (small cores) as in the window of a core (large ones)."""
    mask = np.zeros((6, GIANT_PX + 300), bool)
    mask[3, 20 : 20 + GIANT_PX + more_px] = True  # ends in the margin of a core of 2048 px
    maps = ArrayMaps(mask.T if turned else mask, core_px)
    given, asked = dealt_to(maps)
    blocks = asked.blocks(range(maps.grid.n_rows))
    assert sum(map(len, given.values())) == 1 - more_px
    assert len(blocks) == (3 if more_px else 0)  # of 1024 px each


@pytest.fixture
def small_giants(monkeypatch):
    """Giants are wider than 20 px, and blocks 16 px wide."""
    monkeypatch.setattr(ownership, "MARGINS_PX", (2, 4))
    monkeypatch.setattr(giants, "GIANT_PX", 20)
    monkeypatch.setattr(giants, "BLOCK_PX", 16)
    monkeypatch.setattr(giants, "BLOCK_MARGIN_PX", 3)


def giant_and_dots():
    """A cross of 2 px wide bars over 60 x 50 px, and two dots beside it."""
    mask = np.zeros((60, 50), bool)
    mask[30:32, 4:46] = mask[5:55, 24:26] = True
    dots = np.zeros_like(mask)
    dots[10:12, 10:12] = dots[27:29, 28:30] = True
    return mask, dots


@pytest.mark.usefixtures("small_giants")
@pytest.mark.parametrize("core_px", [7, 16, 20])
def test_blocks_show_giants_alone_and_cores_all_but_giants(core_px):
    giant, dots = giant_and_dots()
    maps = ArrayMaps(giant | dots, core_px)
    given, asked = dealt_to(maps)
    assert sorted(c for components in given.values() for c in components) == components_of(dots)

    seen = np.zeros_like(giant, int)
    blocks = asked.blocks(range(maps.grid.n_rows))
    for block in blocks:
        # Cores of a giant may have blocks that it does not reach.
        for share in asked.of_block(block):
            assert (share.np_map == maps.np_map[share.window.slices]).all()
            image = share.components.image() > 0
            np.testing.assert_array_equal(image, giant[share.window.slices])
            inner = block.intersection(maps.grid.canvas)
            assert share.block == block.within(share.window)
            seen[inner.slices] += image[inner.within(share.window).slices]
    np.testing.assert_array_equal(seen, giant)  # every pixel of the giant in one block


@pytest.mark.usefixtures("small_giants")
@pytest.mark.parametrize("core_px", [7, 16, 20])
def test_bands_of_rows_divide_the_blocks_among_them(core_px):
    giant, dots = giant_and_dots()
    grid = TileGrid(giant.shape, core_px)
    maps = ArrayMaps(giant | dots, core_px)
    _, asked = dealt_to(maps)
    bands = [Ownership(maps, LEVEL).blocks(grid.band(part, 3)) for part in (1, 2, 3)]
    assert sorted((b.row, b.column) for band in bands for b in band) == sorted(
        (b.row, b.column) for b in asked.blocks(range(grid.n_rows))
    )


def test_a_block_that_no_giant_reaches_gives_nothing():
    maps = ArrayMaps(np.zeros((40, 40), bool), 16)
    assert list(Ownership(maps, LEVEL).of_block(Window(0, 0, 16, 16))) == []


def test_blank_cores_are_not_read():
    maps = bar(MARGINS_PX[-1] + 10)  # ends in core (0, 3) of 5
    maps = ArrayMaps(np.pad(maps.np_map >= LEVEL, ((0, 0), (0, 64))), 64)
    far = find_far_components(maps, LEVEL)
    assert set(far.large) == {(0, 0)}
    assert not far.giant
    assert maps.cores_read == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert maps.grid.n_columns == 5


def test_cores_that_could_hold_a_giant_are_refused():
    with pytest.raises(ValueError, match=r"cores of 2049 px could hold a giant .* at most 2048 px"):
        Ownership(ArrayMaps(np.zeros((9, 9), bool), GIANT_PX + 1), LEVEL)


def test_a_core_is_read_with_its_margin_below_left_and_right():
    grid = TileGrid((300, 300), 64)
    assert owner(grid, 63, 64) == (0, 1)
    assert reach(grid, (1, 1), 32) == Window(64 - GAP_PX, 32, GAP_PX + 64 + 32, 128)
    assert reach(grid, (0, 0), 32) == Window(0, 0, 96, 96), "cut at the edge of the canvas"

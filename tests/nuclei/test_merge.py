from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nucwsi.grid import TileGrid, Window
from nucwsi.nuclei.cases import Instance, LabelledTile, link
from nucwsi.nuclei.merge import Resegment, merge

HALO, CORE, SIDE = 16, 48, 144
CANVAS = Window(0, 0, SIDE, SIDE)


def disc(
    labels: np.ndarray, label: int, row: float, column: float, tall: float, wide: float
) -> None:
    r, c = np.ogrid[: labels.shape[0], : labels.shape[1]]
    inside = ((r - row) / tall) ** 2 + ((c - column) / wide) ** 2 <= 1
    labels[inside & (labels == 0)] = label


def scene(*discs: tuple[float, float, float, float]) -> np.ndarray:
    truth = np.zeros((SIDE, SIDE), np.int32)
    for label, shape in enumerate(discs, start=1):
        disc(truth, label, *shape)
    return truth


def numbered(labels: np.ndarray) -> np.ndarray:
    # As a segmenter of one window would: its own numbers, and its own idea of one instance.
    out, count = np.zeros_like(labels), 0
    for label in np.unique(labels[labels > 0]):
        parts, n = ndimage.label(labels == label)
        out[parts > 0] = parts[parts > 0] + count
        count += n
    return out


def cut(truth: np.ndarray, window: Window, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    return numbered(np.roll(truth, shift, (0, 1))[window.slices])


def tiles_of(truth: np.ndarray, jitter: int = 0, seed: int = 0) -> list[LabelledTile]:
    rng = np.random.default_rng(seed)
    grid = TileGrid(truth.shape, CORE)
    tiles = []
    for position in grid.positions():
        core = grid.core(*position)
        window = core.grown(HALO).intersection(grid.canvas) or core
        down, right = rng.integers(-jitter, jitter + 1, 2)
        tiles.append(LabelledTile(window, core, cut(truth, window, (int(down), int(right)))))
    return tiles


def never(window: Window) -> np.ndarray:
    raise AssertionError(f"{window} is segmented anew, though a tile sees every case whole")


def merge_all(tiles: list[LabelledTile], resegment: Resegment = never) -> list[Instance]:
    return merge(tiles, link(tiles), CANVAS, resegment)


def painted(merged: list[Instance]) -> np.ndarray:
    labels = np.zeros((SIDE, SIDE), np.int32)
    for label, instance in enumerate(merged, start=1):
        place = labels[instance.window.slices]
        assert (place[instance.mask] == 0).all(), "a pixel is owned twice"
        place[instance.mask] = label
    return labels


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


SEAMS = scene((48, 24, 6, 5), (20, 96, 4, 7), (96, 120, 5, 5), (0, 50, 4, 4), (143, 48, 6, 6))
CORNERS = scene((48, 48, 6, 6), (96, 48, 7, 3), (48, 96, 3, 7), (96, 96, 5, 5))
GIANTS = scene((48, 70, 6, 60), (100, 96, 40, 5), (120, 20, 20, 18))
CHAIN = scene(
    *((48, 8 + 9 * k, 5, 5) for k in range(15)), *((60 + 9 * k, 96, 5, 5) for k in range(7))
)


@pytest.mark.parametrize(
    "truth", [SEAMS, CORNERS, GIANTS, CHAIN], ids=["seam", "corner", "giant", "chain"]
)
def test_tiles_that_agree_give_the_truth(truth: np.ndarray) -> None:
    merged = merge_all(tiles_of(truth), lambda window: cut(truth, window))
    assert same_partition(painted(merged), truth)


def test_what_no_tile_sees_whole_is_segmented_anew() -> None:
    merged = merge_all(tiles_of(GIANTS), lambda window: cut(GIANTS, window))
    assert sum(instance.tile is None for instance in merged) == 2
    assert len(merged) == 3
    assert all(instance.tile for instance in merge_all(tiles_of(SEAMS)))


@pytest.mark.parametrize("turns", range(4))
def test_a_cut_instance_is_never_the_result(turns: int) -> None:
    # Only the tile in the middle saw the nucleus, and that only up to its border.
    truth = np.rot90(scene((72, 105, 4, 25)), turns).copy()
    tiles = [
        LabelledTile(t.window, t.core, t.labels * (t.core.row == t.core.column == CORE))
        for t in tiles_of(truth)
    ]
    merged = merge_all(tiles, lambda window: cut(truth, window))
    assert same_partition(painted(merged), truth)
    assert [instance.tile for instance in merged] == [None]


def test_what_is_settled_is_not_found_again() -> None:
    # Segmented anew, the small nucleus leans on the giant, and so belongs to its case as well.
    truth = scene((72, 72, 5, 60), (81, 72, 3, 5))
    leaning = scene((72, 72, 5, 60), (80, 72, 3, 5))
    leaning[(leaning == 0) & (truth == 2)] = 2
    leaning[77, 70:75] = 2
    merged = merge_all(tiles_of(truth), lambda window: cut(leaning, window))
    assert len(merged) == 2


def test_a_window_grows_until_nothing_in_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tiles saw fragments of a nucleus that reaches far beyond them.
    truth = scene((72, 72, 5, 70))
    fragments = truth.copy()
    fragments[:, :30] = 0
    fragments[:, 114:] = 0
    monkeypatch.setattr("nucwsi.nuclei.merge._MARGIN_PX", 1)
    merged = merge_all(tiles_of(fragments), lambda window: cut(truth, window))
    assert same_partition(painted(merged), truth)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(9)), st.sampled_from([SEAMS, GIANTS, CHAIN]))
def test_the_order_of_the_tiles_is_irrelevant(order: list[int], truth: np.ndarray) -> None:
    tiles = tiles_of(truth, jitter=1)
    once = merge_all(tiles, lambda window: cut(truth, window))
    again = merge_all([tiles[index] for index in order], lambda window: cut(truth, window))
    np.testing.assert_array_equal(painted(once), painted(again))
    assert [one.window for one in once] == [one.window for one in again]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 2))
def test_tiles_that_disagree_by_pixels_lose_and_double_nothing(seed: int, jitter: int) -> None:
    rng = np.random.default_rng(seed)
    truth = scene(
        *(
            (
                16 * r + 8 + rng.integers(-2, 3),
                16 * c + 8 + rng.integers(-2, 3),
                *rng.uniform(4.5, 6, 2),
            )
            for r in range(1, 8)
            for c in range(1, 8)
        )
    )
    merged = merge_all(tiles_of(truth, jitter, seed), lambda window: cut(truth, window))
    found = painted(merged)
    for label in np.unique(truth[truth > 0]):
        mask = truth == label
        parts, sizes = np.unique(found[mask], return_counts=True)
        halves = [
            size for part, size in zip(parts, sizes, strict=True) if part and 2 * size > mask.sum()
        ]
        assert len(halves) == 1, f"nucleus {label} is found {len(halves)} times"
    assert len(merged) == len(np.unique(truth)) - 1


def test_tiles_that_split_differently_are_not_mixed() -> None:
    # A row of nuclei that half of the tiles fuse in pairs: every pixel has one owner, none is lost.
    row = scene(*((48, 44 + 9 * k, 4.5, 4.5) for k in range(4)))
    fused = (row + 1) // 2
    tiles = [
        LabelledTile(
            t.window, t.core, cut(row if (t.core.row + t.core.column) % 96 else fused, t.window)
        )
        for t in tiles_of(row)
    ]
    found = painted(merge_all(tiles, lambda window: cut(row, window)))
    assert ((found > 0) == (row > 0)).all()
    assert len(np.unique(found)) - 1 in (2, 4)


def test_a_case_belongs_to_the_tile_that_owns_most_of_it() -> None:
    truth = scene((47, 30, 6, 6))
    tiles = tiles_of(truth)
    # Only the tile below claims two nuclei there; the tile above owns more of the place.
    below = next(t for t in tiles if (t.core.row, t.core.column) == (48, 0))
    halved = below.labels.copy()
    halved[:, 30:][halved[:, 30:] > 0] = 2
    tiles[tiles.index(below)] = LabelledTile(below.window, below.core, halved)
    assert len(merge_all(tiles)) == 1


def test_of_tiles_that_own_equally_much_the_first_is_the_judge() -> None:
    # Rows 44 to 51 of a square: four on either side of the border between two cores.
    truth = np.zeros((SIDE, SIDE), np.int32)
    truth[CORE - 4 : CORE + 4, 20:28] = 1
    tiles = [tile for tile in tiles_of(truth) if tile.core.column == 0]
    above, below = tiles[:2]
    halved = below.labels.copy()
    halved[:, 24:][halved[:, 24:] > 0] = 2
    tiles[1] = LabelledTile(below.window, below.core, halved)
    for order in (tiles, tiles[::-1]):
        (instance,) = merge_all(order)
        assert instance.tile is above


def test_nothing_gives_nothing() -> None:
    assert merge_all([]) == []
    assert merge_all(tiles_of(np.zeros((SIDE, SIDE), np.int32))) == []

"""Levels are believed for their size and their content."""

import numpy as np
import pytest
from slides_made import picture, shrunk

from nucwsi.slide.pyramid import (
    is_evenly_reduced,
    padded_reductions,
    richest_places,
    shows_same,
)

IMAGE = shrunk(picture(1600, 1600), 4)


def patches(image, side=48):
    return [
        image[row : row + side, column : column + side]
        for row in range(60, 340, 80)
        for column in range(120, 340, 60)
    ]


@pytest.mark.parametrize("full", [(2967, 2220), (16091, 17883), (1101, 1101), (7, 3)])
def test_every_way_of_rounding_a_level_is_even(full):
    for power in range(1, 14):
        factor = 2**power
        for shape in (
            tuple(max(1, side // factor) for side in full),
            tuple(-(-side // factor) for side in full),
            tuple(max(1, round(side / factor)) for side in full),
        ):
            assert is_evenly_reduced(shape, full)


@pytest.mark.parametrize("shape", [(512, 512), (742, 512), (700, 555), (742, 640)])
def test_a_level_that_is_cut_or_padded_is_not_even(shape):
    assert not is_evenly_reduced(shape, (2967, 2220))


def test_whole_tiles_at_the_edge_are_undone():
    assert padded_reductions((1024, 1024), (2967, 2220), (512, 512)) == [4]
    assert padded_reductions((512, 512), (1100, 1300), (256, 256)) == [4]
    assert padded_reductions((742, 555), (2967, 2220), (512, 512)) == []
    assert padded_reductions((512, 512), (2967, 2220), (512, 512)) == [
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
    ]


def test_one_picture_is_the_same_although_its_levels_are_made_in_other_ways():
    noisy = np.clip(IMAGE + np.random.default_rng(0).normal(0, 4, IMAGE.shape), 0, 255)
    assert shows_same(patches(IMAGE), patches(noisy.astype(np.uint8)))
    assert shows_same(patches(IMAGE), patches(np.roll(IMAGE, 1, axis=1)))
    brighter = np.clip(IMAGE.astype(int) + 12, 0, 255).astype(np.uint8)
    assert shows_same(patches(IMAGE), patches(brighter))


@pytest.mark.parametrize(
    "other",
    [
        shrunk(picture(1600, 1600, seed=3), 4),
        np.roll(IMAGE, 7, axis=0),
        np.roll(IMAGE, -5, axis=1),
        IMAGE.swapaxes(0, 1),
        np.full_like(IMAGE, 244),
        np.zeros_like(IMAGE),
        255 - IMAGE,
    ],
)
def test_another_picture_or_place_is_told(other):
    assert shows_same(patches(IMAGE), patches(np.ascontiguousarray(other))) is False


def test_two_blank_levels_contradict_nothing():
    white, grey = np.full((48, 48, 3), 250, np.uint8), np.full((48, 48, 3), 243, np.uint8)
    assert shows_same([white] * 4, [grey] * 4) is None
    assert shows_same([], []) is None


def test_the_places_with_contrast_come_first():
    view = np.full((200, 300, 3), 244, np.uint8)
    view[64:80, 200:216] = picture(1600, 1600)[600:616, 900:916]
    [(row, column)] = richest_places(view, 16, 1)
    assert (row, column) == (pytest.approx(72 / 200), pytest.approx(200 / 300, abs=0.04))
    assert richest_places(view[:5, :5], 16, 3) == [(0.5, 0.5)]

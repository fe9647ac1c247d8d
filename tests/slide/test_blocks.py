"""Blocks of an overview: every pixel once, the statistics of NumPy, the pieces of SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nucwsi.slide import blocks as module
from nucwsi.slide.blocks import (
    blocks,
    counted_median,
    counted_quantile,
    counts_of,
    sampled,
    without_small,
)

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(1, 1), (40, 7), (100, 333), (0, 5)])
def test_every_pixel_lies_in_one_block_with_what_is_around_it(monkeypatch, shape):
    monkeypatch.setattr(module, "SIDE_PX", 32)
    values = np.arange(shape[0] * shape[1]).reshape(shape)
    seen = np.zeros(shape, int)
    for block in blocks(shape):
        seen[block.own] += 1
        np.testing.assert_array_equal(values[block.around][block.within], values[block.own])
        for own, around, side in zip(block.own, block.around, shape, strict=True):
            assert around.start == max(0, own.start - module.REACH_PX)
            assert around.stop == min(side, own.stop + module.REACH_PX)
    assert (seen == 1).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.floats(0, 1))
def test_counts_give_the_median_and_the_quantiles_of_the_values(values, share):
    counts = counts_of(np.array(values))
    assert counted_median(counts) == np.median(values)
    assert counted_quantile(counts, share) == pytest.approx(np.quantile(values, share))


@pytest.mark.parametrize("density", [0.0, 0.05, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (70, 1), (60, 90)])
def test_small_pieces_are_those_that_labels_count(monkeypatch, density, shape):
    monkeypatch.setattr(module, "SIDE_PX", 16)
    mask = RNG.random(shape) < density
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    for least_px in (1, 2, 4.5, 12, 10_000):
        large = np.bincount(labels.ravel()) >= least_px
        large[0] = False
        np.testing.assert_array_equal(without_small(mask, least_px), large[labels])


def test_a_sample_is_spread_evenly_and_holds_all_of_a_small_mask(monkeypatch):
    view, mask = RNG.integers(0, 256, (30, 40, 3), np.uint8), RNG.random((30, 40)) < 0.5
    np.testing.assert_array_equal(sampled(view, mask), view[mask])
    monkeypatch.setattr(module, "SAMPLE", 100)
    np.testing.assert_array_equal(sampled(view, mask), view[mask][:: 1 + mask.sum() // 100])

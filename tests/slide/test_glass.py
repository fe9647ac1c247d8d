"""The colour of glass: the median of what is plain and brightest, counted block by block."""

import numpy as np
import pytest

from nucwsi.slide import blocks
from nucwsi.slide.glass import glass_colour, highest, is_plain, lowest

RNG = np.random.default_rng(11)


def overview(level, height=90, width=130):
    """Return tissue on noisy glass of a colour (3,), a part of it missing and therefore white."""
    noisy = np.array(level) + RNG.normal(0, 3, (height, width, 3))
    image = np.clip(np.rint(noisy), 0, 254).astype(np.uint8)
    image[30:60, 40:90] = RNG.integers(90, 200, (30, 50, 3))
    image[:9, :9] = 255
    return image


@pytest.mark.parametrize("side_px", [16, 64, 1000])
@pytest.mark.parametrize("level", [(244, 242, 243), (215, 212, 214), (225, 228, 219)])
def test_it_is_the_median_of_the_brighter_half_of_plain_pixels(monkeypatch, side_px, level):
    monkeypatch.setattr(blocks, "SIDE_PX", side_px)
    image = overview(level)
    plain = image[is_plain(image) & (image.min(axis=2) < 255)]
    sums = plain.sum(axis=1, dtype=np.int64)
    expected = np.median(plain[sums >= np.median(sums)], axis=0).astype(np.uint8)
    np.testing.assert_array_equal(glass_colour(image), expected)


@pytest.mark.parametrize("side_px", [16, 1000])
def test_tinted_glass_is_found_whatever_the_blocks(monkeypatch, side_px):
    image = overview((200, 190, 160))
    image[:30] = (201, 190, 161)
    monkeypatch.setattr(blocks, "SIDE_PX", side_px)
    assert glass_colour(image).tolist() == [201, 190, 161]


def test_without_glass_it_is_bright_and_grey():
    tissue = np.full((40, 50, 3), (180, 90, 140), np.uint8)
    assert glass_colour(tissue).tolist() == [244] * 3
    tissue[:10] = 255
    assert glass_colour(tissue).tolist() == [255] * 3


@pytest.mark.parametrize("shape", [(3,), (7, 3), (5, 6, 3), (0, 4, 3)])
def test_the_least_and_the_largest_colour_are_those_of_numpy(shape):
    colour = RNG.integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(lowest(colour), colour.min(axis=-1))
    np.testing.assert_array_equal(highest(colour), colour.max(axis=-1))

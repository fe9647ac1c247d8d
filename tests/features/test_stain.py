"""Stains: pixels painted with known densities give them back."""

import numpy as np
import pytest
from skimage.color import rgb_from_hed

from nucwsi.features.cells import Pixels
from nucwsi.features.stain import NAMES, separated, stain_features


def painted(haematoxylin, eosin):
    """The colour of glass stained with so much of both, as the scanner would round it."""
    density = haematoxylin * rgb_from_hed[0] + eosin * rgb_from_hed[1]
    return np.rint(255 * 10**-density).astype(np.uint8)


@pytest.mark.parametrize(
    ("haematoxylin", "eosin"), [(0.0, 0.0), (0.6, 0.1), (0.2, 0.5), (1.0, 0.3)]
)
def test_a_mixture_is_taken_apart(haematoxylin, eosin):
    found = separated(painted(haematoxylin, eosin))
    np.testing.assert_allclose(found, [haematoxylin, eosin, 0], atol=0.02)


def test_a_pixel_has_the_same_digits_alone_and_among_others():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
    together = separated(pixels)
    alone = np.stack([separated(one) for one in pixels.reshape(-1, 3)], axis=1)
    np.testing.assert_array_equal(together.reshape(3, -1), alone)


def a_nucleus():
    """Haematoxylin 1 in the core, 2 in the rim, 0.5 around; a gradient of eosin in the nucleus."""
    layer = np.full((1, 12, 12), 0.5, np.float32)
    nucleus, inner = (np.zeros((1, 12, 12), bool) for _ in range(2))
    nucleus[0, 2:10, 2:10] = inner[0, 3:9, 3:9] = True
    layer[nucleus], layer[inner] = 2, 1
    eosin = np.zeros((1, 12, 12), np.float32)
    eosin[nucleus] = np.arange(64) / 64
    return np.stack([layer, eosin, 0 * layer]), nucleus, inner


def test_core_rim_and_surroundings_are_told_apart():
    stains, nucleus, inner = a_nucleus()
    ring = Pixels.of(~nucleus)
    values = stain_features(stains, Pixels.of(nucleus), Pixels.of(inner), (ring, ring))
    found = dict(zip(NAMES, values[0].tolist(), strict=True))
    assert found["haematoxylin_mean"] == pytest.approx((36 + 2 * 28) / 64)
    assert found["haematoxylin_rim"] == pytest.approx(1)
    assert found["haematoxylin_around"] == pytest.approx(0.5)
    assert found["eosin_sd"] == pytest.approx(np.std(np.arange(64) / 64), rel=1e-5)
    assert [found[f"eosin_{q}"] for q in ("p10", "median", "p90")] == [6 / 64, 32 / 64, 57 / 64]


def test_where_there_is_nothing_around_nor_inside_the_nucleus_stands_in():
    stains, nucleus, _ = a_nucleus()
    nothing = Pixels.of(np.zeros_like(nucleus))
    values = stain_features(stains, Pixels.of(nucleus), nothing, (nothing, nothing))
    found = dict(zip(NAMES, values[0].tolist(), strict=True))
    assert found["haematoxylin_near"] == found["haematoxylin_mean"]
    assert found["haematoxylin_rim"] == 0
    assert np.isfinite(values).all()

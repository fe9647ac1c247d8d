"""Textures equal those of scikit-image's co-occurrence matrices."""

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from nucwsi.features import texture
from nucwsi.features.cells import Pixels
from nucwsi.features.texture import names, texture_features


def layers(n=3, side=24, seed=0):
    return np.random.default_rng(seed).uniform(0, 1.7, (n, side, side)).astype(np.float32)


@pytest.mark.parametrize("distance", [1, 2])
def test_they_are_those_of_scikit_image(distance):
    layer = layers()
    inside = np.ones(layer.shape, bool)
    found = texture_features(layer, Pixels.of(inside), (distance,))
    level = np.clip(layer / texture._STEP, 0, texture._LEVELS - 1).astype(np.uint8)
    for row, image in zip(found, level, strict=True):
        # Whole pixels, also along diagonals.
        steps = [(distance, 0), (distance * 2**0.5, np.pi / 4), (distance, np.pi / 2)]
        steps.append((distance * 2**0.5, 3 * np.pi / 4))
        counts = sum(
            graycomatrix(image, [d], [a], texture._LEVELS, symmetric=True)[:, :, 0, 0]
            for d, a in steps
        )
        shares = (counts / counts.sum())[:, :, None, None]
        wanted = ("contrast", "correlation", "ASM", "homogeneity", "entropy")
        expected = [graycoprops(shares, name)[0, 0] for name in wanted[:4]]
        expected.append(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
        np.testing.assert_allclose(row, expected, rtol=1e-4)


def test_pixels_outside_of_the_nucleus_change_nothing():
    layer, inside = layers(), np.zeros((3, 24, 24), bool)
    inside[:, 5:15, 4:20] = True
    other = np.where(inside, layer, layers(seed=1))
    one, two = (texture_features(some, Pixels.of(inside), (1, 2)) for some in (layer, other))
    np.testing.assert_array_equal(one, two)


def test_a_nucleus_at_the_border_of_its_cell_does_not_go_on_at_the_other():
    layer, inside = layers(1), np.zeros((1, 24, 24), bool)
    inside[0, 3, [0, 23]] = True
    found = dict(
        zip(names("x", (1.0,)), texture_features(layer, Pixels.of(inside), (1,))[0], strict=True)
    )
    assert found["x_entropy_1um"] == 0
    assert found["x_contrast_1um"] == 0


def test_a_flat_nucleus_is_as_alike_as_can_be():
    inside = np.ones((1, 16, 16), bool)
    found = texture_features(np.full((1, 16, 16), 0.5, np.float32), Pixels.of(inside), (1,))
    assert found[0].tolist() == [0, 1, 1, 1, 0]

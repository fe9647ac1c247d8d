"""What probabilities and counts are worth, on nuclei whose truth is drawn from them."""

import numpy as np
import pytest

from nucwsi.composition.calibration import (
    fit_temperature,
    reliability,
    temperature_scaled,
)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([rng.choice(3, p=p) for p in shares])
    loud = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    nucleus = np.arange(4000)
    assert fit_temperature(loud, nucleus, truth) == pytest.approx(2, rel=0.1)
    assert fit_temperature(loud[:0], nucleus[:0], truth[:0]) == 1
    calm = temperature_scaled(loud, nucleus, 4000, 2.0)
    np.testing.assert_allclose(calm, shares, atol=1e-9)
    assert reliability(calm, truth).error < 0.03 < reliability(loud, truth).error
    assert reliability(calm, truth).n_nuclei.sum() == 4000


def test_a_nucleus_is_the_mean_of_its_pixels():
    pixels = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    nuclei = temperature_scaled(pixels, np.array([0, 0, 1]), 2, 1.0)
    np.testing.assert_allclose(nuclei, [[0.75, 0.25], [0.2, 0.8]], atol=1e-9)
    # The odds 4 to 1 of the second nucleus become 16 to 1.
    sharper = temperature_scaled(pixels, np.array([0, 0, 1]), 2, 0.5)
    np.testing.assert_allclose(sharper[1], [1 / 17, 16 / 17])


def test_reliability_by_hand():
    """Three nuclei at 0.9, two of them right, and one at 0.6, wrong."""
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    diagram = reliability(shares, np.array([0, 0, 0, 0]), bins=2)
    assert diagram.n_nuclei.tolist() == [0, 4]
    by_ten = reliability(shares, np.array([0, 0, 0, 0]))
    assert by_ten.n_nuclei[[6, 9]].tolist() == [1, 3]
    np.testing.assert_allclose(by_ten.confidence[[6, 9]], [0.6, 0.9])
    np.testing.assert_allclose(by_ten.accuracy[[6, 9]], [0, 2 / 3])
    assert np.isnan(by_ten.accuracy[0])
    assert by_ten.error == pytest.approx((0.6 * 1 + (0.9 - 2 / 3) * 3) / 4)


def test_certainty_falls_into_the_last_bin_and_nothing_has_no_error():
    assert reliability(np.array([[1.0, 0.0]]), np.array([0])).n_nuclei.tolist() == [0] * 9 + [1]
    assert np.isnan(reliability(np.empty((0, 2)), np.empty(0, int)).error)

"""How far the class probabilities of nuclei, and the counts made of them, can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable

#: Temperatures that are tried. Below 1 the network was not confident enough, above 1 too confident.
_TEMPERATURES = np.geomspace(0.2, 4.0, 61)


class Reliability(NamedTuple):
    """A reliability diagram: how confident a network is, and how often it is right.

    Nuclei are sorted into B equal bins of confidence, the probability of their most probable class.

    Attributes
    ----------
    n_nuclei : (B,) ndarray of int64
        Nuclei of each bin.
    confidence : (B,) ndarray of float64
        Mean confidence, 0 to 1; NaN in an empty bin.
    accuracy : (B,) ndarray of float64
        Share of nuclei whose most probable class is the true one; NaN in an empty bin.
    """

    n_nuclei: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy over nuclei."""
        filled = self.n_nuclei > 0
        gap = np.abs(self.confidence - self.accuracy)[filled]
        return float(gap @ self.n_nuclei[filled] / self.n_nuclei.sum()) if filled.any() else np.nan


def temperature_scaled(
    pixels: NDArray[np.floating], nucleus: NDArray[np.integer], n_nuclei: int, temperature: float
) -> NDArray[np.float64]:
    """Return the class probabilities of nuclei with the logits of their pixels scaled.

    Parameters
    ----------
    pixels : (P, C) ndarray of float
        Class probabilities of pixels, 0 to 1.
    nucleus : (P,) ndarray of int
        Index of the nucleus that each pixel belongs to.
    n_nuclei : int
        Number of nuclei N; each has a pixel.
    temperature : float
        What the logits are divided by, above 0; 1 leaves the probabilities as they are.

    Returns
    -------
    (N, C) ndarray of float64
        Mean over the pixels of each nucleus; each row adds up to 1.
    """
    power = np.maximum(pixels.astype(np.float64), 1e-12) ** (1 / temperature)
    power /= power.sum(axis=1, keepdims=True)
    size = np.bincount(nucleus, minlength=n_nuclei)
    return np.column_stack([np.bincount(nucleus, column, n_nuclei) / size for column in power.T])


def fit_temperature(
    pixels: NDArray[np.floating], nucleus: NDArray[np.integer], truth: NDArray[np.integer]
) -> float:
    """Return the temperature under which the true classes of nuclei are most probable.

    Parameters
    ----------
    pixels : (P, C) ndarray of float
        Class probabilities of pixels, 0 to 1.
    nucleus : (P,) ndarray of int
        Index of the nucleus that each pixel belongs to.
    truth : (N,) ndarray of int
        Index of the true class of each nucleus.

    Returns
    -------
    float
        One of 61 values from 0.2 to 4; 1 where no nucleus is given.

    References
    ----------
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if not len(truth):
        return 1.0

    def _surprise(temperature: float) -> float:
        shares = temperature_scaled(pixels, nucleus, len(truth), temperature)
        return float(-np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-9)).mean())

    return float(min(_TEMPERATURES, key=_surprise))


def reliability(
    class_probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int = 10
) -> Reliability:
    """Compare how confident a network is with how often it is right.

    Parameters
    ----------
    class_probabilities : (N, C) ndarray of float
        Class probabilities of nuclei, 0 to 1.
    truth : (N,) ndarray of int
        Index of the true class of each nucleus.
    bins : int
        Number of bins B of confidence.

    Returns
    -------
    Reliability
        Of B bins.

    References
    ----------
    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    confidence = class_probabilities.max(axis=1)
    hit = most_probable(class_probabilities) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    size = np.where(count > 0, count, np.nan)
    mean_confidence, accuracy = (
        np.bincount(place, values, bins) / size for values in (confidence, hit)
    )
    return Reliability(count, mean_confidence, accuracy)

"""How much the probabilities of classes are worth, and the counts that are made of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Temperatures that are tried: below 1 the network was too shy, above 1 too sure.
_TEMPERATURES = np.geomspace(0.2, 4.0, 61)


class Reliability(NamedTuple):
    """What was said, and what was true, by confidence.

    Attributes
    ----------
    nuclei : (B,) ndarray of int64
        How many lie in each of B equal bins of the probability of their most probable class.
    said : (B,) ndarray of float64
        Mean of that probability; nan in an empty bin.
    true : (B,) ndarray of float64
        Share of nuclei that are of that class; nan in an empty bin.
    """

    nuclei: NDArray[np.int64]
    said: NDArray[np.float64]
    true: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of `said` from `true`, by nuclei."""
        filled = self.nuclei > 0
        gap = np.abs(self.said - self.true)[filled]
        return float(gap @ self.nuclei[filled] / self.nuclei.sum()) if filled.any() else np.nan


def tempered(
    pixels: NDArray[np.floating], nucleus: NDArray[np.integer], count: int, temperature: float
) -> NDArray[np.float64]:
    """Return the class probabilities of nuclei when their pixels' logits are divided by a number.

    Parameters
    ----------
    pixels : (N, C) ndarray of float
        Class probabilities of pixels.
    nucleus : (N,) ndarray of int
        Which nucleus each belongs to, from 0.
    count : int
        Nuclei; each has a pixel.
    temperature : float

    Returns
    -------
    (count, C) ndarray of float64
        Mean over the pixels of each nucleus.
    """
    power = np.maximum(pixels.astype(np.float64), 1e-12) ** (1 / temperature)
    power /= power.sum(axis=1, keepdims=True)
    size = np.bincount(nucleus, minlength=count)
    return np.column_stack([np.bincount(nucleus, column, count) / size for column in power.T])


def best_temperature(
    pixels: NDArray[np.floating], nucleus: NDArray[np.integer], truth: NDArray[np.integer]
) -> float:
    """Find the temperature under which the true classes of nuclei are most probable.

    Parameters
    ----------
    pixels : (N, C) ndarray of float
        Class probabilities of pixels.
    nucleus : (N,) ndarray of int
        Which nucleus each belongs to, from 0.
    truth : (K,) ndarray of int
        Class of each nucleus.

    Returns
    -------
    float
        1 where no nucleus is given.

    References
    ----------
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if not len(truth):
        return 1.0

    def _surprise(temperature: float) -> float:
        shares = tempered(pixels, nucleus, len(truth), temperature)
        return float(-np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-9)).mean())

    return float(min(_TEMPERATURES, key=_surprise))


def reliability(
    probabilities: NDArray[np.floating], truth: NDArray[np.integer], bins: int = 10
) -> Reliability:
    """Compare what was said with what was true.

    Parameters
    ----------
    probabilities : (N, C) ndarray of float
        Class probabilities of nuclei.
    truth : (N,) ndarray of int
        Their classes.
    bins : int

    Returns
    -------
    Reliability
    """
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    size = np.where(count > 0, count, np.nan)
    said, true = (np.bincount(place, values, bins) / size for values in (confidence, hit))
    return Reliability(count, said, true)


def count_error(
    truth: NDArray[np.integer],
    expected: NDArray[np.floating],
    variance: NDArray[np.floating],
    found: NDArray[np.integer],
    known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Measure how far counts are off beyond chance, as a share of the nuclei found.

    Probabilities of single nuclei cannot say it: nuclei are missed, and what a network takes for
    another class, it does so all over a picture.

    Parameters
    ----------
    truth : (N, C) ndarray of int
        Counts of C classes in N pictures.
    expected : (N, C) ndarray of float
        Sums of class probabilities p.
    variance : (N, C) ndarray of float
        Sums of p (1 - p): what independent nuclei would be off by.
    found : (N,) ndarray of int
        All nuclei found in each picture; pictures without any are left out.
    known : (N, C) ndarray of bool
        Whether the picture's labels know the class.

    Returns
    -------
    (C,) ndarray of float64
        Standard deviation over pictures; nan for a class that none of them knows.
    """
    usable = known & (found > 0)[:, None]
    beyond = ((truth - expected) ** 2 - variance) / np.maximum(found, 1)[:, None] ** 2
    pictures, undefined = usable.sum(axis=0), np.full(truth.shape[1], np.nan)
    total = np.where(usable, beyond, 0).sum(axis=0)
    return np.sqrt(np.maximum(0, np.divide(total, pictures, out=undefined, where=pictures > 0)))

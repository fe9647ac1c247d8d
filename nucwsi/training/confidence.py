"""How confident a network is of the classes of true nuclei, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.calibration import (
    Reliability,
    fit_temperature,
    reliability,
    temperature_scaled,
)
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.training.sample import CLASS_OF_SET, Sample

#: `class_accuracy` leaves out classes with fewer validation nuclei, whose shares are too uncertain.
_FEWEST_NUCLEI = 50


class _ClassedPixels(NamedTuple):
    """The P pixels of K nuclei whose class is known, out of C.

    Attributes
    ----------
    pixels : (P, C) ndarray of float64
        Class probabilities that the network gives, 0 to 1.
    nucleus : (P,) ndarray of int
        Index of the nucleus that each pixel belongs to.
    truth : (K,) ndarray of int
        Class of each nucleus.
    """

    pixels: NDArray[np.float64]
    nucleus: NDArray[np.integer]
    truth: NDArray[np.integer]


def _classed_pixels(samples: Iterable[Sample], maps: Iterable[QuantisedMaps]) -> _ClassedPixels:
    """Collect the pixels of the maps that lie on true nuclei of one known class."""
    pixels, owners, truths, total = [], [], [], 0
    for sample, seen in zip(samples, maps, strict=True):
        rows, columns = (
            np.minimum(((np.arange(size) + 0.5) * sample.scale).astype(int), side - 1)
            for size, side in zip(seen.np_map.shape, sample.owner.shape, strict=True)
        )
        at = np.ix_(rows, columns)
        # A label that allows several classes cannot show whether the network is right.
        codes = CLASS_OF_SET[sample.class_set[at]]
        known = codes >= 0
        nuclei, first, owner = np.unique(
            sample.owner[at][known], return_index=True, return_inverse=True
        )
        pixels.append(seen.tp_map[:, known].T / 255)
        owners.append(owner + total)
        truths.append(codes[known][first])
        total += len(nuclei)
    return _ClassedPixels(np.concatenate(pixels), np.concatenate(owners), np.concatenate(truths))


def choose_temperature(samples: list[Sample], maps: list[QuantisedMaps]) -> float:
    """Return the temperature that makes the class probabilities of true nuclei most likely.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.

    Returns
    -------
    float
        What the class logits are to be divided by; see `calibration.fit_temperature`.
    """
    return fit_temperature(*_classed_pixels(samples, maps))


def class_reliability(samples: list[Sample], maps: list[QuantisedMaps]) -> Reliability:
    """Compare the confidence in the classes of true nuclei with how often they are right.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.

    Returns
    -------
    Reliability
        Over all nuclei of one known class.
    """
    pixels, nucleus, truth = _classed_pixels(samples, maps)
    return reliability(temperature_scaled(pixels, nucleus, len(truth), 1.0), truth)


def class_accuracy(samples: list[Sample], maps: list[QuantisedMaps]) -> float:
    """Return the share of true nuclei that are given their own class, averaged over classes.

    Classes of fewer than 50 nuclei are left out, unless there is no other.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.

    Returns
    -------
    float
        0 to 1; 0 where no class is known.
    """
    pixels, nucleus, truth = _classed_pixels(samples, maps)
    if not len(truth):
        return 0.0
    given = most_probable(temperature_scaled(pixels, nucleus, len(truth), 1.0))
    classes, count = np.unique(truth, return_counts=True)
    enough = count >= min(_FEWEST_NUCLEI, count.max())
    return float(np.mean([(given[truth == c] == c).mean() for c in classes[enough]]))

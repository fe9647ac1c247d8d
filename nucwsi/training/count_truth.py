"""Counts of labelled images against those that `compose` would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi import metrics
from nucwsi.composition.calibration import count_error
from nucwsi.composition.disagreement import disagreement_of_counts
from nucwsi.composition.intervals import count_interval, widened
from nucwsi.training.data import Sample
from nucwsi.training.labelled_nuclei import Found


def class_codes(allowed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Turn sets of classes into classes.

    Parameters
    ----------
    allowed : (N,) ndarray of uint8
        Bit c is set where class c is allowed.

    Returns
    -------
    (N,) ndarray of int64
        -1 where the set leaves a choice.
    """
    single = np.isin(allowed, 1 << np.arange(8))
    return np.where(single, np.log2(np.maximum(allowed, 1)).astype(int), -1)


def fully_classed(sample: Sample) -> bool:
    """Tell whether the class of every nucleus is known, without which no count is.

    Parameters
    ----------
    sample : Sample

    Returns
    -------
    bool
    """
    return bool((class_codes(sample.allowed) >= 0).all())


class Counted(NamedTuple):
    """C classes in N images.

    Attributes
    ----------
    truth : (N, C) ndarray of int64
    known : (N, C) ndarray of bool
        Whether the image's data set knows the class.
    found : (N,) ndarray of int64
        Nuclei of all classes.
    expected : (N, C) ndarray of float64
        Sums of class probabilities p.
    variance : (N, C) ndarray of float64
        Sums of p (1 - p).
    low, high : (N, C) ndarray of int64
        Intervals from the class probabilities alone.
    apart : (N, C) ndarray of float64
        How far the answers of the ensemble lie apart, in nuclei.
    """

    truth: NDArray[np.int64]
    known: NDArray[np.bool_]
    found: NDArray[np.int64]
    expected: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    apart: NDArray[np.float64]

    def coverage(self, error: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return in what share of images the intervals hold the true counts.

        Parameters
        ----------
        error : (C,) or (N, C) ndarray of float64
            Shared errors, as in `calibration.count_error`; nan where they are not known.

        Returns
        -------
        (C,) ndarray of float64
            nan for a class that no image knows, or whose error is not known.
        """
        shared_sd = np.hypot(error * self.found[:, None], self.apart)
        low, high = widened(self.expected, self.low, self.high, shared_sd)
        return metrics.interval_coverage(self.truth, low, high, self.known & np.isfinite(error))

    def error(self) -> NDArray[np.float64]:
        """Return the shared errors (C,), as in `calibration.count_error`."""
        return self._error(self.known)

    def error_of_others(self) -> NDArray[np.float64]:
        """Return for each image the shared errors (N, C) of all other images."""
        own = np.eye(len(self.found), dtype=bool)
        every = [self._error(self.known & ~one[:, None]) for one in own]
        return np.reshape(every, self.truth.shape)

    def _error(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        return count_error(self.truth, self.expected, self.variance, self.found, known)


def counted(samples: list[Sample], nuclei: list[Found], n_classes: int) -> Counted:
    """Count the nuclei of images.

    Parameters
    ----------
    samples : list of Sample
        Those that are not `fully_classed` are left out.
    nuclei : list of Found
        What was found in each.
    n_classes : int

    Returns
    -------
    Counted
    """
    sure = [n for n, sample in enumerate(samples) if fully_classed(sample)]
    shape = (len(sure), n_classes)
    codes = [class_codes(samples[n].allowed) for n in sure]
    truth = np.array([np.bincount(code, minlength=n_classes) for code in codes], np.int64)
    truth = truth.reshape(shape)
    source = np.array([samples[n].name.split("/")[0] for n in sure])
    known = np.zeros(shape, bool)
    for name in np.unique(source):
        known[source == name] = truth[source == name].any(axis=0)
    found = np.array([len(nuclei[n].class_code) for n in sure], np.int64)
    share = np.concatenate(
        [np.empty((0, n_classes)), *(nuclei[n].class_probabilities for n in sure)]
    )
    image = np.repeat(np.arange(len(sure)), found)
    contrasts = np.concatenate([nuclei[n].contrasts for n in sure]) if sure else np.empty((0, 0))
    apart = disagreement_of_counts(image, contrasts, *shape[::-1])
    group = image[:, None] * n_classes + np.arange(n_classes)
    group, share = group.ravel(), share.ravel()
    expected, low, high = count_interval(group, share, truth.size)
    variance = np.bincount(group, share * (1 - share), truth.size).astype(np.float64)
    return Counted(
        truth,
        known,
        found,
        expected.reshape(shape),
        variance.reshape(shape),
        low.reshape(shape),
        high.reshape(shape),
        apart,
    )

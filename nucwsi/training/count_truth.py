"""Counts of labelled images against those that `compose` would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi import metrics
from nucwsi.composition.calibration import count_error
from nucwsi.composition.intervals import CountEstimate, estimate_counts
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
    """True counts of C classes in N images, and what `compose` would estimate.

    Attributes
    ----------
    truth : (N, C) ndarray of int64
        True number of nuclei of each class.
    known : (N, C) ndarray of bool
        Whether the labels of the image's data set hold the class at all.
    estimate : CountEstimate
        Counts from the nuclei found, for N groups and C classes.
    """

    truth: NDArray[np.int64]
    known: NDArray[np.bool_]
    estimate: CountEstimate

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
        low, high = self.estimate.interval(error)
        return metrics.interval_coverage(self.truth, low, high, self.known & np.isfinite(error))

    def error(self) -> NDArray[np.float64]:
        """Return the shared errors (C,), as in `calibration.count_error`."""
        return self._error(self.known)

    def error_of_others(self) -> NDArray[np.float64]:
        """Return for each image the shared errors (N, C) of all other images."""
        own = np.eye(len(self.truth), dtype=bool)
        every = [self._error(self.known & ~one[:, None]) for one in own]
        return np.reshape(every, self.truth.shape)

    def _error(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        expected, variance = self.estimate.expected, self.estimate.variance
        return count_error(self.truth, expected, variance, self.estimate.n_nuclei, known)


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
    n_nuclei = np.array([len(nuclei[n].class_code) for n in sure], np.int64)
    share = np.concatenate(
        [np.empty((0, n_classes)), *(nuclei[n].class_probabilities for n in sure)]
    )
    contrasts = np.concatenate([nuclei[n].contrasts for n in sure]) if sure else np.empty((0, 0))
    pairs = np.stack([np.repeat(np.arange(len(sure)), n_nuclei), np.arange(len(share))])
    return Counted(truth, known, estimate_counts(pairs, share, contrasts, len(sure)))

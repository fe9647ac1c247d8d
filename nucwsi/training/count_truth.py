"""True counts of labelled images beside those that `compose` would estimate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi import metrics
from nucwsi.composition.calibration import count_error
from nucwsi.composition.intervals import CountEstimate, estimate_counts
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.sample import Sample


class ImageCounts(NamedTuple):
    """True counts of C classes in N images, and what `compose` would estimate.

    Attributes
    ----------
    truth : (N, C) ndarray of int64
        True number of nuclei of each class.
    known : (N, C) ndarray of bool
        Whether the labels of the image's data set hold the class at all.
    estimate : CountEstimate
        Counts and intervals from the nuclei found, for N groups and C classes.
    """

    truth: NDArray[np.int64]
    known: NDArray[np.bool_]
    estimate: CountEstimate

    def coverage(self, error: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of images whose interval holds the true count.

        Parameters
        ----------
        error : (C,) or (N, C) ndarray of float64
            Shared errors of the counts, as a share of all nuclei (`calibration.count_error`); NaN
            where they are not known.

        Returns
        -------
        (C,) ndarray of float64
            0 to 1; NaN for a class that no image knows, or whose error is not known.
        """
        low, high = self.estimate.interval(error)
        return metrics.interval_coverage(self.truth, low, high, self.known & np.isfinite(error))

    def error(self) -> NDArray[np.float64]:
        """Return the shared error of each class, as `calibration.count_error`.

        Returns
        -------
        (C,) ndarray of float64
            As a share of all nuclei; NaN for a class that no image knows.
        """
        return self._error(self.known)

    def error_of_others(self) -> NDArray[np.float64]:
        """Return for each image the shared errors that all other images have.

        Returns
        -------
        (N, C) ndarray of float64
            As a share of all nuclei; NaN for a class that no other image knows.
        """
        own = np.eye(len(self.truth), dtype=bool)
        errors = [self._error(self.known & ~one[:, None]) for one in own]
        return np.reshape(errors, self.truth.shape)

    def _error(self, known: NDArray[np.bool_]) -> NDArray[np.float64]:
        expected, variance = self.estimate.expected, self.estimate.variance
        return count_error(self.truth, expected, variance, self.estimate.n_nuclei, known)


def count_images(samples: list[Sample], nuclei: list[ImageNuclei], n_classes: int) -> ImageCounts:
    """Count the true nuclei of images, and estimate their counts from the nuclei found.

    Parameters
    ----------
    samples : list of Sample
        The truth; those that are not `fully_classed` are left out.
    nuclei : list of ImageNuclei
        Nuclei found in each sample.
    n_classes : int
        Classes C of the network.

    Returns
    -------
    ImageCounts
        Of the N samples that are `fully_classed`, in their order.
    """
    pairs = zip(samples, nuclei, strict=True)
    counted = [(sample, own) for sample, own in pairs if sample.fully_classed]
    truth = np.array([sample.class_counts(n_classes) for sample, _ in counted], np.int64)
    truth = truth.reshape(len(counted), n_classes)
    dataset = np.array([sample.dataset for sample, _ in counted])
    known = np.zeros(truth.shape, bool)
    for name in np.unique(dataset):
        known[dataset == name] = truth[dataset == name].any(axis=0)
    n_nuclei = np.array([len(own.class_code) for _, own in counted], np.int64)
    share = np.concatenate(
        [np.empty((0, n_classes)), *(own.class_probabilities for _, own in counted)]
    )
    contrasts = [own.contrasts for _, own in counted] or [np.empty((0, 0), np.float32)]
    group = np.repeat(np.arange(len(counted)), n_nuclei)
    members = np.stack([group, np.arange(len(share))])
    estimate = estimate_counts(members, share, np.concatenate(contrasts), len(counted))
    return ImageCounts(truth, known, estimate)

"""True counts of labelled images beside those that `compose` would estimate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi import metrics
from nucwsi.composition.intervals import CountError, CountEstimate, estimate_counts
from nucwsi.composition.membership import Membership
from nucwsi.composition.miscounts import KnownCounts, fit_miscounts
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.sample import Sample


class ImageCounts(NamedTuple):
    """True counts of C classes in N images, and what `compose` would estimate.

    Attributes
    ----------
    place : (N,) ndarray of int
        Place of each image among those that were given.
    source : (N,) ndarray of str
        Data set of each image.
    truth : (N, C) ndarray of int64
        True number of nuclei of each class.
    known : (N, C) ndarray of bool
        Whether the labels tell it.
    estimate : CountEstimate
        Counts and intervals from the nuclei found, for N groups and C classes.
    """

    place: NDArray[np.intp]
    source: NDArray[np.str_]
    truth: NDArray[np.int64]
    known: NDArray[np.bool_]
    estimate: CountEstimate

    def coverage(self, error: CountError) -> NDArray[np.float64]:
        """Return the share of images whose interval holds the true count.

        Parameters
        ----------
        error : CountError
            Of C classes.

        Returns
        -------
        (C,) ndarray of float64
            0 to 1; NaN for a class that no image knows.
        """
        return metrics.interval_coverage(self.truth, *self.estimate.interval(error), self.known)

    def error(self, without: str = "") -> CountError:
        """Return the errors of the counts beyond chance, as `miscounts.fit_miscounts`.

        Parameters
        ----------
        without : str
            Source whose images are left out; empty: none.

        Returns
        -------
        CountError
            Of C classes.
        """
        estimate = self.estimate
        known = KnownCounts(
            self.truth, self.known, estimate.expected, estimate.variance, self.source
        )
        return fit_miscounts(known.without(without))

    def left_out(
        self, stretch: NDArray[np.float64] | float = 1.0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the intervals of each image with the errors of all other sources.

        Parameters
        ----------
        stretch : (N,) ndarray of float64 or float
            As in `CountEstimate.interval`.

        Returns
        -------
        low, high : (N, C) ndarray of int64
            Ends of the intervals, in nuclei.
        """
        low, high = np.zeros_like(self.truth), np.zeros_like(self.truth)
        for name in np.unique(self.source):
            own, ends = self.source == name, self.estimate.interval(self.error(name), stretch)
            low[own], high[own] = (end[own] for end in ends)
        return low, high

    def coverage_left_out(self) -> NDArray[np.float64]:
        """Return the share of images whose interval of `left_out` holds the true count.

        Returns
        -------
        (C,) ndarray of float64
            Mean over the sources that know a class, 0 to 1; NaN if none does.
        """
        low, high = self.left_out()
        held = [
            metrics.interval_coverage(self.truth[own], low[own], high[own], self.known[own])
            for own in (self.source == name for name in np.unique(self.source))
        ]
        shares = np.reshape(held, (-1, self.truth.shape[1]))
        defined = np.isfinite(shares)
        undefined = np.full(self.truth.shape[1], np.nan)
        total = np.where(defined, shares, 0).sum(axis=0)
        return np.divide(total, defined.sum(axis=0), out=undefined, where=defined.any(axis=0))


def telling(samples: list[Sample]) -> list[bool]:
    """Tell which images belong to data sets that label more than one kind of cell.

    Where all labels are alike, cells of other kinds are without one, and what is found beside the
    labels is not wrong.

    Parameters
    ----------
    samples : list of Sample
        Labelled images.

    Returns
    -------
    list of bool
        One for each sample.
    """
    kinds: dict[str, set[int]] = {}
    for sample in samples:
        kinds.setdefault(sample.dataset, set()).update(sample.allowed.tolist())
    return [len(kinds[sample.dataset]) > 1 for sample in samples]


def count_images(samples: list[Sample], nuclei: list[ImageNuclei], n_classes: int) -> ImageCounts:
    """Count the true nuclei of images, and estimate their counts from the nuclei found.

    Parameters
    ----------
    samples : list of Sample
        The truth.
    nuclei : list of ImageNuclei
        Nuclei found in each sample.
    n_classes : int
        Classes C of the network.

    Returns
    -------
    ImageCounts
        Of the N samples that know the count of some class, in their order. A data set knows a class
        that it holds, if at least half of its images tell the count: in the others labels leave a
        choice, and few images without such labels would be no fair sample.
    """
    source = np.array([sample.dataset for sample in samples], np.str_)
    shape = (len(samples), n_classes)
    truth = np.array([one.class_counts(n_classes) for one in samples], np.int64).reshape(shape)
    known = np.array([one.known_counts(n_classes) for one in samples], np.bool_).reshape(shape)
    for name in np.unique(source):
        own = source == name
        known[own] &= (2 * known[own].sum(axis=0) >= own.sum()) & truth[own].any(axis=0)
    used = np.flatnonzero(known.any(axis=1))
    counted = [nuclei[place] for place in used]
    n_nuclei = np.array([len(own.class_code) for own in counted], np.int64)
    shares = [np.empty((0, n_classes), np.float32), *(own.class_probabilities for own in counted)]
    contrasts = [own.contrasts for own in counted] or [np.empty((0, 0), np.float32)]
    group = np.repeat(np.arange(len(counted)), n_nuclei)
    membership = Membership.of([np.stack([group, np.arange(len(group))])], len(counted))
    answers = (np.concatenate(every).T for every in (shares, contrasts))
    estimate = estimate_counts(membership, *answers)
    return ImageCounts(used, source[used], truth[used], known[used], estimate)

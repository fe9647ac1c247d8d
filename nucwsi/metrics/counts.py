"""Scores of composition: how many nuclei of each class an image holds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nucwsi.metrics.instances import Labels


def central_counts(
    instances: Labels, classes: Labels, n_classes: int, margin_px: int
) -> NDArray[np.int64]:
    """Count the instances of each class that have a pixel in the middle of an image.

    Parameters
    ----------
    instances : (H, W) ndarray of int
        Instance map, 0 is background.
    classes : (N,) ndarray of int
        Index of the class of each instance, in ascending order of the labels in the map; other
        numbers than 0 to `n_classes` - 1 are not counted.
    n_classes : int
        Number of classes.
    margin_px : int
        Pixels left off on each side; CoNIC leaves off 16 of 256.

    Returns
    -------
    (n_classes,) ndarray of int
        Number of instances.

    Examples
    --------
    >>> instances = np.array([[3, 0, 0], [3, 3, 0], [0, 0, 9]])
    >>> central_counts(instances, np.array([0, 1]), 2, margin_px=1)
    array([1, 0])
    """
    height, width = instances.shape
    labels = np.unique(instances[instances > 0])
    middle = instances[margin_px : height - margin_px, margin_px : width - margin_px]
    present = np.asarray(classes)[np.isin(labels, middle)]
    return np.bincount(present[(present >= 0) & (present < n_classes)], minlength=n_classes)


def count_r2(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the coefficient of determination of the counts of each class.

    As in CoNIC, with one difference: a class that occurs nowhere is NaN, not 1, which would raise
    the mean. Where the true count never varies, a perfect prediction scores 1 and any other 0, as
    in scikit-learn.

    Parameters
    ----------
    truth, predicted : (N, C) ndarray of int
        Counts of C classes in N images.

    Returns
    -------
    (C,) ndarray of float
        1 at best; below 0 where the mean of the true counts would be a better prediction.

    Raises
    ------
    ValueError
        If the shapes differ, or fewer than two images are given.

    References
    ----------
    Graham et al., CoNIC Challenge, Medical Image Analysis 92 (2024).
    """
    true = np.asarray(truth, np.float64)
    guess = np.asarray(predicted, np.float64)
    if true.shape != guess.shape or true.ndim != 2 or len(true) < 2:
        raise ValueError(
            f"expected two (N, C) arrays with N >= 2, got shapes {true.shape} and {guess.shape}"
        )
    residual = np.square(true - guess).sum(0)
    total = np.square(true - true.mean(0)).sum(0)
    score = np.where(residual == 0, 1.0, 0.0)
    np.divide(total - residual, total, out=score, where=total > 0)
    score[(true == 0).all(0) & (guess == 0).all(0)] = math.nan
    return score


def interval_coverage(
    truth: NDArray[np.integer],
    low: NDArray[np.integer],
    high: NDArray[np.integer],
    known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the share of images in which the interval of a count holds the true one.

    Parameters
    ----------
    truth : (N, C) ndarray of int
        True counts of C classes in N images.
    low, high : (N, C) ndarray of int
        Ends of the intervals, which belong to them.
    known : (N, C) ndarray of bool
        Whether the true count is known; other images are left out.

    Returns
    -------
    (C,) ndarray of float
        0 to 1; NaN for a class whose count no image knows.
    """
    held = known & (low <= truth) & (truth <= high)
    images, undefined = known.sum(axis=0), np.full(truth.shape[1], math.nan)
    return np.divide(held.sum(axis=0), images, out=undefined, where=images > 0)

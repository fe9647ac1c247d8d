"""Scores of composition: how many nuclei of each class a picture holds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nucwsi.metrics.instances import Labels


def central_counts(
    instances: Labels, classes: Labels, n_classes: int, margin_px: int
) -> NDArray[np.int64]:
    """Count the instances of each class that have a pixel in the middle of a picture.

    Parameters
    ----------
    instances : (H, W) ndarray of int
    classes : (N,) ndarray of int
        Class of each label, in ascending order of the labels that occur in the map.
    n_classes : int
    margin_px : int
        Pixels left off on each side; 16 of 256 in CoNIC.

    Returns
    -------
    (n_classes,) ndarray of int
    """
    height, width = instances.shape
    labels = np.unique(instances[instances > 0])
    middle = instances[margin_px : height - margin_px, margin_px : width - margin_px]
    present = np.asarray(classes)[np.isin(labels, middle)]
    return np.bincount(present[(present >= 0) & (present < n_classes)], minlength=n_classes)


def count_r2(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the coefficient of determination of the counts of each class.

    As in CoNIC, with one difference: a class that occurs nowhere is nan instead of 1, which
    would raise the mean. Where the true count never varies, 1 is for a perfect prediction and
    0 for any other, as in scikit-learn.

    Parameters
    ----------
    truth, predicted : (N, C) ndarray of int
        Counts in N pictures of C classes.

    Returns
    -------
    (C,) ndarray of float
        At most 1, and as negative as can be.

    Raises
    ------
    ValueError
        If the shapes differ, or fewer than two pictures are given.
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
    """Return in what share of pictures the intervals of counts hold the true ones.

    Parameters
    ----------
    truth, low, high : (N, C) ndarray of int
        Counts in N pictures of C classes, and both ends of their intervals, which belong to them.
    known : (N, C) ndarray of bool
        Whether the true count is known.

    Returns
    -------
    (C,) ndarray of float
        nan where none is known.
    """
    held = known & (low <= truth) & (truth <= high)
    pictures, undefined = known.sum(axis=0), np.full(truth.shape[1], math.nan)
    return np.divide(held.sum(axis=0), pictures, out=undefined, where=pictures > 0)

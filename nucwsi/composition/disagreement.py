"""How far the answers of an ensemble lie apart, on single nuclei and on counts.

One unsigned number for each nucleus would not do: where all nuclei of a region are in doubt for the
same reason, their doubts add up, and where each has its own reason, they cancel. *Contrasts* are
signed differences between answers: they are summed over the nuclei first, and squared then.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def contrast_weights(n_views: int, n_members: int) -> NDArray[np.float32]:
    """Return the weights with which the answers of an ensemble are summed to contrasts.

    Parameters
    ----------
    n_views, n_members : int
        Number of views, and of members; each member answers for each view.

    Returns
    -------
    (Q, n_views, n_members) ndarray of float32
        Q is ``n_members - 1``, and one more if there is more than one view. The squares of the
        first ``n_members - 1`` contrasts add up to the variance between members (with
        ``n_members - 1`` in its denominator), each member being the mean of its views. The last
        contrast compares the first half of the views with the second: its square estimates the
        variance between views.

    Notes
    -----
    Between members these are Helmert contrasts: orthogonal, of length one, and blind to the mean.

    Examples
    --------
    One view of two members: their difference, divided by the root of 2.

    >>> contrast_weights(1, 2).round(3)
    array([[[ 0.707, -0.707]]], dtype=float32)
    """
    members = np.zeros((n_members - 1, n_members))
    for row in range(n_members - 1):
        members[row, : row + 1] = 1
        members[row, row + 1] = -(row + 1)
        members[row] /= np.sqrt((row + 1) * (row + 2) * (n_members - 1))
    of_members = np.repeat(members[:, None] / n_views, n_views, axis=1)
    if n_views == 1:
        return of_members.astype(np.float32)
    halves = np.where(np.arange(n_views) < n_views / 2, 1, -1) / np.sqrt(n_views) / n_members
    of_views = np.repeat(halves[None, :, None], n_members, axis=2)
    return np.concatenate([of_members, of_views]).astype(np.float32)


def contrast_names(classes: tuple[str, ...], n_contrasts: int) -> list[str]:
    """Return the names of the columns that hold contrasts.

    Parameters
    ----------
    classes : tuple of str
        The C class names.
    n_contrasts : int
        Number of contrasts Q.

    Returns
    -------
    list of str
        Q · C names, by contrast, then class.

    Examples
    --------
    >>> contrast_names(("epithelial", "other"), 1)
    ['contrast1_epithelial', 'contrast1_other']
    """
    return [f"contrast{q + 1}_{name}" for q in range(n_contrasts) for name in classes]


def disagreement(
    contrasts: NDArray[np.floating], class_code: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Return how far the answers lie apart on the class of each nucleus.

    Parameters
    ----------
    contrasts : (N, Q · C) ndarray of float
        Contrasts between the probabilities of classes, by contrast, then class.
    class_code : (N,) ndarray of int
        Index of the class of each nucleus.
    n_classes : int
        Number of classes C.

    Returns
    -------
    (N,) ndarray of float64
        Standard deviation between answers of the probability that the nucleus is of its class.
    """
    n_nuclei, n_columns = contrasts.shape
    each = contrasts.reshape(n_nuclei, n_columns // n_classes, n_classes)
    own = np.take_along_axis(each, class_code[:, None, None].astype(np.intp), axis=2)[:, :, 0]
    return np.sqrt(np.square(own, dtype=np.float64).sum(axis=1))


def disagreement_of_counts(sums: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Return how far the answers lie apart on the counts of groups of nuclei.

    Parameters
    ----------
    sums : (Q · C, G) ndarray of float64
        Sum of each contrast over the nuclei of each of G groups, by contrast, then class.
    n_classes : int
        Number of classes C.

    Returns
    -------
    (G, C) ndarray of float64
        Standard deviation of the count between answers, in nuclei; 0 where there was one answer.
    """
    each = sums.reshape(len(sums) // max(1, n_classes), n_classes, sums.shape[1])
    return np.sqrt(np.square(each).sum(axis=0).T)

"""How far the answers of an ensemble lie apart, in as few maps as will do.

One number a nucleus cannot say it: where all nuclei of a region are in doubt for the same reason,
their doubts add up, and where each has its own, they average out. Contrasts, signed differences
between answers, can be added up over any nuclei, and only then squared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def contrast_weights(n_views: int, n_members: int) -> NDArray[np.float32]:
    """Return the weights with which answers are summed to contrasts.

    Parameters
    ----------
    n_views, n_members : int
        Each member answers for each view.

    Returns
    -------
    (Q, n_views, n_members) ndarray of float32
        Q is ``n_members - 1``, and one more if there are views to tell apart. The sum of squares of
        the first is the variance between members (``n_members - 1`` in its denominator), each the
        mean of its views. The last holds the first half of the views against the second: its
        square estimates the variance between views.

    Notes
    -----
    Between members these are Helmert's contrasts: orthogonal, of length one, blind to the mean.
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
    """Name the columns of contrasts.

    Parameters
    ----------
    classes : tuple of str
        The C class names.
    n_contrasts : int
        Q of them.

    Returns
    -------
    list of str
        Q · C names, by contrast, then class.
    """
    return [f"contrast{q + 1}_{name}" for q in range(n_contrasts) for name in classes]


def disagreement(
    contrasts: NDArray[np.floating], class_code: NDArray[np.integer], n_classes: int
) -> NDArray[np.float64]:
    """Say how far the answers lie apart on each nucleus by itself.

    Parameters
    ----------
    contrasts : (N, Q · C) ndarray of float
        By contrast, then class.
    class_code : (N,) ndarray of int
    n_classes : int

    Returns
    -------
    (N,) ndarray of float64
        Standard deviation between answers of the probability that it is a nucleus of its class.
    """
    n_nuclei, n_columns = contrasts.shape
    each = contrasts.reshape(n_nuclei, n_columns // n_classes, n_classes)
    own = np.take_along_axis(each, class_code[:, None, None].astype(np.intp), axis=2)[:, :, 0]
    return np.sqrt(np.square(own, dtype=np.float64).sum(axis=1))


def disagreement_of_counts(
    group: NDArray[np.int64], contrasts: NDArray[np.floating], n_classes: int, n_groups: int
) -> NDArray[np.float64]:
    """Say how far the answers lie apart on the counts of groups of nuclei.

    Parameters
    ----------
    group : (N,) ndarray of int64
        Which group each nucleus belongs to.
    contrasts : (N, Q · C) ndarray of float
        By contrast, then class.
    n_classes : int
    n_groups : int

    Returns
    -------
    (n_groups, C) ndarray of float64
        Standard deviation between answers, in nuclei; 0 where there was one answer.
    """
    sums = [np.bincount(group, column, n_groups) for column in contrasts.T]
    each = np.reshape(sums, (len(sums) // max(1, n_classes), n_classes, n_groups))
    return np.sqrt(np.square(each, dtype=np.float64).sum(axis=0).T)

"""What is left out in turn when a classifier is tested: whole slides, or blocks of tissue."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.nuclei.hilbert import hilbert_key

#: Fewer slides do not tell how a classifier carries over to another one.
_LEAST_SLIDES = 3

#: Parts into which answers are cut.
_MOST_SLIDES, _BLOCKS = 10, 5


class Folds(NamedTuple):
    """The part that each of N answers belongs to.

    Attributes
    ----------
    of : (N,) ndarray of int64
        From 0 on.
    over : str
        What the parts are: ``slides``, or ``blocks`` of tissue of each slide.
    """

    of: NDArray[np.int64]
    over: Literal["slides", "blocks"]


def make_folds(slide: NDArray[np.integer], points_um: NDArray[np.float64]) -> Folds:
    """Cut answers into parts such that those of one part lie together.

    Parameters
    ----------
    slide : (N,) ndarray of int
        Number of the slide of each answer.
    points_um : (N, 2) ndarray of float64
        Place on the slide, not negative, in µm.

    Returns
    -------
    Folds
        Of three slides or more, a part is a slide, or several where there are more than ten; of
        fewer, a fifth of each slide's answers, neighbours together.
    """
    numbers, place, size = np.unique(slide, return_inverse=True, return_counts=True)
    if len(numbers) >= _LEAST_SLIDES:
        return Folds(_dealt(size)[place], "slides")
    of = np.empty(len(slide), np.int64)
    for number in range(len(numbers)):
        mine = np.flatnonzero(place == number)
        row, column = points_um[mine].T
        key = hilbert_key(row, column, float(points_um[mine].max(initial=1)) + 1)
        order = mine[np.lexsort((column, row, key))]
        of[order] = np.arange(len(order)) * _BLOCKS // max(1, len(order))
    return Folds(of, "blocks")


def _dealt(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal slides with so many answers (S,) to parts of about equal size; return their parts."""
    total = np.zeros(min(len(size), _MOST_SLIDES), np.int64)
    part = np.empty(len(size), np.int64)
    for number in np.argsort(-size, kind="stable").tolist():
        part[number] = int(total.argmin())
        total[part[number]] += size[number]
    return part

"""Square fields of a slide: what lies in each, and which of them to look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: A field shows tissue if at least this share of it is tissue.
_TISSUE_SHARE = 0.5

#: With fewer nuclei, the mean certainty of a field says little.
_MIN_NUCLEI = 10


class FieldSums(NamedTuple):
    """The nuclei of each field; R rows of C fields that lie whole on the canvas.

    Attributes
    ----------
    n_nuclei : (R, C) ndarray of int64
    certainty : (R, C) ndarray of float64
        Mean probability of the nuclei's own class; NaN without nuclei.
    """

    n_nuclei: NDArray[np.int64]
    certainty: NDArray[np.float64]


class Choice(NamedTuple):
    """A field to look at.

    Attributes
    ----------
    rule : str
        Why: ``densest``, ``uncertain`` or ``random``.
    row, column : int
        Which field, counted from the upper left one.
    """

    rule: str
    row: int
    column: int


def n_fields(shape: tuple[int, int], side_px: int) -> tuple[int, int]:
    """Tell how many whole fields a canvas holds; at least one, which may reach beyond it.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    side_px : int
        Side of a field in canvas pixels.

    Returns
    -------
    (int, int)
        Rows and columns of fields.
    """
    return max(1, shape[0] // side_px), max(1, shape[1] // side_px)


def field_sums(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    probability: NDArray[np.floating],
    fields: tuple[int, int],
    side_px: int,
) -> FieldSums:
    """Sum up the nuclei of each field.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids in canvas pixels.
    probability : (N,) ndarray of float
        Of each nucleus' own class.
    fields : (int, int)
        Rows and columns of fields; nuclei beyond them count nowhere.
    side_px : int
        Side of a field in canvas pixels.

    Returns
    -------
    FieldSums
    """
    at_row, at_column = (np.floor(at / side_px).astype(np.int64) for at in (row, column))
    inside = (at_row >= 0) & (at_row < fields[0]) & (at_column >= 0) & (at_column < fields[1])
    index = at_row[inside] * fields[1] + at_column[inside]
    count = np.bincount(index, minlength=fields[0] * fields[1]).reshape(fields)
    total = np.bincount(index, probability[inside], fields[0] * fields[1]).reshape(fields)
    undefined = np.full(fields, np.nan)
    return FieldSums(count, np.divide(total, count, out=undefined, where=count > 0))


def chosen_fields(
    sums: FieldSums, tissue: NDArray[np.floating], each: int, seed: int
) -> list[Choice]:
    """Choose fields by rules that know nothing of how good they look.

    Parameters
    ----------
    sums : FieldSums
    tissue : (R, C) ndarray of float
        Share of tissue in each field.
    each : int
        How many fields per rule.
    seed : int
        Of the random draw.

    Returns
    -------
    list of Choice
        The densest fields, those whose nuclei are of the least certain class, and fields drawn at
        random among those of tissue. No field is chosen twice; there may be fewer than asked for.
    """
    shape, count = sums.n_nuclei.shape, sums.n_nuclei.ravel()
    # A stable order, so that ties are broken the same way everywhere.
    densest = np.argsort(-count, kind="stable")[: np.count_nonzero(count)]
    vague = np.where(count >= _MIN_NUCLEI, sums.certainty.ravel(), np.inf)
    uncertain = np.argsort(vague, kind="stable")[: np.count_nonzero(np.isfinite(vague))]
    candidates = np.flatnonzero(tissue.ravel() >= _TISSUE_SHARE)
    drawn = np.random.default_rng(seed).permutation(candidates)
    found: list[Choice] = []
    taken: set[int] = set()
    for rule, order in (("densest", densest), ("uncertain", uncertain), ("random", drawn)):
        fresh = [index for index in order.tolist() if index not in taken][:each]
        taken.update(fresh)
        found += [Choice(rule, *divmod(index, shape[1])) for index in fresh]
    return found

"""The square fields of a slide: what each of them holds, and which of them the report shows.

Fields lie on a grid that starts at the canvas' upper left corner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.report.assessment import Rule
from nucwsi.report.density import tissue_mask

#: A random field is drawn among those with at least this share of tissue.
_TISSUE_SHARE = 0.5

#: Fields with fewer nuclei are never chosen as uncertain.
_MIN_NUCLEI = 10

#: The share of tissue in a field is sampled at this many points along each side.
_TISSUE_STEPS = 8


class FieldSums(NamedTuple):
    """The nuclei of each field, for R rows of C fields.

    Attributes
    ----------
    n_nuclei : (R, C) ndarray of int64
        Number of nuclei whose centroid lies in the field.
    certainty : (R, C) ndarray of float64
        Mean probability of their assigned class; NaN without nuclei.
    """

    n_nuclei: NDArray[np.int64]
    certainty: NDArray[np.float64]


class Choice(NamedTuple):
    """A field that the report shows.

    Attributes
    ----------
    rule : str
        Why it is shown: ``densest``, ``uncertain`` or ``random``.
    row, column : int
        Its place in the grid of fields, from 0.
    """

    rule: Rule
    row: int
    column: int


def n_fields(shape: tuple[int, int], side_px: int) -> tuple[int, int]:
    """Return how many whole fields fit on a canvas.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    side_px : int
        Side of a field in canvas pixels.

    Returns
    -------
    (int, int)
        Rows and columns of fields. At least one of each, so the only field of a small canvas may
        reach beyond its edge.
    """
    return max(1, shape[0] // side_px), max(1, shape[1] // side_px)


def field_sums(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    probability: NDArray[np.floating],
    fields: tuple[int, int],
    side_px: int,
) -> FieldSums:
    """Count the nuclei of each field and average their certainty.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids in canvas pixels.
    probability : (N,) ndarray of float
        Probability of each nucleus' assigned class.
    fields : (int, int)
        Rows and columns of fields; nuclei beyond them are not counted.
    side_px : int
        Side of a field in canvas pixels.

    Returns
    -------
    FieldSums
        Arrays of shape `fields`.
    """
    at_row, at_column = (np.floor(at / side_px).astype(np.int64) for at in (row, column))
    inside = (at_row >= 0) & (at_row < fields[0]) & (at_column >= 0) & (at_column < fields[1])
    index = at_row[inside] * fields[1] + at_column[inside]
    count = np.bincount(index, minlength=fields[0] * fields[1]).reshape(fields)
    total = np.bincount(index, probability[inside], fields[0] * fields[1]).reshape(fields)
    undefined = np.full(fields, np.nan)
    return FieldSums(count, np.divide(total, count, out=undefined, where=count > 0))


def tissue_shares(
    pieces: NDArray[np.object_], fields: tuple[int, int], side_px: int
) -> NDArray[np.float64]:
    """Measure the share of tissue in each field, on a raster of 8 x 8 points.

    Parameters
    ----------
    pieces : (P,) ndarray of shapely.Polygon
        Outlines of the tissue; x and y in canvas pixels.
    fields : (int, int)
        Rows and columns of fields.
    side_px : int
        Side of a field in canvas pixels.

    Returns
    -------
    (R, C) ndarray of float64
        0 (no tissue) to 1.
    """
    points = (fields[0] * _TISSUE_STEPS, fields[1] * _TISSUE_STEPS)
    mask = tissue_mask(pieces, points, side_px / _TISSUE_STEPS)
    return mask.reshape(fields[0], _TISSUE_STEPS, fields[1], _TISSUE_STEPS).mean(axis=(1, 3))


def chosen_fields(
    sums: FieldSums, tissue: NDArray[np.floating], each: int, seed: int
) -> list[Choice]:
    """Choose the fields that the report shows, by rules that ignore how good they look.

    Parameters
    ----------
    sums : FieldSums
        The nuclei of each field.
    tissue : (R, C) ndarray of float
        Share of tissue in each field, 0 to 1.
    each : int
        Number of fields for each rule.
    seed : int
        Seed of the random draw.

    Returns
    -------
    list of Choice
        The fields with the most nuclei, then those with the lowest certainty (of ten nuclei or
        more), then random fields of tissue. No field is chosen twice, so there may be fewer than
        ``3 * each``.
    """
    shape, count = sums.n_nuclei.shape, sums.n_nuclei.ravel()
    # A stable sort breaks ties by raster order on every machine.
    densest = np.argsort(-count, kind="stable")[: np.count_nonzero(count)]
    certainty = np.where(count >= _MIN_NUCLEI, sums.certainty.ravel(), np.inf)
    uncertain = np.argsort(certainty, kind="stable")[: np.count_nonzero(np.isfinite(certainty))]
    random = np.random.default_rng(seed).permutation(
        np.flatnonzero(tissue.ravel() >= _TISSUE_SHARE)
    )
    orders: dict[Rule, NDArray[np.int64]] = {
        "densest": densest,
        "uncertain": uncertain,
        "random": random,
    }
    choices: list[Choice] = []
    taken: set[int] = set()
    for rule, order in orders.items():
        fresh = [index for index in order.tolist() if index not in taken][:each]
        taken.update(fresh)
        choices += [Choice(rule, *divmod(index, shape[1])) for index in fresh]
    return choices

"""The features by which the viewer can colour nuclei, as one byte for each nucleus and feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.disagreement import disagreement
from nucwsi.nuclei.table import NucleusTable

#: Column of ``nuclei.parquet`` -> what the viewer calls it, and its unit.
_SHOWN = {
    "probability": ("Probability of the class", ""),
    "disagreement": ("Disagreement of answers", ""),
    "np_mean": ("Probability of nucleus", ""),
    "area_um2": ("Area", "µm²"),
    "major_axis_um": ("Length", "µm"),
    "minor_axis_um": ("Width", "µm"),
    "circularity": ("Circularity", ""),
    "solidity": ("Solidity", ""),
}

#: Percentiles between which the colours change: a few giants would leave one colour to the others.
_ENDS = (1, 99)


class Feature(NamedTuple):
    """A feature by which nuclei can be coloured.

    Attributes
    ----------
    column : str
        Its column in ``nuclei.parquet``.
    name, unit : str
        As the page shows them; the unit may be empty.
    low, high : float
        Values of the first and the last colour: the 1st and 99th percentile of the slide.
    """

    column: str
    name: str
    unit: str
    low: float
    high: float


def feature_columns(n_contrasts: int) -> list[str]:
    """Return the columns of ``nuclei.parquet`` that `features_of` needs.

    Parameters
    ----------
    n_contrasts : int
        Number of contrasts between answers that are kept; without one there is no disagreement.

    Returns
    -------
    list of str
        In the order in which the page lists the features.
    """
    return [name for name in _SHOWN if name != "disagreement" or n_contrasts]


def features_of(columns: Mapping[str, NDArray[np.floating]]) -> tuple[Feature, ...]:
    """Find the range of each feature on a slide.

    Parameters
    ----------
    columns : mapping of str to (N,) ndarray of float
        The columns that `feature_columns` names.

    Returns
    -------
    tuple of Feature
        Without those that no nucleus has.
    """
    found = []
    for column, values in columns.items():
        known = values[np.isfinite(values)]
        if len(known):
            low, high = np.percentile(known.astype(np.float64), _ENDS).tolist()
            found.append(Feature(column, *_SHOWN[column], low, high))
    return tuple(found)


def feature_levels(
    table: NucleusTable, features: tuple[Feature, ...], n_classes: int
) -> NDArray[np.uint8]:
    """Place the features of nuclei between the ends of their ranges.

    Parameters
    ----------
    table : NucleusTable
        N nuclei.
    features : tuple of Feature
        F features.
    n_classes : int
        Number of classes.

    Returns
    -------
    (N, F) ndarray of uint8
        1 (`low` or less) to 255 (`high` or more); 0 where a nucleus does not have the feature.
    """
    levels = np.zeros((len(table), len(features)), np.uint8)
    for at, feature in enumerate(features):
        values = _values(table, feature.column, n_classes).astype(np.float64)
        known = np.isfinite(values)
        span = (feature.high - feature.low) or 1.0
        share = np.clip((values[known] - feature.low) / span, 0, 1)
        levels[known, at] = 1 + np.rint(254 * share).astype(np.uint8)
    return levels


def _values(table: NucleusTable, column: str, n_classes: int) -> NDArray[np.floating]:
    if column == "probability":
        return table.class_probabilities.max(axis=1)
    if column == "disagreement":
        return disagreement(table.contrasts, table.class_code, n_classes)
    values: NDArray[np.floating] = getattr(table, column)
    return values

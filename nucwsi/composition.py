"""What a region is made of: the columns of ``composition.csv``.

Whatever is undefined, such as a share of no nuclei, is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Column -> the two classes whose counts it divides.
_RATIOS = {
    "neutrophil_lymphocyte_ratio": ("neutrophil", "lymphocyte"),
    "lymphocyte_epithelial_ratio": ("lymphocyte", "epithelial"),
}

_IMMUNE = {"neutrophil", "lymphocyte", "plasma", "eosinophil", "inflammatory"}

#: Half width of a 95 % interval in standard deviations.
_Z95 = 1.959964

Columns = dict[str, NDArray[np.int64] | NDArray[np.float64]]


class Population(NamedTuple):
    """N nuclei of a slide, C classes.

    Attributes
    ----------
    class_code : (N,) ndarray of uint8
        Index of the class, below C.
    class_probabilities : (N, C) ndarray of float32
    area_um2 : (N,) ndarray of float32
    """

    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    area_um2: NDArray[np.float32]


def composition(
    pairs: NDArray[np.int64],
    nuclei: Population,
    classes: tuple[str, ...],
    tissue_mm2: NDArray[np.float64],
) -> Columns:
    """Sum up the nuclei of each region.

    Parameters
    ----------
    pairs : (2, K) ndarray of int64
        Index of a region and index of a nucleus in it, from `regions.owned`.
    nuclei : Population
    classes : tuple of str
        The C class names.
    tissue_mm2 : (R,) ndarray of float64
        Tissue of each of the R regions in mm².

    Returns
    -------
    dict of str to (R,) ndarray
        In the order of the table: ``n_nuclei``, ``n_<class>``, ``frac_<class>``,
        ``<class>_per_mm2`` of tissue, ratios of counts, ``immune_fraction`` (both only if the
        classes are known), ``<class>_area_um2_median``, and ``expected_<class>`` with the 95 %
        interval ``<class>_low`` to ``<class>_high``.

    Notes
    -----
    Each nucleus is of a class with its own probability, so the number of them in a region is
    Poisson-binomial: mean ``sum(p)``, variance ``sum(p * (1 - p))``. The interval takes the
    probabilities as true and independent, and says nothing of nuclei that were not found.
    """
    regions, members = pairs
    n_regions, n_classes = len(tissue_mm2), len(classes)
    group = regions * n_classes + nuclei.class_code[members]
    counts = np.bincount(group, minlength=n_regions * n_classes).reshape(n_regions, n_classes)
    total = counts.sum(axis=1)
    medians = _medians(nuclei.area_um2[members], group, counts.ravel()).reshape(counts.shape)
    columns: Columns = {"n_nuclei": total}
    columns |= {f"n_{name}": counts[:, code] for code, name in enumerate(classes)}
    columns |= {f"frac_{name}": _ratio(counts[:, code], total) for code, name in enumerate(classes)}
    columns |= {
        f"{name}_per_mm2": _ratio(counts[:, code], tissue_mm2) for code, name in enumerate(classes)
    }
    columns |= _ratios(counts, classes)
    columns |= {f"{name}_area_um2_median": medians[:, code] for code, name in enumerate(classes)}
    for code, name in enumerate(classes):
        columns |= _expected(regions, nuclei.class_probabilities[members, code], total, name)
    return columns


def _ratio(
    above: NDArray[np.int64], below: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    undefined = np.full(len(above), np.nan)
    return np.divide(above, below, out=undefined, where=below > 0)


def _ratios(counts: NDArray[np.int64], classes: tuple[str, ...]) -> Columns:
    columns: Columns = {
        column: _ratio(counts[:, classes.index(above)], counts[:, classes.index(below)])
        for column, (above, below) in _RATIOS.items()
        if above in classes and below in classes
    }
    immune = [code for code, name in enumerate(classes) if name in _IMMUNE]
    if immune:
        columns["immune_fraction"] = _ratio(counts[:, immune].sum(axis=1), counts.sum(axis=1))
    return columns


def _medians(
    values: NDArray[np.float32], group: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the median of each group of values; `sizes` says how many each has."""
    ordered = values[np.lexsort((values, group))].astype(np.float64)
    medians = np.full(len(sizes), np.nan)
    filled = np.flatnonzero(sizes)
    start = (np.cumsum(sizes) - sizes)[filled]
    lower, upper = start + (sizes[filled] - 1) // 2, start + sizes[filled] // 2
    medians[filled] = (ordered[lower] + ordered[upper]) / 2
    return medians


def _expected(
    regions: NDArray[np.int64],
    probability: NDArray[np.float32],
    total: NDArray[np.int64],
    name: str,
) -> Columns:
    weights = np.clip(probability.astype(np.float64), 0, 1)
    mean = np.bincount(regions, weights, len(total)).astype(np.float64)
    variance = np.bincount(regions, weights * (1 - weights), len(total)).astype(np.float64)
    margin = _Z95 * np.sqrt(variance)
    return {
        f"expected_{name}": mean,
        f"{name}_low": np.clip(mean - margin, 0, total),
        f"{name}_high": np.clip(mean + margin, 0, total),
    }

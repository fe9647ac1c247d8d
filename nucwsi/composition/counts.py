"""What a region is made of: the columns of ``composition.csv`` and ``morphometry.csv``.

Whatever is undefined, such as a share of no nuclei, is NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.disagreement import disagreement_of_counts
from nucwsi.composition.group_stats import percentiles, spread
from nucwsi.composition.intervals import count_interval, widened

#: Column -> the two classes whose counts it divides.
_RATIOS = {
    "neutrophil_lymphocyte_ratio": ("neutrophil", "lymphocyte"),
    "lymphocyte_epithelial_ratio": ("lymphocyte", "epithelial"),
}

_IMMUNE = {"neutrophil", "lymphocyte", "plasma", "eosinophil", "inflammatory"}

_PERCENT = (5, 25, 50, 75, 95)

#: Column -> one value a row.
Columns = dict[str, NDArray[Any]]


class Population(NamedTuple):
    """N nuclei of a slide, C classes.

    Attributes
    ----------
    class_code : (N,) ndarray of uint8
        Index of the class; C for a nucleus without one.
    class_probabilities : (N, C) ndarray of float32
    features : dict of str to (N,) ndarray of float32
        What is measured of a nucleus, with its unit in the name; ``area_um2`` at least. Not
        negative; NaN where it is not known.
    contrasts : (N, Q · C) ndarray of float32
        Contrasts between the answers of an ensemble, by contrast, then class.
    """

    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    features: dict[str, NDArray[np.float32]]
    contrasts: NDArray[np.float32]


def composition(
    pairs: NDArray[np.int64],
    nuclei: Population,
    classes: tuple[str, ...],
    tissue_mm2: NDArray[np.float64],
    count_error: NDArray[np.float64],
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
    count_error : (C,) ndarray of float64
        Standard deviation of what the count of each class is off for reasons that nuclei share, as
        a share of a region's nuclei; see `calibration.count_error`.

    Returns
    -------
    dict of str to (R,) ndarray
        In the order of the table: ``n_nuclei``, ``n_<class>``, ``n_unclassified``,
        ``frac_<class>``, ``<class>_per_mm2`` of tissue, ratios of counts, ``immune_fraction`` (both
        only if the classes are known), ``<class>_area_um2_median``, and ``expected_<class>`` with
        the 95 % interval ``<class>_low`` to ``<class>_high``.

    Notes
    -----
    Each nucleus is of a class with its own probability, so the number of them in a region is
    Poisson-binomial (`intervals.count_interval`) if the probabilities are true and independent.
    What they are not, and what was not found, is in `count_error` and, of an ensemble, in how far
    its answers lie apart (`intervals.widened`).
    """
    regions, members = pairs
    n_regions, n_classes = len(tissue_mm2), len(classes)
    group = regions * (n_classes + 1) + nuclei.class_code[members]
    size = n_regions * (n_classes + 1)
    counts = np.bincount(group, minlength=size).reshape(n_regions, n_classes + 1)
    total = counts.sum(axis=1)
    [medians] = percentiles(nuclei.features["area_um2"][members], group, size, (50,))
    medians = medians.reshape(counts.shape)
    columns: Columns = {"n_nuclei": total}
    columns |= {f"n_{name}": counts[:, code] for code, name in enumerate(classes)}
    columns["n_unclassified"] = counts[:, n_classes]
    columns |= {f"frac_{name}": _ratio(counts[:, code], total) for code, name in enumerate(classes)}
    columns |= {
        f"{name}_per_mm2": _ratio(counts[:, code], tissue_mm2) for code, name in enumerate(classes)
    }
    columns |= _ratios(counts, classes)
    columns |= {f"{name}_area_um2_median": medians[:, code] for code, name in enumerate(classes)}
    apart = disagreement_of_counts(regions, nuclei.contrasts[members], n_classes, n_regions)
    shared_sd = np.hypot(total[:, None] * count_error, apart)
    for code, name in enumerate(classes):
        probability = nuclei.class_probabilities[members, code]
        expected, low, high = count_interval(regions, probability, n_regions)
        interval = (expected, *widened(expected, low, high, shared_sd[:, code]))
        names = (f"expected_{name}", f"{name}_low", f"{name}_high")
        columns |= dict(zip(names, interval, strict=True))
    return columns


def morphometry(
    pairs: NDArray[np.int64], nuclei: Population, classes: tuple[str, ...], n_regions: int
) -> Columns:
    """Describe the features of the nuclei of each region and class, one row each.

    Parameters
    ----------
    pairs : (2, K) ndarray of int64
        As for `composition`.
    nuclei : Population
    classes : tuple of str
        The C class names.
    n_regions : int

    Returns
    -------
    dict of str to (rows,) ndarray
        ``region`` (its index), ``class``, ``feature``, ``n``, ``mean``, ``sd`` and percentiles
        ``p5`` to ``p95``, by region, class and feature; no row where there is no nucleus.
    """
    regions, members = pairs
    known = nuclei.class_code[members] < len(classes)
    regions, members = regions[known], members[known]
    group = regions * len(classes) + nuclei.class_code[members]
    n_groups = n_regions * len(classes)
    found = [
        spread(values[members], group, n_groups, _PERCENT) for values in nuclei.features.values()
    ]
    # A row each of groups, then features.
    n = np.stack([part.n for part in found], axis=1).ravel()
    filled = np.flatnonzero(n)
    owner, feature = np.divmod(filled, len(found))
    columns: Columns = {
        "region": owner // len(classes),
        "class": np.array(classes, object)[owner % len(classes)],
        "feature": np.array(list(nuclei.features), object)[feature],
        "n": n[filled],
        "mean": np.stack([part.mean for part in found], axis=1).ravel()[filled],
        "sd": np.stack([part.sd for part in found], axis=1).ravel()[filled],
    }
    every = np.stack([part.percentiles for part in found], axis=2)
    columns |= {
        f"p{share}": values.ravel()[filled] for share, values in zip(_PERCENT, every, strict=True)
    }
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

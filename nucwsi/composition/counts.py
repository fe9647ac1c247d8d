"""What a region is made of: the columns of ``composition.csv`` and ``morphometry.csv``.

What is undefined, such as a share of no nuclei, is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.group_stats import GroupStats, group_percentiles, group_stats
from nucwsi.composition.intervals import CountError, estimate_counts
from nucwsi.composition.look import stretch_of
from nucwsi.composition.membership import Membership

#: Column -> the two classes whose counts it divides.
_RATIOS = {
    "neutrophil_lymphocyte_ratio": ("neutrophil", "lymphocyte"),
    "lymphocyte_epithelial_ratio": ("lymphocyte", "epithelial"),
}

#: Classes that ``immune_fraction`` counts.
_IMMUNE = {"neutrophil", "lymphocyte", "plasma", "eosinophil", "inflammatory"}

#: Percentiles of ``morphometry.csv``, in its order.
_PERCENT = (5, 25, 50, 75, 95)

#: Column name -> one value for each row.
Columns = dict[str, NDArray[Any]]


class Population(NamedTuple):
    """N nuclei of a slide, and what is known of each.

    Columns are taken one at a time, so a mapping may read each when it is asked for.

    Attributes
    ----------
    class_code : (N,) ndarray of uint8
        Index of the class; C for a nucleus without a class.
    class_probabilities : mapping of str to (N,) ndarray of float32
        Name of each of the C classes -> its probability, 0 to 1.
    features : mapping of str to (N,) ndarray of float32
        Measurement -> values, with the unit in its name; ``area_um2`` at least. Not negative; NaN
        where it is not known.
    contrasts : mapping of str to (N,) ndarray of float32
        `disagreement.contrast_names` -> contrasts between the answers of an ensemble, Q · C.
    """

    class_code: NDArray[np.uint8]
    class_probabilities: Mapping[str, NDArray[np.float32]]
    features: Mapping[str, NDArray[np.float32]]
    contrasts: Mapping[str, NDArray[np.float32]]


def composition(
    membership: Membership,
    nuclei: Population,
    classes: tuple[str, ...],
    tissue_mm2: NDArray[np.float64],
    error: CountError,
    distance: NDArray[np.float64] | None = None,
) -> Columns:
    """Count the nuclei of each region by class.

    Parameters
    ----------
    membership : Membership
        Which nuclei each of R regions holds.
    nuclei : Population
        All nuclei.
    classes : tuple of str
        The C class names.
    tissue_mm2 : (R,) ndarray of float64
        Tissue in each region, in mm².
    error : CountError
        By how much counts of the C classes are off beyond chance.
    distance : (R,) ndarray of float64, optional
        How far the nuclei of each region are from those that were learnt from
        (`domain.Domain.distance`); NaN where it is not known.

    Returns
    -------
    dict of str to (R,) ndarray
        In the order of the table: ``n_nuclei``, ``n_<class>``, ``n_unclassified``,
        ``frac_<class>`` of all nuclei, ``<class>_per_mm2`` of tissue, ratios of counts and
        ``immune_fraction`` (where the classes they need exist), ``<class>_area_um2_median``,
        ``expected_<class>`` with the 95 % interval ``<class>_low`` to ``<class>_high``, in nuclei,
        ``domain_distance`` and ``out_of_domain``: ``yes``, ``no``, or empty where it is not known.

    Notes
    -----
    Each nucleus is of a class with its own probability, so the count of a class in a region is
    Poisson-binomial if the probabilities are right and independent. They are not quite, and some
    nuclei are missed: `error`, times `distance` beyond the domain, and the disagreement of an
    ensemble widen the intervals accordingly. See `intervals.CountEstimate`.
    """
    n_classes, area = len(classes), nuclei.features["area_um2"]

    def _by_class(
        region: NDArray[np.int32], members: NDArray[np.int32], n_regions: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        group = region * (n_classes + 1) + nuclei.class_code[members]
        size = (n_classes + 1) * n_regions
        counts = np.bincount(group, minlength=size)
        return counts, group_percentiles(area[members], group, size, (50,))[0]

    by_class = membership.by_group(_by_class)
    counts, medians = (values.reshape(-1, n_classes + 1) for values in by_class)
    total = counts.sum(axis=1)
    columns: Columns = {"n_nuclei": total}
    columns |= {f"n_{name}": counts[:, code] for code, name in enumerate(classes)}
    columns["n_unclassified"] = counts[:, n_classes]
    columns |= {f"frac_{name}": _ratio(counts[:, code], total) for code, name in enumerate(classes)}
    columns |= {
        f"{name}_per_mm2": _ratio(counts[:, code], tissue_mm2) for code, name in enumerate(classes)
    }
    columns |= _ratios(counts, classes)
    columns |= {f"{name}_area_um2_median": medians[:, code] for code, name in enumerate(classes)}
    answers = nuclei.class_probabilities.values(), nuclei.contrasts.values()
    estimate = estimate_counts(membership, *answers)
    if distance is None:
        distance = np.full(len(total), np.nan)
    low, high = estimate.interval(error, stretch_of(distance))
    for code, name in enumerate(classes):
        columns[f"expected_{name}"] = estimate.expected[:, code]
        columns[f"{name}_low"], columns[f"{name}_high"] = low[:, code], high[:, code]
    columns["domain_distance"] = distance
    said = np.where(distance > 1, "yes", "no").astype(object)
    columns["out_of_domain"] = np.where(np.isnan(distance), "", said)
    return columns


def morphometry(membership: Membership, nuclei: Population, classes: tuple[str, ...]) -> Columns:
    """Describe how the features of the nuclei of each region and class are distributed.

    Parameters
    ----------
    membership : Membership
        Which nuclei each of R regions holds.
    nuclei : Population
        All nuclei; those without a class are left out.
    classes : tuple of str
        The C class names.

    Returns
    -------
    dict of str to (rows,) ndarray
        ``region`` (its index), ``class``, ``feature``, ``n``, and in the unit of the feature
        ``mean``, ``sd`` and percentiles ``p5`` to ``p95``. One row for each region, class and
        feature that has a value, in this order.
    """
    code, n_classes = nuclei.class_code, len(classes)

    def _distribution(values: NDArray[np.float32]) -> GroupStats:
        def _made(
            region: NDArray[np.int32], members: NDArray[np.int32], n_regions: int
        ) -> GroupStats:
            group = region * n_classes + code[members]
            classed = code[members] < n_classes
            if not classed.all():
                group, members = group[classed], members[classed]
            return group_stats(values[members], group, n_regions * n_classes, _PERCENT)

        return GroupStats(*membership.by_group(_made))

    stats = [_distribution(values) for values in nuclei.features.values()]
    # One row for each group, then feature.
    n = np.stack([of_feature.n for of_feature in stats], axis=1).ravel()
    filled = np.flatnonzero(n)
    owner, feature = np.divmod(filled, len(stats))
    columns: Columns = {
        "region": owner // len(classes),
        "class": np.array(classes, object)[owner % len(classes)],
        "feature": np.array(list(nuclei.features), object)[feature],
        "n": n[filled],
        "mean": np.stack([of_feature.mean for of_feature in stats], axis=1).ravel()[filled],
        "sd": np.stack([of_feature.sd for of_feature in stats], axis=1).ravel()[filled],
    }
    percentiles = np.stack([of_feature.percentiles for of_feature in stats], axis=2)
    columns |= {
        f"p{share}": values.ravel()[filled]
        for share, values in zip(_PERCENT, percentiles, strict=True)
    }
    return columns


def _ratio(
    above: NDArray[np.int64], below: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    undefined = np.full(len(above), np.nan)
    return np.divide(above, below, out=undefined, where=below > 0)


def _ratios(counts: NDArray[np.int64], classes: tuple[str, ...]) -> Columns:
    """Return the columns that compare classes, from counts (R, C + 1) by region and class."""
    columns: Columns = {
        column: _ratio(counts[:, classes.index(above)], counts[:, classes.index(below)])
        for column, (above, below) in _RATIOS.items()
        if above in classes and below in classes
    }
    immune = [code for code, name in enumerate(classes) if name in _IMMUNE]
    if immune:
        columns["immune_fraction"] = _ratio(counts[:, immune].sum(axis=1), counts.sum(axis=1))
    return columns

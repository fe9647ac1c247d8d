"""The comparison of groups as tables: ``groups.csv`` and ``patients.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.groups import MIN_PATIENTS
from nucwsi.composition.patients import PatientCounts
from nucwsi.report.group_section import Compared, GroupSection

#: Columns of the tables where there is no row.
_GROUPS = (
    *("compare", "region_class", "pair", "measure", "class", "group_a", "group_b", "n_a", "n_b"),
    *("median_a", "median_b", "difference", "low", "high", "p_value", "note"),
)
_PATIENTS = ("compare", "region_class", "group", "patient", "slides", "tissue_area_mm2", "n_nuclei")


def group_tables(
    sections: Sequence[GroupSection],
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Lay out comparisons as tables.

    Parameters
    ----------
    sections : sequence of GroupSection
        One for each column that was compared.

    Returns
    -------
    groups : dict of str to (rows,) ndarray
        Columns of ``groups.csv``: one row for each comparison of two groups in a class of nuclei.
    patients : dict of str to (rows,) ndarray
        Columns of ``patients.csv``: one row for each patient in each group.
    """
    groups: list[dict[str, Any]] = []
    patients: list[dict[str, Any]] = []
    for section in sections:
        for scope in section.scopes:
            where = {"compare": section.column, "region_class": scope.region_class}
            groups += [_group_row(where, section.pair, one) for one in scope.compared]
            patients += [_patient_row(where, one, section.classes) for one in scope.patients]
    return _columns(groups, _GROUPS), _columns(patients, _PATIENTS)


def _group_row(where: dict[str, str], pair: str, one: Compared) -> dict[str, Any]:
    found = one.difference
    few = min(found.n_a, found.n_b) < MIN_PATIENTS
    return {
        **where,
        "pair": pair,
        "measure": one.measure,
        "class": one.class_name,
        "group_a": one.group_a,
        "group_b": one.group_b,
        **found._asdict(),
        "note": f"fewer than {MIN_PATIENTS} patients: not tested" if few else "",
    }


def _patient_row(
    where: dict[str, str], one: PatientCounts, classes: Sequence[str]
) -> dict[str, Any]:
    return {
        **where,
        "group": one.group,
        "patient": one.patient,
        "slides": ";".join(one.slides),
        "tissue_area_mm2": one.tissue_mm2,
        "n_nuclei": one.n_nuclei,
        **dict(zip((f"n_{name}" for name in classes), one.counts.tolist(), strict=True)),
        **dict(zip((f"frac_{name}" for name in classes), one.fraction.tolist(), strict=True)),
        **dict(zip((f"{name}_per_mm2" for name in classes), one.per_mm2.tolist(), strict=True)),
    }


def _columns(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Turn rows of equal keys into columns; without rows there are those of `names`."""
    return {
        name: np.array([row[name] for row in rows], object) for name in (rows[0] if rows else names)
    }

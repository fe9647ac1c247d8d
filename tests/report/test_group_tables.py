"""The tables of groups and patients: the numbers of the comparison, read back by pandas."""

import pandas as pd
import pytest
from cohort_made import CLASSES, cohort

from nucwsi.io.csv_table import write_csv
from nucwsi.report.group_section import group_section
from nucwsi.report.group_tables import group_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    section = group_section(cohort(), CLASSES, "group", "patient", "patient")
    for name, table in zip(("groups", "patients"), group_tables([section]), strict=True):
        write_csv(folder / f"{name}.csv", table)
    return section, pd.read_csv(folder / "groups.csv"), pd.read_csv(folder / "patients.csv")


def test_groups_can_be_computed_anew_from_patients(tables):
    _, groups, patients = tables
    assert len(groups) == 2 * 2 * len(CLASSES), "scopes, measures, classes"
    for one in groups.to_dict("records"):
        column = f"frac_{one['class']}" if one["measure"] == "frac" else f"{one['class']}_per_mm2"
        scope = patients[patients["region_class"] == one["region_class"]]
        values = scope.pivot(index="patient", columns="group", values=column)
        assert one["median_a"] == pytest.approx(values["before"].median(), rel=1e-6)
        within = (values["after"] - values["before"]).median()
        assert one["difference"] == pytest.approx(within, rel=1e-5)
        assert one["low"] <= one["difference"] <= one["high"]
        assert (one["n_a"], one["pair"]) == (6, "patient")


def test_patients_name_their_slides(tables):
    _, _, patients = tables
    first = patients[(patients["patient"] == "P0") & (patients["group"] == "after")].iloc[0]
    assert first["slides"] == "s0-after-0;s0-after-1"
    assert first["n_nuclei"] == sum(first[f"n_{name}"] for name in CLASSES)


def test_few_patients_are_noted_and_have_no_interval(tmp_path):
    section = group_section(cohort(2), CLASSES, "group", "patient", "")
    write_csv(tmp_path / "groups.csv", group_tables([section])[0])
    groups = pd.read_csv(tmp_path / "groups.csv")
    assert groups[["low", "high", "p_value"]].isna().all(axis=None)
    assert set(groups["note"]) == {"fewer than 3 patients: not tested"}


def test_without_a_comparison_the_tables_have_columns_alone():
    groups, patients = group_tables([])
    assert {"difference", "low", "high"} < set(groups)
    assert {"patient", "slides"} < set(patients)
    assert all(len(values) == 0 for values in (*groups.values(), *patients.values()))

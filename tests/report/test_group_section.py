"""Groups compared: every number against pandas, and what makes a comparison less than it seems."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cohort_made import CLASSES, cohort, row

from nucwsi.report.checks import Check
from nucwsi.report.group_section import group_section


def frame(rows):
    return pd.DataFrame(
        [
            {
                **one.further,
                "slide": one.name,
                "tissue": float(one.whole.tissue),
                "nuclei": one.whole.n,
                **{part.name: part.n for part in one.whole.parts},
            }
            for one in rows
        ]
    )


def expected(rows, measure):
    """Each patient in each group, joined and divided by pandas."""
    sums = frame(rows).groupby(["group", "patient"], sort=False).sum(numeric_only=True)
    return sums[list(CLASSES)].div(sums["tissue" if measure == "per_mm2" else "nuclei"], axis=0)


@pytest.mark.parametrize("measure", ["frac", "per_mm2"])
def test_medians_and_differences_are_those_of_pandas(measure):
    rows = cohort()
    [whole, tumour] = group_section(rows, CLASSES, "group", "patient", "").scopes
    assert (whole.region_class, tumour.region_class) == ("Slide", "Tumour")
    values = expected(rows, measure)
    found = [one for one in whole.compared if one.measure == measure]
    assert [one.class_name for one in found] == list(CLASSES)
    for one in found:
        before, after = (values.loc[g][one.class_name] for g in ("before", "after"))
        assert (one.group_a, one.group_b) == ("before", "after")
        assert one.difference.n_a == one.difference.n_b == 6
        assert one.difference.median_a == pytest.approx(before.median())
        assert one.difference.median_b == pytest.approx(after.median())
        assert one.difference.difference == pytest.approx(after.median() - before.median())
        assert one.difference.low < one.difference.difference < one.difference.high
    stand_out = {one.class_name for one in found if one.stands_out}
    assert "inflammatory" in stand_out if measure == "frac" else True


def test_pairs_are_differences_within_patients():
    rows = cohort()
    section = group_section(rows, CLASSES, "group", "patient", "patient")
    values = expected(rows, "frac")
    within = values.loc["after"] - values.loc["before"]
    for one in section.scopes[0].compared[: len(CLASSES)]:
        assert one.difference.difference == pytest.approx(within[one.class_name].median())
    assert section.notes == ()


def test_patients_of_both_groups_are_said_unless_they_are_paired():
    notes = group_section(cohort(), CLASSES, "group", "patient", "").notes
    assert [note for note in notes if note.startswith("In both before and after: P0, P1")]


def test_a_large_p_beside_an_interval_without_0_is_contrary():
    compared = group_section(cohort(), CLASSES, "group", "patient", "patient").scopes[0].compared
    [one] = [one for one in compared if one[:2] == ("frac", "inflammatory")]
    assert one.stands_out, "all six pairs differ in one direction"
    assert one.difference.p_value == 0.125
    assert one.contrary
    clear = one._replace(difference=one.difference._replace(p_value=0.05))
    unsure = one._replace(difference=one.difference._replace(low=-1.0, high=1.0))
    assert not clear.contrary
    assert not unsure.contrary


def test_slides_to_look_at_are_counted_by_group():
    fault = Check("Focus", "65 % blurred", "review", "")
    rows = [
        replace(one, checks=(fault,)) if one.name in {"s0-after-0", "s0-after-1"} else one
        for one in cohort()
    ]
    [note] = group_section(rows, CLASSES, "group", "patient", "patient").notes
    assert note.endswith("all the same: 0 of 6 in before, 2 of 7 in after.")


def test_slides_without_group_or_patient_are_said():
    rows = [*cohort(), row("x", (1, 2, 3), 1.0, patient="P0", group="")]
    rows.append(row("y", (1, 2, 3), 1.0, patient="", group="after"))
    notes = " ".join(group_section(rows, CLASSES, "group", "patient", "").notes)
    assert "the sheet names no group for them: x." in notes
    assert "names no patient for y: each counts as a patient of its own" in notes
    paired = group_section(rows, CLASSES, "group", "patient", "patient")
    assert "names no patient for y: left out" in " ".join(paired.notes)
    assert {one.patient for one in paired.scopes[0].patients} == {f"P{at}" for at in range(6)}


def test_patients_of_one_group_alone_are_left_out_of_pairs_and_named():
    rows = [*cohort(), row("x", (1, 2, 3), 1.0, patient="P9", group="after")]
    section = group_section(rows, CLASSES, "group", "patient", "patient")
    assert section.notes == ("Left out of before and after, because not in both: P9.",)
    assert "P9" not in {one.patient for one in section.scopes[0].patients}


def test_without_patients_each_slide_is_one_and_that_is_said():
    rows = [row(f"s{at}", (at + 1, 5, 5), 1.0, group="ab"[at % 2]) for at in range(8)]
    section = group_section(rows, CLASSES, "group", "patient", "")
    assert "no column patient: each slide counts as a patient" in section.notes[0]
    assert section.scopes[0].compared[0].difference.n_a == 4


def test_fewer_than_three_patients_are_said_and_not_tested():
    section = group_section(cohort(2), CLASSES, "group", "patient", "patient")
    assert "Patients: 2 in both before and after. Fewer than 3 are not tested" in section.notes[0]
    assert all(one.untested for one in section.scopes[0].compared)
    assert not np.isnan(section.scopes[0].compared[0].difference.difference)


@pytest.mark.parametrize("groups", ["", "aaaa"])
def test_one_group_is_nothing_to_compare(groups):
    rows = [row(f"s{at}", (1, 2, 3), 1.0, group=group) for at, group in enumerate(groups)]
    section = group_section(rows or cohort()[:0], CLASSES, "group", "patient", "")
    assert section.scopes == ()
    assert "nothing to compare" in section.notes[-1]


def test_more_than_two_groups_are_compared_pair_by_pair():
    rows = [row(f"s{at}", (at + 1, 5, 5), 1.0, group="cab"[at % 3]) for at in range(9)]
    section = group_section(rows, CLASSES, "group", "patient", "")
    assert section.groups == ("c", "a", "b"), "in the order of the sheet"
    pairs = list(dict.fromkeys((o.group_a, o.group_b) for o in section.scopes[0].compared))
    assert pairs == [("c", "a"), ("c", "b"), ("a", "b")]


def test_a_slide_without_tissue_or_of_other_classes_is_no_value():
    rows = [*cohort(), row("empty", (0, 0, 0), 0.0, patient="P9", group="after")]
    compared = group_section(rows, CLASSES, "group", "patient", "").scopes[0].compared
    assert {one.difference.n_b for one in compared} == {6}

"""Corrected numbers are read from the table as they stand there."""

import pytest

from nucwsi.io.review.corrected import Corrected, DrawUsed
from nucwsi.report.review_notes import CorrectedCohort, ReviewNotes, corrected_regions

ROW = {
    "region_source": "user",
    "region_name": "x",
    "n_nuclei": "9",
    "n_a": "5",
    "n_labels": "7",
} | {
    f"{stem}{end}": text
    for stem, cells in {
        "corrected_nuclei": "12,10,14",
        "corrected_a": "6,5,8",
        "corrected_frac_a": "0.5,0.25,0.75",
    }.items()
    for end, text in zip(("", "_low", "_high"), cells.split(","), strict=True)
}


def test_numbers_stand_beside_what_was_found_and_empty_rows_are_left_out():
    empty = ROW | {"corrected_nuclei": ""}
    [region] = corrected_regions([empty, ROW], ["a"])
    nuclei, one = region.parts
    assert (region.name, region.n_labels) == ("x", 7)
    assert (nuclei.found, nuclei.value) == (9, 12)
    assert (one.found, one.low, one.high) == (5, 5, 8)
    assert one.percent == (50, 25, 75)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="could not convert"):
        corrected_regions([ROW | {"corrected_a": "x"}], ["a"])
    with pytest.raises(KeyError):
        corrected_regions([{"corrected_nuclei": "1"}], ["a"])


def test_draws_are_added_up():
    draw = DrawUsed(key="k", labels=9, answered=8, frames=3, looked_through=2, missed=1)
    record = Corrected(
        slide="s",
        classes=("a",),
        network=1,
        draws=(draw, draw),
        more_labels=1,
        more_frames=2,
        tissue_mm2=1,
        found=(1,),
        remarks=("r",),
    )
    notes = ReviewNotes.of(record)
    assert (notes.labels, notes.answered, notes.looked_through, notes.missed) == (18, 16, 4, 2)


def test_all_slides_together_have_number_share_and_density_each_with_its_interval():
    row = ["cohort", "", 3, 90, "a", 40, 0.2, 4.0, 50, 45, 55, 0.25, 0.2, 0.3, 5.0, 4.5, 5.5]
    cohort = CorrectedCohort.of([row], "corrected.csv")
    assert (cohort.n_slides, cohort.n_labels, cohort.address) == (3, 90, "corrected.csv")
    [part] = cohort.parts
    assert part.name == "a"
    assert part.found == (40, 20, 4)
    assert [tuple(three) for three in part.corrected] == [(50, 45, 55), (25, 20, 30), (5, 4.5, 5.5)]

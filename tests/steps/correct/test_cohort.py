"""A cohort: its corrected numbers are the sum of those of its slides."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import refused, succeeded
from reviewed import exported, made_results, nuclei_in, set_class
from shown import Page, an_assessment

from nucwsi.classes import CONIC
from nucwsi.io.csv_table import TEXTS, read_csv
from nucwsi.io.review.corrected import read_record
from nucwsi.report.review_notes import ReviewNotes


@pytest.fixture
def cohort(tmp_path):
    folder = tmp_path / "all"
    for n in range(3):
        made_results(folder / f"s{n}", n=400 + 200 * n, seed=n, regions=False, name=f"s{n}")
    tables = [folder / f"s{n}" / "composition.csv" for n in range(3)]
    succeeded("summary", *tables, "-o", folder / "composition.csv")
    return folder


def answers_to(cohort, folder, *words):
    """Draw from a cohort, and answer everything as the network does, but one class otherwise."""
    printed = succeeded("review", cohort, "-o", folder / "w.geojson", "--labels", 90, *words)
    paths = []
    for line in printed.output.splitlines():
        document = json.loads((folder / line).read_text())
        for one in nuclei_in(document)[::3]:
            set_class(one, "plasma")
        paths.append(exported(folder / f"answers {len(paths)}.geojson", document))
    return paths


def test_the_cohort_is_the_sum_of_its_slides(cohort, tmp_path):
    succeeded("correct", cohort, *answers_to(cohort, tmp_path))
    table = pd.read_csv(cohort / "corrected.csv", keep_default_na=False)
    whole = table[table["scope"] == "cohort"].set_index("class")
    slides = table[table["scope"] == "slide"]
    assert set(whole["n_slides"]) == {3}
    assert set(whole["n_labels"]) == {90}
    for name in CONIC:
        own = slides[slides["class"] == name]
        assert whole.loc[name, "corrected_count"] == pytest.approx(own["corrected_count"].sum())
        assert whole.loc[name, "found_count"] == own["found_count"].sum()
        half, halves = (
            (rows["corrected_count_high"] - rows["corrected_count_low"]) / 2
            for rows in (whole.loc[name], own)
        )
        assert halves.max() < half < halves.sum(), "errors of slides cancel in part"
    assert whole["corrected_share"].sum() == pytest.approx(1)
    by_slide = pd.read_csv(cohort / "s1" / "composition.csv").iloc[0]
    own = slides[slides["slide"] == "s1"].set_index("class")
    for name in CONIC:
        assert own.loc[name, "corrected_share_low"] == pytest.approx(
            by_slide[f"corrected_frac_{name}_low"], rel=1e-6
        )


def test_the_report_shows_the_corrected_numbers_of_the_cohort_beside_what_was_found(
    cohort, tmp_path
):
    succeeded("correct", cohort, *answers_to(cohort, tmp_path)[:2])
    paths = [cohort / f"s{n}" / "assessment.json" for n in range(3)]
    for path in paths:
        record = read_record(path.with_name("corrected.json"))
        rows = read_csv(path.with_name("composition.csv"), ("region_source",), TEXTS)
        made = an_assessment(CONIC).model_copy(
            update={
                "composition": tuple(rows),
                "review": record and ReviewNotes.of(record),
            }
        )
        made = made.model_copy(update={"facts": made.facts.with_(slide=path.parent.name)})
        path.write_bytes(made.to_json())
    # What was reviewed once, but is not what the slide shows now, does not count.
    stale = paths[2].with_name("corrected.json")
    stale.write_bytes(paths[0].with_name("corrected.json").read_bytes())
    succeeded("report", *paths, "-o", cohort / "report.html")
    page = Page((cohort / "report.html").read_text("utf-8"))
    words = [" ".join(word.split()) for word in page.words if word.strip()]
    shown = words[words.index("Corrected by review") :]
    assert shown[1].startswith(f"{answered(paths[:2])} answers on 2 of 3 slides.")
    assert "corrected.csv" in page.addresses
    table = pd.read_csv(cohort / "corrected.csv", keep_default_na=False)
    whole = table[table["scope"] == "cohort"].set_index("class")
    for name in CONIC:
        at = shown.index(name.capitalize())
        found, count = shown[at + 2], shown[at + 6]
        assert found == f"{whole.loc[name, 'found_count']:,.0f}"
        value = float(whole.loc[name, "corrected_count"])
        assert float(count.replace(",", "")) == pytest.approx(value, rel=0.05)


def answered(paths):
    """Number of answers on the slides of some assessments."""
    return sum(json.loads(path.read_text())["review"]["answered"] for path in paths)


def test_the_joint_table_has_the_columns_although_a_slide_has_no_answers(cohort, tmp_path):
    before = pd.read_csv(cohort / "composition.csv")
    paths = answers_to(cohort, tmp_path, "--class", "mitosis")
    succeeded("correct", cohort, *paths[:2])
    after = pd.read_csv(cohort / "composition.csv")
    pd.testing.assert_frame_equal(after[before.columns], before)
    whole = after[after["region_source"] == "slide"].set_index("slide")
    assert whole["corrected_mitosis_high"].notna().tolist() == [True, True, False]
    made = pd.read_csv(cohort / "corrected.csv")
    assert set(made[made["scope"] == "cohort"]["n_slides"]) == {2}
    # What comes later joins what is there.
    succeeded("correct", cohort, paths[2])
    made = pd.read_csv(cohort / "corrected.csv")
    assert set(made[made["scope"] == "cohort"]["n_slides"]) == {3}


def test_summary_adds_up_the_records_as_correct_does(cohort, tmp_path):
    succeeded("correct", cohort, *answers_to(cohort, tmp_path))
    records = [cohort / f"s{n}" / "corrected.json" for n in range(3)]
    succeeded("summary", "--corrected", *records, "-o", tmp_path / "joined.csv")
    assert (tmp_path / "joined.csv").read_bytes() == (cohort / "corrected.csv").read_bytes()
    assert "does not exist" in refused(
        "summary", "--corrected", tmp_path / "none.json", "-o", tmp_path / "joined.csv"
    )
    records[0].write_text('{"kind": "corrected"}')
    line = refused("summary", "--corrected", *records, "-o", tmp_path / "joined.csv")
    assert str(records[0]) in line


def test_several_slides_do_not_share_one_output(cohort, tmp_path):
    paths = answers_to(cohort, tmp_path)
    assert "3 slides" in refused("correct", cohort, *paths, "-o", tmp_path / "out", code=2)


def test_answers_of_the_cohort_may_lie_in_one_table(cohort, tmp_path):
    succeeded("review", cohort, "-o", tmp_path / "w.geojson")
    rows = ["id,class,slide"]
    for n in range(3):
        document = json.loads((tmp_path / f"w.s{n}.geojson").read_text())
        numbers = [one["properties"]["nucleus_id"] for one in nuclei_in(document)]
        rows += [f"{number},plasma,s{n}" for number in numbers]
    (tmp_path / "answers.csv").write_text("\n".join([*rows, ""]))
    succeeded("correct", cohort, tmp_path / "answers.csv")
    made = [json.loads((cohort / f"s{n}" / "corrected.json").read_text()) for n in range(3)]
    assert [one["draws"][0]["answered"] == one["draws"][0]["labels"] for one in made] == [True] * 3
    assert np.sum([one["draws"][0]["answered"] for one in made]) == 100

"""`correct`: the round trip from a worklist through QuPath to corrected numbers of a slide."""

import gzip
import json
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from commands import refused, run, succeeded
from reviewed import centre, exported, frames_in, made_results, mark, nuclei_in, set_class, worklist
from tables_made import ORIGIN

from nucwsi.classes import CONIC
from nucwsi.io.regions.check import check_geojson
from nucwsi.io.review.results import read_results
from nucwsi.review.answers import NOT_A_NUCLEUS
from nucwsi.review.matching import nucleus_uuid


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrected") / "made"
    made_results(folder)
    return folder


@pytest.fixture
def results(untouched, tmp_path):
    shutil.copytree(untouched, tmp_path / "made")
    return tmp_path / "made"


@pytest.fixture
def drawn(results, tmp_path):
    return worklist(results, tmp_path / "worklist.geojson", "--class", "mitosis")


def record(results):
    return json.loads((results / "corrected.json").read_text())


def table(results):
    return pd.read_csv(results / "composition.csv").set_index("region_name")


def answered(results, tmp_path, document, name="answers.geojson"):
    path = exported(tmp_path / name, document)
    return succeeded("correct", results, path)


def test_confirmed_classes_leave_the_counts_near_what_was_found(results, drawn, tmp_path):
    before = table(results)
    answered(results, tmp_path, drawn)
    after = table(results)
    pd.testing.assert_frame_equal(after[before.columns], before)
    slide = after.loc["slide"]
    assert slide["n_labels"] == 100
    for name in CONIC:
        value, low, high = (slide[f"corrected_{name}{end}"] for end in ("", "_low", "_high"))
        assert low <= value <= high
        assert low <= slide[f"n_{name}"] <= high
        share = slide[f"corrected_frac_{name}"]
        assert share == pytest.approx(value / slide["corrected_nuclei"], rel=1e-6)
        density = slide[f"corrected_{name}_per_mm2"]
        assert density == pytest.approx(value / slide["tissue_area_mm2"], rel=1e-6)
    assert slide["corrected_mitosis"] == 0 < slide["corrected_mitosis_high"]
    assert np.isnan(after.loc["glass", "corrected_plasma"]), "three answers say nothing"
    assert after[after["region_source"] == "grid"]["corrected_plasma"].isna().all()


def test_changed_classes_false_and_missed_nuclei_move_the_counts(results, drawn, tmp_path):
    nuclei = nuclei_in(drawn)
    for one in nuclei[:30]:
        set_class(one, NOT_A_NUCLEUS)
    for one in nuclei[30:50]:
        set_class(one, "mitosis")
    for frame in frames_in(drawn)[:10]:
        x, y = centre(frame)
        drawn["features"] += [mark(x + 1, y, "plasma"), mark(x - 60, y - 60, "plasma")]
    answered(results, tmp_path, drawn)
    slide = table(results).loc["slide"]
    assert 500 < slide["corrected_mitosis"] < 700
    assert slide["corrected_mitosis_low"] >= 20
    made = record(results)
    assert made["draws"][0]["missed"] >= 15
    confusion = pd.read_csv(results / "confusion.csv")
    answers = confusion.groupby("answered")["n_labels"].sum()
    assert answers[NOT_A_NUCLEUS] == 30
    assert answers["mitosis"] == 20
    missed = confusion[confusion["predicted"] == "(missed)"].set_index("answered")
    assert missed.loc["plasma", "n_labels"] == made["draws"][0]["missed"]
    assert confusion[confusion["predicted"] != "(missed)"]["n_labels"].sum() == 100


def test_regions_for_qupath_carry_the_corrected_numbers(results, drawn, tmp_path):
    regions = results / "made.regions.geojson"
    before = json.loads(regions.read_text())
    answered(results, tmp_path, drawn)
    after = json.loads(regions.read_text())
    assert check_geojson(regions).n_faults == 0
    ring = table(results).loc["ring"]
    for old, new in zip(before["features"], after["features"], strict=True):
        old_values, values = (one["properties"].pop("measurements") for one in (old, new))
        assert old_values.items() <= values.items()
        assert old == new
        if new["properties"]["name"] == "ring":
            found = values["nucwsi: corrected_plasma_high"]
            assert found == pytest.approx(ring["corrected_plasma_high"], rel=1e-6)
    assert read_results(results).regions, "the checksum is that of the new file"


def test_to_correct_twice_is_to_correct_once(results, drawn, tmp_path):
    answered(results, tmp_path, drawn)
    kept = {p.name: p.read_bytes() for p in results.iterdir() if p.is_file()}
    answered(results, tmp_path, drawn)
    assert {p.name: p.read_bytes() for p in results.iterdir() if p.is_file()} == kept


def old_measurements(one):
    measured = one["properties"]["measurements"]
    one["properties"]["measurements"] = [{"name": k, "value": v} for k, v in measured.items()]


def without_metadata(one):
    del one["properties"]["metadata"]


def other_ids(one):
    one["id"] = nucleus_uuid("elsewhere", int(one["properties"].get("nucleus_id", 0)))


FORMS = {
    "0.4: no metadata": without_metadata,
    "before 0.4: a list of measurements": old_measurements,
    "imported twice: new ids": other_ids,
}


@pytest.mark.parametrize("change", FORMS.values(), ids=FORMS)
def test_every_answer_arrives_in_the_forms_of_each_version(results, drawn, tmp_path, change):
    for one in nuclei_in(drawn):
        set_class(one, "eosinophil")
        change(one)
    answered(results, tmp_path, drawn)
    assert record(results)["draws"][0]["answered"] == 100
    assert table(results).loc["slide", "corrected_frac_eosinophil"] > 0.9


@pytest.mark.parametrize("form", ["list", "gz", "zip", "csv", "tsv", "viewer", "detections"])
def test_every_answer_arrives_in_every_file(results, drawn, tmp_path, form):
    nuclei, frames = nuclei_in(drawn), frames_in(drawn)
    x, y = centre(frames[0])
    for one in nuclei:
        set_class(one, "plasma")
    path = tmp_path / f"answers.{form}"
    n_frames = len(frames)
    if form in {"list", "gz", "zip"}:
        path = tmp_path / "answers.geojson"
        exported(path, drawn)
        text = json.dumps(json.loads(path.read_text())["features"])
        if form == "list":
            path.write_text(text)
        elif form == "gz":
            path = path.with_name("answers.geojson.gz")
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path = tmp_path / "answers.zip"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.geojson", text)
    elif form == "viewer":
        path = tmp_path / "answers.json"
        rows = [{"id": o["id"], "class": "plasma", "time": "2026-01-01"} for o in nuclei]
        seen = [{"id": o["id"], "done": True, "missed": []} for o in frames]
        head = {"kind": "answers", "draw": drawn["nucwsi"]["draw"]["key"], "slide": "made"}
        path.write_text(json.dumps({**head, "answers": rows, "frames": seen}))
    elif form == "detections":
        path = tmp_path / "answers.geojson"
        for one in nuclei:
            one["id"] = nucleus_uuid("made", one["properties"]["nucleus_id"])
            one["properties"] = {
                "objectType": "detection",
                "classification": one["properties"]["classification"],
            }
        path.write_text(json.dumps([*nuclei, *frames]))
    else:
        comma = {"csv": ",", "tsv": "\t"}[form]
        rows = [f"{one['properties']['nucleus_id']}{comma}Plasma" for one in nuclei]
        rows += [f"{one['id']}{comma}done" for one in frames]
        path.write_text("\n".join([f"id{comma}class", *rows, ""]))
    succeeded("correct", results, path)
    made = record(results)["draws"][0]
    assert (made["answered"], made["looked_through"]) == (100, n_frames), (x, y)
    assert table(results).loc["slide", "corrected_frac_plasma"] > 0.9


def test_of_a_single_frame_no_interval_follows_and_it_is_said(results, drawn, tmp_path):
    """Damage at random (seed 4, case 134): the command said "nan to nan", and numpy warned."""
    nuclei, frames = nuclei_in(drawn), frames_in(drawn)
    ran = answered(results, tmp_path, {"features": [*nuclei, frames[0]]})
    assert ran.output.count("(interval not known)") == len(CONIC) + 1
    assert "nan" not in ran.output
    told = "frames of draw .* was looked through: how far off the corrected counts are is not known"
    assert re.search(told, " ".join(record(results)["remarks"]))
    slide = table(results).loc["slide"]
    assert slide["corrected_plasma"] > 0
    assert np.isnan(slide["corrected_plasma_high"])


def test_what_is_deleted_or_without_a_class_is_not_answered(results, drawn, tmp_path):
    nuclei, frames = nuclei_in(drawn), frames_in(drawn)
    gone = [*nuclei[:20], *frames[:5]]
    for one in (*nuclei[20:30], frames[5]):
        del one["properties"]["classification"]
    drawn["features"] = [one for one in drawn["features"] if one not in gone]
    ran = answered(results, tmp_path, drawn)
    made = record(results)
    assert (made["draws"][0]["answered"], made["draws"][0]["looked_through"]) == (70, 14)
    assert any("70 of the 100 nuclei" in line for line in made["remarks"])
    assert any("14 of the 20 frames" in line for line in made["remarks"])
    assert "70 of 100 nuclei answered" in ran.output


def test_a_blind_worklist_that_nobody_answered_is_no_answer(results, tmp_path):
    document = worklist(results, tmp_path / "w.geojson", "--blind")
    path = exported(tmp_path / "answers.geojson", document)
    made = run("correct", results, tmp_path / "w.geojson")
    assert made.exit_code == 1
    assert "no object is answered for" in made.output
    for one in nuclei_in(document)[:50]:
        set_class(one, "plasma")
    exported(path, document)
    succeeded("correct", results, path)
    assert record(results)["draws"][0]["answered"] == 50


def test_marks_count_as_missed_only_where_nothing_was_found(results, drawn, tmp_path):
    frame = frames_in(drawn)[0]
    corners = np.array(frame["geometry"]["coordinates"][0])
    (xmin, ymin), (xmax, ymax) = corners.min(axis=0), corners.max(axis=0)
    points = read_results(results).points - np.array(ORIGIN[::-1])
    inside = ((points > (xmin, ymin)) & (points < (xmax, ymax))).all(axis=1)
    assert inside.any()
    x, y = points[inside][0]
    region = {
        "type": "Feature",
        "id": "00000000-0000-4000-8000-00000000000a",
        "geometry": frame["geometry"],
        "properties": {"objectType": "annotation", "classification": "Tumor"},
    }
    drawn["features"] += [mark(x, y, "plasma"), mark(xmax + 500, y, "plasma"), region]
    answered(results, tmp_path, drawn)
    made = record(results)
    assert made["draws"][0]["missed"] == 0
    assert any("lie on a nucleus that was found" in line for line in made["remarks"])
    assert any("2 annotations lie outside" in line for line in made["remarks"])


def test_bad_answers_are_one_line_and_nothing_is_lost(results, drawn, tmp_path):
    kept = {p.name: p.read_bytes() for p in results.iterdir() if p.is_file()}
    first = nuclei_in(drawn)[0]
    ident = first["properties"]["nucleus_id"]

    def said(features, name="bad.geojson"):
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        line = refused("correct", results, path)
        assert str(path) in line
        assert {p.name: p.read_bytes() for p in results.iterdir() if p.is_file()} == kept
        return line

    twice = json.loads(json.dumps(first))
    set_class(twice, "mitosis")
    assert f"nucleus {ident} has two answers" in said([*drawn["features"], twice])
    strange = json.loads(json.dumps(drawn["features"]))
    set_class(nuclei_in({"features": strange})[0], "hepatocyte")
    line = said(strange)
    assert "'Hepatocyte'" in line
    assert "plasma" in line
    unclassed = [*drawn["features"], mark(*centre(frames_in(drawn)[0]), "")]
    assert "has no class" in said(unclassed)
    foreign = json.loads(json.dumps(first))
    foreign["properties"] |= {"nucleus_id": 999999, "metadata": {"nucleus_id": "999999"}}
    foreign["id"] = "00000000-0000-4000-8000-00000000000b"
    line = said([*drawn["features"], foreign])
    assert "00000000-0000-4000-8000-00000000000b is of no draw" in line
    (tmp_path / "bad.csv").write_text("id,class\n999999,plasma\n")
    assert "none of its 1 objects" in refused("correct", results, tmp_path / "bad.csv")
    assert "expected `id`" in refused("correct", results, results / "composition.csv")


def test_answers_of_another_slide_are_refused_by_name(results, drawn, tmp_path):
    other = tmp_path / "other"
    made_results(other, n=500, seed=9, regions=False)
    path = exported(tmp_path / "answers.geojson", drawn)
    assert "keeps no draw" in refused("correct", other, path)
    succeeded("review", other, "-o", tmp_path / "w.geojson", "--seed", 5)
    line = refused("correct", other, path)
    assert "of slide made" in line
    assert drawn["nucwsi"]["draw"]["key"] in line


def test_answers_to_older_results_are_refused_by_name(results, drawn, tmp_path):
    path = exported(tmp_path / "answers.geojson", drawn)
    newer = tmp_path / "newer"
    made_results(newer, seed=4)
    shutil.copytree(results / "review", newer / "review")
    for files in ((path,), (path, tmp_path / "worklist.geojson")):
        line = refused("correct", newer, *files)
        assert "older results of made" in line
        assert drawn["nucwsi"]["draw"]["key"] in line


def test_without_the_kept_draw_the_worklist_tells_of_it(results, drawn, tmp_path):
    shutil.rmtree(results / "review")
    path = exported(tmp_path / "answers.geojson", drawn)
    assert "name the worklist" in refused("correct", results, path)
    succeeded("correct", results, path, tmp_path / "worklist.geojson")
    assert record(results)["draws"][0]["answered"] == 100


def test_two_draws_together_are_narrower_than_one(results, drawn, tmp_path):
    one = exported(tmp_path / "one.geojson", drawn)
    second = worklist(results, tmp_path / "w2.geojson", "--seed", 2, "--class", "mitosis")
    two = exported(tmp_path / "two.geojson", second)
    succeeded("correct", results, one)
    wide = table(results).loc["slide"]
    succeeded("correct", results, one, two)
    narrow = table(results).loc["slide"]
    assert narrow["n_labels"] == 200
    for name in CONIC:
        width = [t[f"corrected_{name}_high"] - t[f"corrected_{name}_low"] for t in (wide, narrow)]
        assert width[1] < 0.9 * width[0]


def test_a_draw_from_regions_says_nothing_of_the_rest(results, tmp_path):
    words = ("--region", "ring", "--labels", 60, "--frames", 6)
    document = worklist(results, tmp_path / "w.geojson", *words)
    ran = answered(results, tmp_path, document)
    found = table(results)
    assert np.isnan(found.loc["slide", "corrected_plasma"])
    assert found.loc["ring", "n_labels"] == 60
    assert found.loc["ring", "corrected_plasma"] > 0
    assert "see its regions" in ran.output


def test_the_output_may_lie_elsewhere(results, drawn, tmp_path):
    kept = (results / "composition.csv").read_bytes()
    path = exported(tmp_path / "answers.geojson", drawn)
    succeeded("correct", results, path, "-o", tmp_path / "out")
    assert (results / "composition.csv").read_bytes() == kept
    names = {"composition.csv", "made.regions.geojson", "corrected.json", "confusion.csv"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names

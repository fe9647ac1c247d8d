"""`review`: what is drawn, from where, and how it is written."""

import json
import shutil

import numpy as np
import pytest
import shapely
from commands import refused, succeeded
from regions_made import SHAPES
from reviewed import frames_in, made_results, nuclei_in, worklist
from tables_made import ORIGIN

from nucwsi.io.regions.check import check_geojson
from nucwsi.io.review.results import read_results
from nucwsi.io.review.worklist import read_draws


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed") / "made"
    made_results(folder)
    return folder


def test_the_worklist_opens_in_qupath_and_holds_what_was_asked_for(results, tmp_path):
    document = worklist(results, tmp_path / "w.geojson", "--labels", 60, "--frames", 7)
    assert check_geojson(tmp_path / "w.geojson").n_faults == 0
    nuclei = nuclei_in(document)
    assert [one["properties"]["name"] for one in nuclei] == [f"{n:03d}" for n in range(1, 61)]
    assert len(frames_in(document)) == 7
    assert {one["properties"]["objectType"] for one in document["features"]} == {"annotation"}
    legend = [
        one["properties"]["classification"]["name"]
        for one in document["features"]
        if one["properties"]["name"].startswith("class ")
    ]
    assert legend[:2] == ["Neutrophil", "Epithelial"]
    assert legend[-1] == "Not a nucleus"
    slide = read_results(results)
    place = {int(i): p for i, p in zip(slide.ids, slide.points, strict=True)}
    for one in nuclei:
        outline = shapely.geometry.shape(one["geometry"])
        x, y = place[one["properties"]["nucleus_id"]] - np.array(ORIGIN[::-1])
        assert outline.centroid.distance(shapely.Point(x, y)) < 0.1


def test_every_object_carries_its_number_draw_and_probability(results, tmp_path):
    document = worklist(results, tmp_path / "w.geojson")
    for one in nuclei_in(document):
        properties = one["properties"]
        assert properties["metadata"]["nucleus_id"] == str(properties["nucleus_id"])
        assert properties["metadata"]["nucwsi_draw"] == document["nucwsi"]["draw"]["key"]
        assert 0 < properties["measurements"]["nucwsi review: probability"] <= 1
    frames = document["nucwsi"]["draw"]["frames"]
    assert all(0 < frame["probability"] <= 1 for frame in frames)


def test_the_same_results_draw_the_same_and_another_seed_draws_anew(results, tmp_path):
    one, two, other = (
        worklist(results, tmp_path / f"{n}.geojson", *words)
        for n, words in enumerate([(), ("--blind",), ("--seed", 2)])
    )
    ids = [[o["properties"]["nucleus_id"] for o in nuclei_in(d)] for d in (one, two, other)]
    assert ids[0] == ids[1] != ids[2]
    kept = {draw.key for draw in read_draws(results)}
    assert {one["nucwsi"]["draw"]["key"], other["nucwsi"]["draw"]["key"]} <= kept


def test_blind_hides_every_predicted_class(results, tmp_path):
    shown = nuclei_in(worklist(results, tmp_path / "a.geojson"))
    hidden = nuclei_in(worklist(results, tmp_path / "b.geojson", "--blind"))
    assert all("classification" in one["properties"] for one in shown)
    assert not any("classification" in one["properties"] for one in hidden)


def test_chosen_regions_alone_are_drawn_from(results, tmp_path):
    words = ("--region", "ring", "--region", "parts", "--labels", 40, "--frames", 4)
    document = worklist(results, tmp_path / "w.geojson", *words)
    area = (SHAPES["ring"] | SHAPES["parts"]) - SHAPES["cut"]
    moved = shapely.transform(area, lambda xy: xy - np.array(ORIGIN[::-1]))
    for one in nuclei_in(document):
        assert moved.buffer(0.1).contains(shapely.geometry.shape(one["geometry"]).centroid)
    for one in frames_in(document):
        assert moved.intersects(shapely.geometry.shape(one["geometry"]))


def test_users_regions_each_have_their_part(results, tmp_path):
    document = worklist(results, tmp_path / "w.geojson", "--labels", 100)
    shift = np.array(ORIGIN[::-1])
    parts = shapely.transform(SHAPES["parts"], lambda xy: xy - shift)
    inside = [
        parts.contains(shapely.geometry.shape(one["geometry"]).centroid)
        for one in nuclei_in(document)
    ]
    # 68 of 2951 nuclei: in proportion they would have two.
    assert sum(inside) > 5


def test_a_cohort_shares_the_labels_out(results, tmp_path):
    cohort = tmp_path / "all"
    for n, seed in enumerate((0, 1, 2)):
        made_results(cohort / f"s {n}", n=300 * (n + 1), seed=seed, regions=False)
    printed = succeeded("review", cohort, "-o", tmp_path / "w.geojson", "--labels", 30)
    files = [tmp_path / f"w.s {n}.geojson" for n in range(3)]
    assert printed.output.splitlines() == list(map(str, files))
    drawn = [len(nuclei_in(json.loads(path.read_text()))) for path in files]
    assert sum(drawn) == 30
    assert min(drawn) >= 2
    assert drawn == sorted(drawn)


def test_what_cannot_be_drawn_is_one_line(results, tmp_path):
    out = ("-o", tmp_path / "w.geojson")
    assert "'liver'" in refused("review", results, *out, "--region", "liver", code=2)
    assert "already" in refused("review", results, *out, "--class", "Plasma", code=2)
    assert "already" in refused("review", results, *out, "--class", "not a nucleus", code=2)
    assert "colon" in refused("review", results, *out, "--class", "a: b", code=2)
    assert "nuclei.parquet" in refused("review", tmp_path, *out, code=2)
    assert "worklist.geojson" in refused("review", results, "-o", tmp_path / "w.csv", code=2)
    assert "`labels`" in refused("review", results, *out, "--labels", 1, code=2)
    lacking = tmp_path / "lacking"
    shutil.copytree(results, lacking)
    (lacking / "composition.csv").unlink()
    assert "composition.csv" in refused("review", lacking, *out)
    assert not (tmp_path / "w.geojson").exists()


def test_regions_of_another_run_are_refused(results, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(results, other)
    text = (other / "composition.csv").read_text().replace(",ring,", ",rung,")
    (other / "composition.csv").write_text(text)
    assert "does not hold the regions" in refused("review", other, "-o", tmp_path / "w.geojson")


def test_a_slide_with_fewer_nuclei_than_labels_is_drawn_whole(tmp_path):
    made_results(tmp_path / "few", n=9, regions=False)
    document = worklist(tmp_path / "few", tmp_path / "w.geojson")
    assert len(nuclei_in(document)) == 9
    made_results(tmp_path / "none", n=0, regions=False)
    said = refused("review", tmp_path / "none", "-o", tmp_path / "w.geojson", code=2)
    assert "no nucleus" in said

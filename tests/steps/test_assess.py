"""`assess`: what it gathers of a slide, and what it refuses."""

import base64
import json
import re

import pytest
import simplejpeg
from commands import succeeded
from rasterio.features import rasterize
from shown import HOSTILE, assessed, phantom_nuclei, polygons_of, write_results

from nucwsi.config import AssessSettings
from nucwsi.errors import StoreError


def test_outlines_lie_on_the_nuclei_of_a_field(assessment_file):
    """Which are darker than what is around them."""
    crops = json.loads(assessment_file.read_text())["crops"]
    assert len(crops) == 3 * AssessSettings().crops
    for crop in crops:
        data = base64.b64decode(crop["image"].partition(",")[2])
        field = simplejpeg.decode_jpeg(data).mean(axis=2)
        assert crop["size"] == [512, 512]
        shapes = [shape for path in crop["paths"] for shape in polygons_of(path["d"])]
        inside = rasterize(shapes, out_shape=field.shape) > 0
        assert field[inside].mean() < field[~inside].mean() - 25
        centres = [shape.centroid for shape in shapes]
        within = sum(0 <= c.x < 512 and 0 <= c.y < 512 for c in centres)
        assert abs(within - crop["n"]) <= 2, "counted by the centroid of the whole outline"


def test_every_region_is_drawn_where_it_lies(assessment_file):
    document = json.loads(assessment_file.read_text())
    shown = [one for one in document["thumbnail"]["regions"] if one["source"] == "user"]
    names = [document["composition"][one["row"]]["region_name"] for one in shown]
    assert names == [" ".join(name.split()) for name in HOSTILE]
    # The thumbnail has 0.5 µm per pixel, level 0 a quarter.
    for at, one in enumerate(shown):
        assert {f"{x} {y}" for x in (100 * at, 100 * at + 2000) for y in (1000, 4500)} & set(
            re.findall(r"M(\d+ \d+)l", one["d"])
        )


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("composition.csv", "composition.csv: does not exist; run `nucwsi compose`"),
        ("seams.json", "seams.json: cannot be read"),
        ("tissue.geojson", "tissue.geojson: does not exist; run `nucwsi tile`"),
    ],
)
def test_what_is_missing_is_named(small_slide, tmp_path, gone, message):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    (folder / gone).unlink()
    with pytest.raises(StoreError, match=re.escape(message)):
        assessed(small_slide, folder)
    assert not (folder / "assessment.json").exists()


def test_nuclei_of_another_slide_are_refused(small_slide, tmp_path):
    nuclei = phantom_nuclei(keep=5)
    folder = write_results(small_slide, tmp_path / "small", nuclei, slide_checksum="0")
    with pytest.raises(StoreError, match=r"was not made from .*small\.tiff"):
        assessed(small_slide, folder)


def test_a_table_without_its_columns_is_refused(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    (folder / "composition.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StoreError, match=r"no column `region_source`\); run `nucwsi compose`"):
        assessed(small_slide, folder)


def test_the_number_of_fields_is_a_setting(small_slide, assessment_file, tmp_path):
    output = tmp_path / "assessment.json"
    nuclei = assessment_file.with_name("nuclei.parquet")
    succeeded("assess", small_slide, nuclei, "-o", output, "--crops", 1)
    rules = [crop["rule"] for crop in json.loads(output.read_text())["crops"]]
    assert rules == ["densest", "uncertain", "random"]


def test_what_is_doubtful_about_regions_reaches_the_assessment_and_the_page(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    box = [[0, 0], [90000, 0], [90000, 1000], [0, 1000], [0, 0]]
    drawn = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [box]}}
    (tmp_path / "far.geojson").write_text(json.dumps({**drawn, "properties": {"name": "far"}}))
    words = ("--geojson", folder / "small.regions.geojson", "--morphometry")
    succeeded(
        *("compose", folder / "nuclei.parquet", "--regions", tmp_path / "far.geojson"),
        *("-o", folder / "composition.csv", *words, folder / "morphometry.csv"),
    )
    assessed(small_slide, folder)
    [line] = json.loads((folder / "assessment.json").read_text())["region_warnings"]
    assert line.startswith("far (region_001): 98 % of its area lies outside the slide")
    succeeded("report", folder / "assessment.json", "-o", tmp_path / "report.html")
    assert line in (tmp_path / "report.html").read_text("utf-8")
    succeeded("provenance", folder / "nuclei.parquet", "-o", folder / "provenance.json")
    assert json.loads((folder / "provenance.json").read_text())["region_warnings"] == [line]


def test_what_the_sheet_says_and_what_is_marked_reaches_the_assessment(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    further = ("--further", "stain batch", "=1", "--further", "group", "")
    succeeded(
        *("compose", folder / "nuclei.parquet", "-o", folder / "composition.csv", *further),
        *("--geojson", folder / "small.regions.geojson"),
        *("--morphometry", folder / "morphometry.csv"),
    )
    assessed(small_slide, folder)
    document = json.loads((folder / "assessment.json").read_text())
    assert document["further"] == {"stain batch": "=1", "group": ""}
    assert document["marks"] == [], "the phantom is sharp, without folds and without ink"
    assert len(document["quality"]["blur"]) > 20
    whole = document["composition"][0]
    assert (whole["stain batch"], whole["group"]) == ("=1", "")

"""Report, viewer, CSV and QuPath say the same of a slide, also where parts are ignored."""

import json
import re
import zipfile

import numpy as np
import pytest
import shapely
from shown import assessed, chromium, complaints, phantom_nuclei, write_results

from nucwsi.config import ComposeSettings, ExportSettings, RenderSettings, ReportSettings
from nucwsi.io.csv_table import read_csv
from nucwsi.phantom import CLASSES
from nucwsi.steps.compose import compose
from nucwsi.steps.export import export
from nucwsi.steps.render import render
from nucwsi.steps.report import report

#: The first overlaps with what is ignored, the second lies within it, the third is apart.
DRAWN = {
    "Tumour <b> 'A'": shapely.box(300, 300, 1200, 1200),
    "hidden": shapely.box(700, 300, 800, 400),
    "Stroma, right": shapely.box(1400, 300, 1900, 1400),
}
IGNORED = shapely.box(600, 200, 1000, 900)

HEAD = re.compile(r"<th>(?:<a [^>]*>|<span>)(.*?)</(?:a|span)>.*?</th>(.*?)</tr>", re.S)


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts") / "small"
    write_results(small_slide, folder, phantom_nuclei())
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shape),
            "properties": {"name": name, "classification": {"name": label}},
        }
        for name, shape, label in (
            *((name, shape, "Tumor") for name, shape in DRAWN.items()),
            ("fold", IGNORED, "Ignore*"),
        )
    ]
    drawn = folder.with_name("drawn.geojson")
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    nuclei = folder / "nuclei.parquet"
    compose(
        nuclei,
        folder / "tissue.geojson",
        folder / "composition.csv",
        ComposeSettings(),
        regions=[drawn],
        geojson=folder / "small.regions.geojson",
        morphometry=folder / "morphometry.csv",
    )
    assessment = assessed(small_slide, folder)
    render(small_slide, nuclei, folder / "viewer" / "index.html", RenderSettings())
    export(nuclei, folder / "small.nuclei.qupath.zip", ExportSettings())
    report([assessment], folder.with_name("report.html"), ReportSettings())
    return folder


def in_csv(folder):
    return {
        row["region_name"]: {
            "n": int(row["n_nuclei"]),
            "tissue": float(row["tissue_area_mm2"]),
            "counts": [int(row[f"n_{name}"]) for name in CLASSES],
        }
        for row in read_csv(folder / "composition.csv", ("n_nuclei",))
        if row["region_source"] != "grid"
    }


def in_geojson(folder):
    document = json.loads((folder / "small.regions.geojson").read_text())
    found = {}
    for feature in document["features"]:
        measured = feature["properties"]["measurements"]
        found[feature["properties"]["name"]] = {
            "n": measured["nucwsi: n_nuclei"],
            "tissue": measured["nucwsi: tissue_area_mm2"],
            "counts": [measured[f"nucwsi: n_{name}"] for name in CLASSES],
        }
    return found


def viewer_document(folder):
    text = (folder / "viewer" / "regions.js").read_text("utf-8")
    return json.loads(text.removeprefix("nucwsi.regions(").removesuffix(");\n"))


def in_viewer(folder):
    document = viewer_document(folder)
    named = {"slide": document["whole"], **{one["name"]: one for one in document["regions"]}}
    return {
        name: {"n": one["n"], "tissue": one["tissue_mm2"], "counts": one["counts"]}
        for name, one in named.items()
    }


def in_report(folder):
    page = folder.with_name("report.html").read_text("utf-8")
    table = page[page.index('id="slide-small-regions"') :]
    found = {}
    for name, cells in HEAD.findall(table[table.index("<tbody>") : table.index("</tbody>")]):
        numbers = re.findall(r'<td data-v="([^"]*)"', cells)
        counts = re.findall(r'class="u-count" data-v="([^"]*)"', cells)
        shown = name.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
        found["slide" if shown == "Whole slide" else shown] = {
            "n": int(numbers[1]),
            "tissue": float(numbers[0]),
            "counts": [float(value) for value in counts[: len(CLASSES)]],
        }
    return found


def in_qupath(folder):
    """What QuPath counts itself: detections of each class whose centroid lies in the region."""
    areas = {
        feature["properties"]["name"]: shapely.geometry.shape(feature["geometry"])
        for feature in json.loads((folder / "small.regions.geojson").read_text())["features"]
    }
    with zipfile.ZipFile(folder / "small.nuclei.qupath.zip") as archive:
        features = [
            feature
            for name in archive.namelist()
            for feature in json.loads(archive.read(name))["features"]
        ]
    places = shapely.centroid([shapely.geometry.shape(one["geometry"]) for one in features])
    labels = np.array([one["properties"]["classification"]["name"].lower() for one in features])
    found = {}
    for name, area in areas.items():
        inside = labels[shapely.covers(area, places)]
        counts = [int((inside == one).sum()) for one in CLASSES]
        found[name] = {"n": len(inside), "counts": counts}
    return found


def test_report_viewer_csv_and_qupath_say_the_same(results):
    table, qupath, viewer = in_csv(results), in_geojson(results), in_viewer(results)
    # A region that is ignored as a whole has no outline that QuPath or the viewer could show.
    assert table.pop("hidden")["n"] == 0
    page = in_report(results)
    assert page.pop("hidden")["n"] == 0
    assert set(DRAWN) - {"hidden"} | {"slide"} <= set(table)
    for other in (qupath, viewer, page):
        assert other.keys() == table.keys()
        for name, facts in table.items():
            assert (other[name]["n"], other[name]["counts"]) == (facts["n"], facts["counts"]), name
            assert other[name]["tissue"] == pytest.approx(facts["tissue"], rel=1e-6)
    counted = in_qupath(results)
    for name, facts in counted.items():
        assert facts == {"n": table[name]["n"], "counts": table[name]["counts"]}, name
    n_all = len(phantom_nuclei())
    assert 0 < table["slide"]["n"] < n_all, "nuclei are ignored"
    assert viewer_document(results)["ignored"] == n_all - table["slide"]["n"]


def test_the_page_of_the_viewer_shows_these_counts(results):
    table = in_csv(results)
    with chromium() as page:
        page.get((results / "viewer" / "index.html").as_uri())
        shown = [one.text for one in page.find_elements("css selector", "#classes output")]
        assert shown == [f"{n:,}" for n in table["slide"]["counts"]]
        page.find_element("css selector", "#regions summary").click()
        listed = {
            item.find_element("css selector", "span").text: item.find_element(
                "css selector", "small"
            ).text
            for item in page.find_elements("css selector", "#regions li")
        }
        assert {name: int(n.replace(",", "")) for name, n in listed.items()} == {
            name: facts["n"] for name, facts in table.items() if name not in {"slide", "hidden"}
        }
        assert "are not counted" in page.find_element("id", "ignored").text
        page.find_element("css selector", "#facts summary").click()
        facts = page.find_element("id", "facts").text
        assert f"{table['slide']['n']:,}" in facts
        assert "Focus" in facts
        assert complaints(page) == []

"""What the viewer's page knows of a slide."""

import json

import numpy as np
import shapely
from shown import an_assessment

from nucwsi.composition.regions import Region
from nucwsi.grid import Frame
from nucwsi.report.pyramid import Pyramid
from nucwsi.report.viewer_document import (
    image_document,
    region_rings,
    regions_document,
    script,
    slide_document,
)
from nucwsi.report.viewer_features import Feature


def test_a_script_calls_a_function_with_data():
    assert script("nucwsi.nuclei", "0_1", [1, "ß"]) == 'nucwsi.nuclei("0_1", [1,"ß"]);\n'
    text = script("f", "</script>\n")
    assert json.loads(text[2:-3]) == "</script>\n"
    assert text.count("\n") == 1


def test_rings_are_whole_canvas_pixels_with_their_holes():
    """Level-0 pixels of half the height: y is halved once more than x."""
    frame = Frame((100, 100), 0.5, (0.125, 0.25), (20.0, 10.0), (400, 200))
    hole = [(30, 60), (30, 80), (50, 80), (50, 60)]
    shape = shapely.Polygon([(10, 20), (110, 20), (110, 220), (10, 220)], [hole])
    rings = region_rings(Region("a", "a", "Tumor", "user", shape), frame)
    assert len(rings) == 2
    boxes = [np.reshape(ring, (-1, 2)) for ring in rings]
    assert [box.min(axis=0).tolist() for box in boxes] == [[0, 0], [10, 10]]
    assert [box.max(axis=0).tolist() for box in boxes] == [[50, 50], [20, 15]]


def _slide():
    facts = an_assessment(classes=("epithelial", "foreign_name")).facts
    return facts.with_(frame=Frame((512, 2000), 0.5, (0.125, 0.25), (0.0, 0.0), (2048, 4000)))


def test_the_document_of_a_slide_describes_its_picture_and_its_nuclei():
    image = image_document(Pyramid(9, 11, np.array([[True, False], [False, True]])))
    features = [Feature("area_um2", "Area", "µm²", 10.0, 80.0)]
    document = slide_document(_slide(), image, {"0_0": 3}, features, "f00d")
    assert json.loads(json.dumps(document)) == document
    assert [one["name"] for one in document["classes"]] == ["Epithelial", "Foreign name"]
    assert (document["width"], document["height"]) == (2000, 512)
    assert document["scale"] == [2, 4], "level-0 pixels per canvas pixel, x first"
    assert document["image"]["rows"] == ["10", "01"]
    assert document["image"]["whole"] == 7, "reduced 16 times"
    assert document["nuclei"]["tiles"] == {"0_0": 3}
    assert document["features"] == [{"name": "Area", "unit": "µm²", "low": 10.0, "high": 80.0}]
    assert document["results"] == "f00d"


def _measured(n, *counts):
    return {"n_nuclei": n, "n_epithelial": counts[0], "n_foreign_name": counts[1]}


def test_the_counts_are_those_of_the_table_and_the_rest_is_ignored():
    regions = [
        Region("s", "small", "Slide", "slide", shapely.box(0, 0, 4000, 1024)),
        Region("a", "mine", "Tumor", "user", shapely.box(0, 0, 400, 400)),
    ]
    measured = [_measured(3.0, 1.0, 2.0), {**_measured(1.0, 1.0, 0.0), "tissue_area_mm2": 0.5}]
    document = regions_document(_slide(), regions, measured, 5, [])
    assert (document["whole"]["n"], document["whole"]["counts"]) == (3, [1, 2])
    assert document["ignored"] == 2
    [mine] = document["regions"]
    assert (mine["name"], mine["n"], mine["tissue_mm2"]) == ("mine", 1, 0.5)


def test_a_slide_that_is_ignored_as_a_whole_counts_nothing():
    document = regions_document(_slide(), [], [], 5, [])
    assert (document["whole"]["n"], document["ignored"], document["regions"]) == (0, 5, [])

"""What the viewer's page knows of a slide."""

import json

import numpy as np
import shapely
from shown import an_assessment

from nucwsi.composition.regions import Region
from nucwsi.grid import Frame
from nucwsi.report.pyramid import Pyramid
from nucwsi.report.viewer_document import region_rings, script, slide_document


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


def test_the_document_counts_classes_and_leaves_out_the_slide():
    facts = an_assessment(classes=("epithelial", "foreign_name")).facts
    frame = Frame((512, 2000), 0.5, (0.125, 0.25), (0.0, 0.0), (2048, 4000))
    facts = facts.with_(frame=frame)
    regions = [
        Region("s", "small", "Slide", "slide", shapely.box(0, 0, 4000, 1024)),
        Region("a", "mine", "Tumor", "user", shapely.box(0, 0, 400, 400)),
    ]
    pyramid = Pyramid(9, 11, np.array([[True, False], [False, True]]))
    code = np.array([1, 1, 0], np.uint8)
    document = slide_document(facts, pyramid, code, regions, {"0_0": 3})
    assert json.loads(json.dumps(document)) == document
    assert [(one["name"], one["n"]) for one in document["classes"]] == [
        ("Epithelial", 1),
        ("Foreign name", 2),
    ]
    assert [region["name"] for region in document["regions"]] == ["mine"]
    assert (document["width"], document["height"]) == (2000, 512)
    assert document["scale"] == [2, 4], "level-0 pixels per canvas pixel, x first"
    assert document["image"]["rows"] == ["10", "01"]
    assert document["image"]["whole"] == 7, "reduced 16 times"
    assert document["nuclei"]["tiles"] == {"0_0": 3}

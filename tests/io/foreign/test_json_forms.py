"""JSON of other programs: every nucleus with its class, and one line for what is none."""

import json

import numpy as np
import pytest
import shapely
from foreign_made import cellvit, hovernet, qupath_cells, qupath_detections

from nucwsi.errors import DataError
from nucwsi.io.foreign.json_forms import read_json

NUCLEI = [shapely.Point(40 * n, 90).buffer(9 + n) for n in range(1, 5)]


def read(path, names=None):
    return read_json(path, path.read_bytes(), names or {})


@pytest.mark.parametrize(("write", "certain"), [(qupath_cells, 0.875), (qupath_detections, 0.5)])
def test_objects_of_qupath(tmp_path, write, certain):
    names = ["Tumor", "Tumor: Positive", "", "Immune cells"]
    write(tmp_path / "a.geojson", NUCLEI, names)
    found = read(tmp_path / "a.geojson")
    assert (found.names, found.origin) == (names, "bounds")
    assert found.certainty.tolist() == [certain] * 4
    np.testing.assert_allclose(shapely.area(found.polygons), shapely.area(NUCLEI))


def test_hovernet_numbers_its_classes(tmp_path):
    hovernet(tmp_path / "a.json", NUCLEI, [1, 0, 2, None], mag=40)
    found = read(tmp_path / "a.json", {"1": "neoplastic"})
    assert found.names == ["neoplastic", "", "type 2", ""]
    assert (found.mag, found.origin) == (40, "file")
    np.testing.assert_allclose(shapely.area(found.polygons), shapely.area(NUCLEI), rtol=0.1)
    # Of single pictures older versions wrote the nuclei alone.
    (tmp_path / "b.json").write_text(
        json.dumps(json.loads((tmp_path / "a.json").read_text())["nuc"])
    )
    assert read(tmp_path / "b.json").names == ["type 1", "", "type 2", ""]


def test_cellvit_names_its_classes(tmp_path):
    cellvit(tmp_path / "a.json", NUCLEI, [1, 2, 0, 5])
    found = read(tmp_path / "a.json")
    assert found.names == ["Neoplastic", "Inflammatory", "", "type 5"]
    assert shapely.equals(found.polygons, NUCLEI).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not GeoJSON"),
        ("[3]", "where a feature is expected"),
        ('{"cells": 3}', "`cells` is 3, expected a list"),
        ('{"cells": [{"centroid": [1, 2]}]}', "cell 1 has no `contour`; CellViT writes outlines"),
        ('{"nuc": {"1": {"centroid": [1, 2]}}}', "'1' is no nucleus with a `contour`"),
        ('{"nuc": {"7": {"contour": [[1, "x"]]}}}', "nucleus 7 has the outline"),
        (
            '[{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}]',
            "is a Point",
        ),
        # Damage at random (seed 3, case 176), and more of its kind.
        ('[{"type": "Feature", "nucleusGeometry": -1}]', "holds -1 as `nucleusGeometry`"),
        ('[{"type": "Feature", "geometry": 3}]', "holds 3 as `geometry`"),
        ('[{"type": "Feature", "geometry": {"type": [1]}}]', r"is a \[1\], expected the outline"),
        (
            '[{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [5]}}]',
            "has the outline 5",
        ),
        (
            '[{"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": []}}]',
            r"has the outline \[\]",
        ),
        (
            '[{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": '
            "[[[0, -1e308], [1e308, 1], [1, 0]]]}}]",
            r"has the outline .*expected points \[x, y\] on a slide",
        ),
        (f'{{"mag": {"9" * 400}, "nuc": {{}}}}', "`mag` is 9.*, expected the objective power"),
        ('{"mag": Infinity, "nuc": {}}', "`mag` is inf, expected the objective power"),
        ('{"mag": "40", "nuc": {}}', "`mag` is '40', expected the objective power"),
        (
            '[{"type": "Feature", "properties": {"objectType": "annotation"}, "geometry": {}}]',
            "holds 1 annotations but no detections",
        ),
    ],
)
def test_what_is_no_nucleus_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in str(caught.value)

"""The zip for QuPath: every nucleus that has an area, valid on its grid, with an id of its own."""

import json
import uuid
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import shapely
from tables_made import nuclei_at

from nucwsi.io.nuclei.qupath import write_nuclei_zip

CLASSES = ("epithelial", "spindle")


def of_outlines(*outlines):
    table = nuclei_at(
        np.full((len(outlines), 2), 100.0), CLASSES, np.tile([0.75, 0.25], (len(outlines), 1))
    )
    return replace(table, geometry=np.array([shapely.to_wkb(o) for o in outlines], object))


def written(path, *tables, slide="s", origin=(0.0, 0.0), nuclei_per_file=100):
    told = write_nuclei_zip(
        path,
        tables,
        slide=slide,
        classes=CLASSES,
        origin=origin,
        nuclei_per_file=nuclei_per_file,
        facts={"export": {"a": 1}},
    )
    with zipfile.ZipFile(path) as archive:
        files = [json.loads(archive.read(name))["features"] for name in archive.namelist()]
        comment = json.loads(archive.comment)
    return told, files, comment


def test_outlines_are_in_qupaths_frame_on_its_grid(tmp_path):
    square = shapely.box(1010.123456, 2020.5, 1020.127, 2030.5)
    _, [[feature]], _ = written(tmp_path / "a.zip", of_outlines(square), origin=(2000.0, 1000.0))
    outline = shapely.geometry.shape(feature["geometry"])
    assert outline.bounds == (10.12, 20.5, 20.13, 30.5)
    assert feature["properties"]["objectType"] == "detection"
    assert feature["properties"]["classification"]["name"] == "Epithelial"


def test_slivers_are_left_out_and_counted(tmp_path):
    sliver, whole = shapely.box(0, 0, 0.9, 1.1), shapely.box(0, 0, 1, 1)
    told, [features], comment = written(tmp_path / "a.zip", of_outlines(sliver, whole))
    assert (told.n_nuclei, told.n_dropped, len(features)) == (1, 1, 1)
    assert comment == {"n_objects": 1, "n_slivers_left_out": 1, "export": {"a": 1}}


def test_an_outline_that_rounding_breaks_keeps_its_largest_piece(tmp_path):
    """Two squares joined by a bridge that is thinner than QuPath's grid."""
    bridge = shapely.union_all(
        [shapely.box(0, 0, 10, 10), shapely.box(12, 0, 15, 3), shapely.box(9, 1, 13, 1.004)]
    )
    _, [[feature]], _ = written(tmp_path / "a.zip", of_outlines(bridge))
    outline = shapely.geometry.shape(feature["geometry"])
    assert outline.is_valid
    assert outline.geom_type == "Polygon"
    assert outline.area == pytest.approx(100, abs=1)


def test_files_hold_so_many_nuclei_and_all_together_each_once(tmp_path):
    tables = [of_outlines(*[shapely.box(0, 0, 5, 5)] * n) for n in (3, 4)]
    tables[1] = replace(tables[1], id=tables[1].id + 3)
    _, files, _ = written(tmp_path / "a.zip", *tables, nuclei_per_file=3)
    assert [len(features) for features in files] == [3, 3, 1]
    assert len({feature["id"] for features in files for feature in features}) == 7


def test_an_id_is_that_of_slide_and_nucleus(tmp_path):
    table = of_outlines(shapely.box(0, 0, 5, 5))
    ids = [
        written(tmp_path / f"{slide}.zip", table, slide=slide)[1][0][0]["id"]
        for slide in ("s", "t")
    ]
    assert ids[0] == str(uuid.uuid5(uuid.NAMESPACE_URL, "nucwsi:s/0"))
    assert ids[0] != ids[1]


def test_an_empty_slide_is_an_empty_file(tmp_path):
    told, files, comment = written(tmp_path / "a.zip")
    assert (told.n_nuclei, files, comment["n_objects"]) == (0, [[]], 0)

"""Regions and tissue as GeoJSON: what is written is read back, in QuPath's frame on disk."""

import json

import pytest
import shapely
from shapely import box
from stores import nucleus_facts

from nucwsi.composition.regions import Region
from nucwsi.errors import StoreError
from nucwsi.grid import Frame
from nucwsi.io.regions.check import check_geojson
from nucwsi.io.regions.files import read_region_files
from nucwsi.io.regions.geojson import (
    from_qupath,
    read_tissue,
    write_regions,
    write_tissue,
    written_facts,
)

ORIGIN = (5000.0, 1234.0)


def test_out_in_and_out_again_is_the_same_file(tmp_path):
    shapes = [
        box(1300.12, 5000.01, 1400.13, 5100) - box(1310, 5010.5, 1350.25, 5020),
        box(1300, 5000, 1310, 5010) | box(1400, 5000.33, 1410, 5010),
        shapely.Point(2000, 6000).buffer(333.333),
    ]
    regions = [
        Region("region_001", "ring", "Tumor", "user", shapes[0], (200, 0, 0)),
        Region("region_002", 'it\'s "quoted", and; more', "", "user", shapes[1]),
        Region("region_003", "disc", "Region*", "user", shapes[2]),
        Region("region_004", "disc", "Region*", "user", shapes[2]),
    ]
    first, second = tmp_path / "first.geojson", tmp_path / "second.geojson"
    write_regions(first, regions, [{}] * 4, ORIGIN)
    back = read_region_files([first], ORIGIN)
    write_regions(second, back, [{}] * 4, ORIGIN)
    assert first.read_bytes() == second.read_bytes()
    assert check_geojson(first).n_faults == 0, check_geojson(first).faults
    assert check_geojson(first).n_features == 4
    document = json.loads(first.read_text())
    del document["features"][1]
    (tmp_path / "lost.geojson").write_text(json.dumps(document))
    [fault] = check_geojson(tmp_path / "lost.geojson").faults
    assert fault == "lost.geojson: holds 3 objects, but 4 were written"
    for before, after in zip(regions, back, strict=True):
        assert (before.name, before.region_class) == (after.name, after.region_class)
        assert shapely.hausdorff_distance(before.geometry, after.geometry) <= 0.00708
    assert back[0].colour == (200, 0, 0)


def features(path):
    return json.loads(path.read_text())["features"]


def test_files_count_from_qupaths_origin_and_shapes_come_back_from_there(tmp_path):
    shape = box(1300, 5100, 1400, 5150)
    write_regions(tmp_path / "r.geojson", [Region("r", "r", "", "user", shape)], [{}], ORIGIN)
    [feature] = features(tmp_path / "r.geojson")
    written = shapely.geometry.shape(feature["geometry"])
    assert written.bounds == (66, 100, 166, 150)
    assert shapely.equals(from_qupath(written, ORIGIN), shape)


def test_a_region_without_area_is_left_out_and_is_not_counted(tmp_path):
    shapes = [box(0, 0, 10, 10), shapely.Polygon(), box(0, 0, 0.004, 0.004)]
    regions = [Region("r", "r", "", "user", shape) for shape in shapes]
    write_regions(tmp_path / "r.geojson", regions, [{}] * 3, (0.0, 0.0))
    assert len(features(tmp_path / "r.geojson")) == 1
    assert check_geojson(tmp_path / "r.geojson").n_faults == 0


def test_measurements_that_are_not_finite_are_left_out(tmp_path):
    values = {"area": 1.5, "odd": float("nan"), "far": float("inf")}
    regions = [Region("r", "r", "", "user", box(0, 0, 9, 9))]
    write_regions(tmp_path / "r.geojson", regions, [values], (0.0, 0.0), {"kind": "x"})
    [feature] = features(tmp_path / "r.geojson")
    assert feature["properties"]["measurements"] == {"nucwsi: area": 1.5}
    about = json.loads((tmp_path / "r.geojson").read_text())["nucwsi"]
    assert about == {"kind": "x", "origin_px": [0.0, 0.0], "n_objects": 1}


def test_an_id_belongs_to_the_region_and_not_to_its_place_in_the_file(tmp_path):
    one = Region("a", "one", "", "user", box(0, 0, 9, 9))
    two = Region("b", "two", "", "user", box(0, 0, 9, 9))
    for name, regions in (("x", [one, two]), ("y", [two, one])):
        write_regions(tmp_path / name, regions, [{}] * 2, (0.0, 0.0))
    ids = [{f["properties"]["name"]: f["id"] for f in features(tmp_path / name)} for name in "xy"]
    assert ids[0] == ids[1]
    assert ids[0]["one"] != ids[0]["two"]


def test_tissue_comes_back_with_its_facts(tmp_path):
    frame = Frame((100, 200), 0.5, (0.25, 0.2), ORIGIN, (9000, 8000))
    facts = nucleus_facts(frame, kind="tiles")
    pieces = [
        box(1300, 5100, 1400, 5150) - box(1310, 5110, 1320, 5120),
        box(1234, 5000, 1240, 5009),
    ]
    path = tmp_path / "tissue.geojson"
    write_tissue(path, pieces, facts)
    told, back = read_tissue(path)
    assert told == facts.with_(kind="tissue")
    assert [shapely.equals(*pair) for pair in zip(pieces, back, strict=True)] == [True, True]
    assert check_geojson(path).n_faults == 0
    assert {f["properties"]["classification"]["name"] for f in features(path)} == {"Tissue"}
    write_tissue(path, [], facts)
    assert read_tissue(path)[1] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"tissue\.geojson: does not exist; run `nucwsi tile`"),
        ("[]", r"tissue\.geojson: is not a tissue file of nucwsi .*; run `nucwsi tile`"),
        ("{", "is not a tissue file of nucwsi"),
        ('{"nucwsi": {}}', "is not a tissue file of nucwsi"),
        ('{"nucwsi": {"facts": {"kind": "nuclei"}}}', "is not a tissue file of nucwsi"),
    ],
)
def test_what_is_no_tissue_is_refused(tmp_path, text, message):
    path = tmp_path / "tissue.geojson"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StoreError, match=message):
        read_tissue(path)


def test_what_was_added_to_a_file_is_read_back(tmp_path):
    path = tmp_path / "r.geojson"
    assert written_facts(path) == {}
    write_regions(path, [], [], (3.0, 4.0), {"made": [1]})
    added = {"made": [1], "origin_px": [3.0, 4.0], "n_objects": 0}
    assert written_facts(path).items() >= added.items()
    for text in ("", "[]", "{}", '{"nucwsi": 1}', "[" * 100_000, '"\\ud8'):
        path.write_text(text)
        with pytest.raises(StoreError, match=r"r\.geojson: .*; run `nucwsi compose`"):
            written_facts(path)

"""The rules of QuPath's reader: each broken once, and named with its place."""

import gzip
import json
import os
import zipfile

import pytest

from nucwsi.errors import RegionError
from nucwsi.io.regions.check import check_geojson, zip_facts

SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(50)]


def feature(number=0, **changes):
    properties = {
        "objectType": "annotation",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
        "measurements": {"nucwsi: area": 1.5},
    }
    return {
        "type": "Feature",
        "id": IDS[number],
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": properties,
    } | changes


def properties(**changes):
    return {"properties": {**feature()["properties"], **changes}}


def geometry(coordinates, kind="Polygon"):
    return {"geometry": {"type": kind, "coordinates": coordinates}}


def collection(*features, **more):
    return {"type": "FeatureCollection", "features": [*features], **more}


def faults(tmp_path, document, name="f.geojson"):
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return check_geojson(path).faults


def test_a_sound_file_has_no_fault_in_any_packing(tmp_path):
    parts = [[SQUARE], [[[20, 0], [29, 0], [29, 9], [20, 0]]]]
    sound = collection(feature(), feature(1, **geometry(parts, "MultiPolygon")))
    text = json.dumps(sound).encode()
    (tmp_path / "a.geojson").write_bytes(b"\xef\xbb\xbf" + text)
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", text)
    for name in ("a.geojson", "a.geojson.gz", "a.zip"):
        assert check_geojson(tmp_path / name) == (2, [], 0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": "7"}, "id '7' is not a UUID: QuPath would replace it"),
        ({"id": IDS[0].replace("-", "")}, "is not a UUID"),
        ({"id": None}, "holds a null"),
        ({"type": "Polygon"}, "is not a GeoJSON feature"),
        ({"properties": []}, "has no properties"),
        (properties(objectType="root"), "objectType 'root' is not one of annotation, cell, det"),
        (properties(objectType="detection", metadata={}), "QuPath loses metadata of a detection"),
        (properties(classification="Tumor"), "classification is not an object with name and col"),
        (properties(classification={"name": "", "color": [1, 2, 3]}), "classification has no name"),
        (properties(classification={"name": "a", "color": [1, 2, 256]}), "three whole numbers"),
        (properties(classification={"name": "a", "color": [1, 2]}), "three whole numbers"),
        (properties(classification={"name": "a", "color": [1, 2, True]}), "three whole numbers"),
        (properties(measurements=[]), "measurements are not an object"),
        (properties(measurements={"a": "1"}), "measurement 'a' is not a finite number"),
        (properties(measurements={"a": True}), "measurement 'a' is not a finite number"),
        (properties(measurements={"Class probability": 1}), "means something else to QuPath"),
        (properties(name=None), "holds a null"),
        ({"geometry": {}}, "geometry is None, expected Polygon or MultiPolygon"),
        (geometry([0, 0], "Point"), "geometry is Point, expected Polygon or MultiPolygon"),
        (geometry([[SQUARE]], "MultiPolygon"), "a MultiPolygon of one part breaks QuPath 0.4"),
        (geometry([SQUARE[:3]]), "a ring has 3 positions, at least 4 are needed"),
        (geometry([[*SQUARE[:4], [1, 1]]]), "a ring is not closed"),
        (geometry([]), "an outline has no coordinates, or some that are not finite"),
        (geometry([[[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]]]), "invalid at 0.01 px: Self-inter"),
        (geometry([[["x", 0], [9, 0], [9, 9], ["x", 0]]]), "geometry cannot be read"),
    ],
)
def test_a_faulty_object_is_named_by_its_place(tmp_path, changes, fault):
    text = "\n".join(faults(tmp_path, collection(feature(1), feature(**changes))))
    assert text.startswith("f.geojson, feature 2: ")
    assert fault in text


def test_a_spike_is_invalid_only_once_it_is_rounded_as_qupath_does(tmp_path):
    spike = [[0, 0], [9, 0], [9, 9], [4.002, 9], [4.0, 30], [3.998, 9], [0, 9], [0, 0]]
    [fault] = faults(tmp_path, collection(feature(**geometry([spike]))))
    assert "outline is invalid at 0.01 px" in fault


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("{", "f.geojson: is not JSON"),
        ('{"type": NaN}', "f.geojson: is not JSON: the number NaN is not valid JSON"),
        ('{"a": 1, "b": 1, "a": 2}', "is not JSON: the key 'a' occurs twice in one object"),
        ([feature()], "f.geojson: is not a FeatureCollection"),
        (collection(feature(), feature()), f"f.geojson, feature 2: id {IDS[0]} occurs twice"),
        (
            collection(feature(), nucwsi={"n_objects": 2}),
            "f.geojson: holds 1 objects, but 2 were written",
        ),
    ],
)
def test_a_faulty_file_is_refused(tmp_path, document, fault):
    [found] = faults(tmp_path, document)
    assert found.startswith(fault) or fault in found


def test_twenty_faults_are_listed_and_all_are_counted(tmp_path):
    path = tmp_path / "f.geojson"
    path.write_text(json.dumps(collection(*(feature(n, properties={}) for n in range(30)))))
    verdict = check_geojson(path)
    assert (verdict.n_features, len(verdict.faults), verdict.n_faults) == (30, 20, 30)


def test_a_zip_must_hold_all_that_its_comment_says_and_nothing_else(tmp_path):
    path = tmp_path / "f.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.geojson", json.dumps(collection(feature())))
        archive.writestr("notes.txt", "x")
        archive.comment = b'{"n_objects": 2}'
    assert zip_facts(path) == {"n_objects": 2}
    assert check_geojson(path).faults == [
        "notes.txt: a zip for QuPath may hold .geojson files only",
        "f.zip: holds 1 objects, but 2 were written",
    ]


@pytest.mark.parametrize("comment", [b"", b"text", b"[1]"])
def test_another_comment_says_nothing(tmp_path, comment):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.comment = comment
    assert zip_facts(tmp_path / "f.zip") == {}


@pytest.mark.parametrize("name", ["f.zip", "f.geojson.gz"])
def test_a_file_that_cannot_be_unpacked_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither")
    assert zip_facts(tmp_path / name) == {}
    with pytest.raises(RegionError, match=rf"{name}: cannot be read .*; make it again"):
        check_geojson(tmp_path / name)
    (tmp_path / name).unlink()
    with pytest.raises(RegionError, match=rf"{name}: does not exist"):
        check_geojson(tmp_path / name)


@pytest.mark.parametrize(
    "document",
    [
        collection(feature(**properties(objectType=[]))),
        collection(feature(**properties(measurements={"a": 10**400}))),
        collection(feature(id=["x"])),
        collection(feature(**geometry([[[0, 0], [10**400, 0], [9, 9], [0, 0]]]))),
        collection(feature(**geometry([7]))),
        collection(feature(geometry=[1])),
        collection(feature(type=[])),
        collection(feature(), nucwsi={"n_objects": [1]}),
        {"type": "FeatureCollection", "features": 7},
        {"type": ["FeatureCollection"], "features": []},
        [1],
        "[" * 100_000,
        '{"type":"FeatureCollection","features":[' + "[" * 900 + "]" * 900 + "]}",
    ],
)
def test_odd_values_are_faults_and_no_traceback(tmp_path, document):
    assert len(faults(tmp_path, document)) == 1


def test_what_is_no_file_or_swells_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "f.geojson")
    with pytest.raises(RegionError, match=r"f\.geojson: is no file but a folder, a pipe"):
        check_geojson(tmp_path / "f.geojson")
    monkeypatch.setattr("nucwsi.io.regions.check._MAX_BYTES", 1 << 20)
    swollen = b" " * ((1 << 20) + 1)
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(swollen))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.geojson", swollen)
    for name in ("a.geojson.gz", "a.zip"):
        with pytest.raises(RegionError, match=rf"{name}.*: holds more than 1 MB, too much"):
            check_geojson(tmp_path / name)

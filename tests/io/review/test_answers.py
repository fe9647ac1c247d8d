"""Every form in which answers arrive holds the same answers."""

import gzip
import json
import zipfile

import pytest

from nucwsi.errors import AnswerError
from nucwsi.io.review.answers import read_answers

UUID = "0b4c8a2e-6f0a-5d58-9b6a-3d9a8f3b7c11"
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]]]}


def feature(label="Lymphocyte", ident=UUID, geometry=SQUARE, **properties):
    made = {
        "objectType": "annotation",
        "classification": {"name": label, "color": [1, 2, 3]},
        **properties,
    }
    return {"type": "Feature", "id": ident, "geometry": geometry, "properties": made}


def written(path, document):
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def read(tmp_path, document, name="a.geojson"):
    return read_answers(written(tmp_path / name, document))


def test_collections_lists_and_single_features_are_read_alike(tmp_path):
    one = feature(metadata={"nucleus_id": "17", "nucwsi_draw": "ab", "nucwsi_slide": "s 1"})
    [found] = read(tmp_path, {"type": "FeatureCollection", "features": [one]})
    assert (found.object_id, found.label, found.kind) == (UUID, "Lymphocyte", "annotation")
    assert (found.nucleus_id, found.draw, found.slide) == (17, "ab", "s 1")
    assert (found.place, found.area_px) == ((2.0, 1.0), 8.0)
    for document in ([one], one):
        assert read(tmp_path, document) == [found]


def test_gzipped_and_zipped_files_are_read_as_the_plain_one(tmp_path):
    text = json.dumps([feature()])
    plain = read(tmp_path, text)
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sub/a.geojson", text)
        archive.writestr("notes.txt", "x")
    assert read_answers(tmp_path / "a.geojson.gz") == plain == read_answers(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "classification",
    [
        {"name": "Plasma", "colorRGB": -1},
        {"names": ["Plasma"], "color": [1, 2, 3]},
        "Plasma",
    ],
)
def test_classes_are_read_as_each_version_writes_them(tmp_path, classification):
    one = feature()
    one["properties"]["classification"] = classification
    assert read(tmp_path, [one])[0].label == "Plasma"


@pytest.mark.parametrize("classification", [None, {}, ""])
def test_no_class_is_no_answer(tmp_path, classification):
    one = feature()
    one["properties"]["classification"] = classification
    assert read(tmp_path, [one])[0].label == ""


def test_the_number_of_a_nucleus_is_found_wherever_it_stands(tmp_path):
    places = [
        {"nucleus_id": 17},
        {"measurements": {"nucleus_id": 17.0}},
        {"measurements": [{"name": "nucleus_id", "value": 17}]},
        {"metadata": {"nucleus_id": "17"}},
    ]
    for one in read(tmp_path, [feature(**place) for place in places]):
        assert one.nucleus_id == 17


def test_a_nucleus_of_the_exported_zip_is_found_by_its_id_which_names_the_slide(tmp_path):
    [one] = read(tmp_path, [feature(objectType="detection", nucleus_id=17)])
    assert (one.object_id, one.nucleus_id) == (UUID, None)


def test_each_of_several_points_is_a_nucleus_of_its_own(tmp_path):
    points = {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}
    found = read(tmp_path, [feature(geometry=points)])
    assert [one.place for one in found] == [(1, 2), (3, 4)]


def test_children_and_other_objects_are_told_apart(tmp_path):
    child = feature("Plasma", objectType="detection")
    document = [feature(childObjects=[child]), feature(objectType="root", geometry=None)]
    assert [(one.label, one.kind) for one in read(tmp_path, document)] == [
        ("Lymphocyte", "annotation"),
        ("Plasma", "detection"),
    ]


def test_the_file_of_the_viewer(tmp_path):
    document = {
        "kind": "answers",
        "version": 1,
        "slide": "a",
        "draw": "ab",
        "answers": [{"id": UUID, "class": "plasma", "time": "2026-11-30T10:00:00Z"}, {"id": 17}],
        "frames": [
            {"id": "f1", "done": True, "missed": [{"x": 1, "y": 2.5, "class": "lymphocyte"}]},
            {"id": "f2", "done": False},
        ],
    }
    found = read(tmp_path, document, "a.json")
    assert [(one.object_id, one.label, one.kind) for one in found] == [
        (UUID, "plasma", "row"),
        ("17", "", "row"),
        ("f1", "done", "row"),
        ("", "lymphocyte", "added"),
    ]
    assert {(one.draw, one.slide) for one in found} == {("ab", "a")}
    assert found[0].time.startswith("2026")
    assert (found[1].nucleus_id, found[3].place) == (17, (1.0, 2.5))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_separator(tmp_path, separator):
    rows = [["Object ID", "Name", "Classification"], [UUID, "3", "Plasma"], ["17", "", ""]]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    found = read(tmp_path, text, "a.tsv")
    assert [(one.object_id, one.label, one.nucleus_id) for one in found] == [
        (UUID, "Plasma", None),
        ("17", "", 17),
    ]


def test_a_row_with_a_place_is_a_missed_nucleus(tmp_path):
    [found] = read(tmp_path, "id,class,x,y\n,plasma,10,20.5\n", "a.csv")
    assert (found.kind, found.label, found.place) == ("added", "plasma", (10.0, 20.5))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.geojson", "{", "is not GeoJSON"),
        ("a.geojson", '{"a": 1}', "no GeoJSON features"),
        ("a.geojson", '[{"type": "Feature", "geometry": {"type": "Polygon"}}]', "unreadable"),
        ("a.geojson", '[{"properties": {"nucleus_id": "x"}}]', "number of a nucleus"),
        ("a.json", '{"kind": "answers", "answers": [1]}', "expected an object"),
        ("a.json", '{"kind": "answers", "answers": 1}', "`answers`"),
        ("a.json", '{"kind": "answers", "frames": [{"missed": [{"x": 1}]}]}', "`x` and `y`"),
        # Damage at random (seed 3): more than any float.
        (
            "a.json",
            f'{{"kind": "answers", "frames": [{{"missed": [{{"x": {"9" * 400}, "y": 1}}]}}]}}',
            "as `x` and `y`, expected two numbers",
        ),
        ("a.csv", "a,b\n1,2\n", "expected `id` and `class`"),
        ("a.csv", "", "expected `id` and `class`"),
        ("a.csv", "id,class\n1,2,3\n", "row 1 has 3 cells"),
        ("a.csv", "id,class\n,plasma\n", "row 1 has no `id`"),
        ("a.csv", 'id,class\n1,"plasma\n', "quotes"),
        ("a.zip", "no zip", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, name, text, said):
    path = written(tmp_path / name, text)
    with pytest.raises(AnswerError, match=said) as caught:
        read_answers(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("how", ["cut", "locked"])
def test_a_damaged_zip_is_one_line_that_names_it(tmp_path, how):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.geojson", '{"features": []}' * 9)
    content = bytearray(path.read_bytes())
    if how == "cut":
        # The directory then points before the file.
        del content[10:90]
    else:
        content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(AnswerError, match=r"a\.zip: cannot be read"):
        read_answers(path)


def test_a_missing_file_is_named(tmp_path):
    for name in ("a.geojson", "a.csv", "a.zip"):
        with pytest.raises(AnswerError, match="does not exist"):
            read_answers(tmp_path / name)

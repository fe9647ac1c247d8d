"""The documented form: what a manifest and its archives may say, and what is refused."""

import csv
import io
import zipfile

import numpy as np
import pytest
from layouts import SIDE_PX, picture, save, write_csv

from nucwsi.errors import DataError
from nucwsi.io.datasets.manifest import read


def manifest_of(folder, **columns):
    row = {"dataset": "nucls", "name": "a.b", "split": "train", "mpp": "0.25", **columns}
    write_csv(folder / "manifest.csv", list(row), list(row.values()))
    save(folder / "nucls" / "a.b.webp", picture())
    return folder


def test_a_manifest_of_points_and_of_outlines(tmp_path):
    folder = manifest_of(tmp_path)
    archive = folder / "nucls" / "a.b.npz"
    np.savez(archive, points=np.array([[3.5, 200.25]], np.float32), classes=np.array([2]))
    labelled = read(folder).entries[0].read()
    assert labelled.points.tolist() == [[3.5, 200.25]]
    assert labelled.instances is None
    np.savez(archive, instances=np.eye(SIDE_PX, dtype=np.uint16) * 9, ids=[9], classes=[2])
    labelled = read(folder / "manifest.csv").entries[0].read()
    assert labelled.ids.tolist() == [9]
    assert labelled.codes.tolist() == [2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": "training"}, r"a\.b is of split 'training'; expected train, val, test"),
        ({"mpp": "40x"}, r"a\.b has mpp '40x'"),
        ({"mpp": "0"}, r"a\.b has mpp 0; expected µm above 0"),
        ({"name": "c"}, r"nucls/c: .*c\.png does not exist"),
    ],
)
def test_a_faulty_manifest_is_refused(columns, message, tmp_path):
    with pytest.raises(DataError, match=rf"manifest\.csv: .*{message}"):
        read(manifest_of(tmp_path, **columns))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"manifest\.csv: does not exist; make it with `nucwsi data import`"),
        (b"dataset,name\n", r"has the columns 'dataset', 'name'; expected at least dataset,"),
        (b"\xff\xfe\x81", r"manifest\.csv: is not UTF-8"),
        ("dataset;näme".encode("cp1252"), r"is not UTF-8; .* in Excel saved as CSV UTF-8"),
        (b"dataset;name\n", r"has the columns 'dataset;name'; .* separated by commas"),
        (b"\xc2\xa0dataset,name\n", r"has the columns '.xa0dataset', 'name'"),
        (b"dataset,name,split,mpp\na,b,test,0.3,7\n", r"row 1 has more cells than the table has"),
        (b"dataset,name,split,mpp\n" + b"a" * 200_000, r"cannot be read .field larger"),
    ],
)
def test_what_is_no_manifest_is_refused(content, message, tmp_path):
    if content is not None:
        (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": [1]}, r"holds ids; expected instances"),
        ({"instances": np.eye(SIDE_PX), "classes": [1]}, r"holds instances, classes; expected"),
        ({"instances": np.eye(9)}, r"image has 256 x 256 px, but its labels 9 x 9"),
        ({"instances": np.eye(SIDE_PX) / 2}, r"instances must be integers.*got 0\.5"),
        ({"instances": -np.eye(SIDE_PX)}, r"instances must be integers from 0 on, got -1"),
        ({"points": [[1, 2]], "classes": [1, 2]}, r"points of 1 x 2 and 2 classes"),
        ({"points": [[2, 300]], "classes": [1]}, r"row 2, column 300 lies outside"),
        ({"points": [[1, 2]], "classes": [256]}, r"class 256; expected 0 to 255"),
    ],
)
def test_a_faulty_archive_is_refused(arrays, message, tmp_path):
    folder = manifest_of(tmp_path)
    np.savez(folder / "nucls" / "a.b.npz", **{k: np.array(v) for k, v in arrays.items()})
    with pytest.raises(DataError, match=rf"a\.b\.npz: .*{message}"):
        read(folder).entries[0].read()


def test_an_archive_holds_what_its_arrays_state(tmp_path):
    """NumPy would take 33 TB first, as if a larger machine could read it."""
    folder = manifest_of(tmp_path)
    held = io.BytesIO()
    np.save(held, np.zeros((30, 30), np.int32))
    stated = held.getvalue().replace(b"(30, 30), }      ", b"(3000000,3000000)}")
    assert stated != held.getvalue()
    with zipfile.ZipFile(folder / "nucls" / "a.b.npz", "w") as archive:
        archive.writestr("instances.npy", stated)
    with pytest.raises(DataError, match=r"a\.b\.npz: .*instances\.npy holds less than \(30000"):
        read(folder).entries[0].read()


def test_classes_without_names_are_refused(tmp_path):
    folder = manifest_of(tmp_path, dataset="mine")
    (folder / "nucls").rename(folder / "mine")
    np.savez(folder / "mine" / "a.b.npz", points=np.ones((1, 2)), classes=np.array([1]))
    with pytest.raises(DataError, match=r"has classes, but labels\.csv does not name them"):
        read(folder).entries[0].read()
    write_csv(folder / "labels.csv", ["dataset", "code", "name"], ["mine", "1", " Plasma "])
    dataset = read(folder)
    assert dataset.labels == {"mine": {1: "plasma"}}
    assert dataset.entries[0].read().codes.tolist() == [1]
    for code in ("256", "²", "9" * 5000, "0000000015"):
        write_csv(folder / "labels.csv", ["dataset", "code", "name"], ["mine", code, "plasma"])
        with pytest.raises(DataError, match=rf"labels\.csv: code '{code[:20]}'; expected 1 to 255"):
            read(folder)


def test_a_manifest_in_utf16_and_names_that_a_spreadsheet_would_execute(tmp_path):
    """`data import` writes such names with an apostrophe; see `io.csv_table.harmless`."""
    folder = manifest_of(tmp_path, name="'-1")
    (folder / "nucls" / "a.b.webp").rename(folder / "nucls" / "-1.webp")
    np.savez(folder / "nucls" / "-1.npz", points=np.ones((1, 2)))
    text = (folder / "manifest.csv").read_text("utf-8")
    (folder / "manifest.csv").write_text(text, "utf-16")
    [entry] = read(folder).entries
    assert entry.name == "-1"


def test_the_shared_manifest_is_read_as_it_is_described(shared):
    path = shared / "nuclei" / "manifest.csv"
    entries = read(shared / "nuclei").entries
    with path.open(newline="") as stream:
        rows = {(row["dataset"], row["name"]): row for row in csv.DictReader(stream)}
    assert len(entries) == len(rows)
    seen = set()
    for entry in entries:
        if entry.dataset in seen:
            continue
        seen.add(entry.dataset)
        row, labelled = rows[entry.dataset, entry.name], entry.read()
        assert labelled.image.shape[:2] == (int(row["height"]), int(row["width"]))
        assert len(labelled.ids) == int(row["nuclei"])
        assert (labelled.codes is not None) == (row["classified"] != "no")

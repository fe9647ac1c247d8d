"""CoNIC: two arrays and their tables, which must agree with each other."""

import numpy as np
import pytest
from layouts import LAYOUTS, check_reading, picture, write_text

from nucwsi.errors import DataError
from nucwsi.io.datasets.conic import read


@pytest.fixture
def folder(tmp_path):
    return LAYOUTS["conic"](tmp_path / "source")


def test_patches_are_listed_and_their_nuclei_are_in_place(folder):
    contents = {
        "consep_1-0000": ("", "", "consep_1"),
        "consep_1-0001": ("", "", "consep_1"),
        "glas_2-0000": ("", "", "glas_2"),
    }
    check_reading(read(folder), "conic", contents, 0.5)


def test_pictures_belong_to_their_labels(folder):
    entry = read(folder).entries[1]
    np.testing.assert_array_equal(entry.read().image, picture(1))
    assert entry.note == ""


def test_large_arrays_are_mapped_not_read(folder, monkeypatch):
    modes = []
    load = np.load
    monkeypatch.setattr(
        np, "load", lambda *args, **more: modes.append(more["mmap_mode"]) or load(*args, **more)
    )
    read(folder).entries[0].read()
    assert set(modes) == {"r"}


def test_patches_without_their_source_images_have_no_patients(folder):
    (folder / "patch_info.csv").unlink()
    entries = read(folder).entries
    assert [(e.name, e.patient) for e in entries] == [("0000", ""), ("0001", ""), ("0002", "")]


def put(array, where, value):
    array = array.astype(np.float64) if isinstance(value, float) else array
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "images.npy",
            lambda a: a[:, :255],
            r"images\.npy: is an array of 3 x 255.*N x 256 x 256 x 3",
        ),
        ("labels.npy", lambda a: a[:2], r"labels\.npy: has 2 patches; expected 3"),
        ("labels.npy", lambda a: a[..., :1], r"labels\.npy: is an array of 3 x 256 x 256 x 1"),
        ("labels.npy", lambda a: np.moveaxis(a, -1, 1), r"labels\.npy: is an array of 3 x 2 x 256"),
        (
            "labels.npy",
            lambda a: put(a, np.s_[1, 4, 12, 0], 1.5),
            r"labels\.npy, patch 1: the instances must be integers.*got 1\.5",
        ),
        (
            "labels.npy",
            lambda a: put(a, np.s_[2, 0, 0, 1], float("nan")),
            r"labels\.npy, patch 2: the classes must be integers.*got nan",
        ),
        (
            "images.npy",
            lambda a: a.astype(np.int16) * 2,
            r"image of 0 to 255, got values up to 510",
        ),
        ("images.npy", lambda a: a.astype(str), r"the values of the image are of type <U3"),
    ],
)
def test_a_damaged_array_is_named(folder, name, change, message):
    np.save(folder / name, change(np.load(folder / name)))
    with pytest.raises(DataError, match=message):
        [entry.read() for entry in read(folder).entries]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("images.npy", r"images\.npy: does not exist; expected the array of N x 256 x 256"),
        ("counts.csv", r"counts\.csv: does not exist"),
    ],
)
def test_a_missing_file_is_named(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(DataError, match=message):
        read(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("images.npy", "no array", r"images\.npy: is not a readable array"),
        ("counts.csv", "neutrophil\n1\n", r"counts\.csv: has 1 patches; expected 3"),
    ],
)
def test_a_damaged_file_is_named(folder, name, text, message):
    write_text(folder / name, text)
    with pytest.raises(DataError, match=message):
        read(folder)

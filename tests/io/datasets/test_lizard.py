"""Lizard: MATLAB files whose list of nuclei is in another order than their map."""

import numpy as np
import pytest
from layouts import LAYOUTS, SIDE_PX, check_reading, save, write_text

from nucwsi.errors import DataError
from nucwsi.io.datasets.lizard import read


def test_images_are_listed_and_their_nuclei_are_in_place(tmp_path):
    contents = {
        "consep_1": ("split1", "train", "consep_1"),
        "dpath_3": ("split3", "test", "dpath_3"),
        "glas_2": ("split2", "val", "glas_2"),
    }
    check_reading(read(LAYOUTS["lizard"](tmp_path)), "lizard", contents, 0.5)


def test_images_without_a_table_of_folds_have_no_split(tmp_path):
    folder = LAYOUTS["lizard"](tmp_path)
    (folder / "Lizard_Labels" / "info.csv").unlink()
    assert {(e.part, e.split) for e in read(folder).entries} == {("", "")}


def test_a_missing_image_is_named(tmp_path):
    folder = LAYOUTS["lizard"](tmp_path)
    (folder / "Lizard_Images2" / "glas_2.png").unlink()
    with pytest.raises(DataError, match=r"glas_2\.mat: has no image glas_2\.png"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("consep_1.mat", "no MATLAB", r"consep_1\.mat: is not a readable MATLAB file.*truncated"),
        ("info.csv", "Name,Fold\na,1\n", r"info\.csv: expected the columns Filename"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, text, message):
    folder = LAYOUTS["lizard"](tmp_path)
    write_text(next(folder.rglob(name)), text)
    with pytest.raises(DataError, match=message):
        [entry.read() for entry in read(folder).entries]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, r"has no 'id' \(but class, inst_map\); expected inst_map, id, class"),
        (
            {"id": np.array([[7], [2]]), "class": np.array([[1], [1]])},
            r"instance 9 has no class",
        ),
        ({"id": np.array([[7], [2], [9], [9]])}, r"instance 9 has two classes"),
        ({"id": np.array([[7], [2], [9]])}, r"3 instances but 4 classes"),
        ({"inst_map": np.zeros((SIDE_PX, SIDE_PX + 10))}, r"image has 266 x 256 px.*256 x 266"),
        (
            {"class": np.array([[1.0], [2.0], [0.5], [1.0]])},
            r"the classes must be integers.*got 0\.5",
        ),
    ],
)
def test_labels_that_contradict_themselves_are_refused(changes, message, tmp_path):
    folder = LAYOUTS["lizard"](tmp_path, names=("glas_2",))
    instances = np.zeros((SIDE_PX + 10, SIDE_PX))
    instances[1, 1], instances[5, 5], instances[9, 9] = 7, 2, 9
    ids, codes = np.array([[9], [4], [2], [7]]), np.array([[1], [2], [3], [4]])
    held = {"class": codes, "inst_map": instances, "id": ids} | changes
    save(
        folder / "Lizard_Labels" / "Labels" / "glas_2.mat",
        {key: values for key, values in held.items() if values is not None},
    )
    with pytest.raises(DataError, match=rf"glas_2\.mat: .*{message}"):
        read(folder).entries[0].read()

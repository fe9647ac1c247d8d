"""What is written in the documented form is read back as it was."""

import csv

import numpy as np
import pytest
from layouts import picture, truth

from nucwsi.io.datasets.dataset import Entry
from nucwsi.io.datasets.manifest import read
from nucwsi.io.datasets.write import Writer
from nucwsi.labels.labelled_image import labelled_instances, labelled_points


def written(folder, labelled, **values):
    entry = Entry("mine", "a.b", lambda: labelled, **{"mpp": 0.5, "split": "val", **values})
    writer = Writer(folder, {"mine": {1: "plasma", 2: "other"}})
    writer.add(entry, labelled)
    writer.close()
    return read(folder)


def test_outlines_come_back(tmp_path):
    instances, _ = truth((7, 2, 300))
    ignored = instances == 2
    classes = np.array([2, 7, 300]), np.array([1, 2, 1])
    labelled = labelled_instances("x", picture(), instances, classes, ignored)
    dataset = written(tmp_path, labelled, patient="P", licence="L", note="N")
    [entry] = dataset.entries
    assert (entry.mpp, entry.split, entry.patient) == (0.5, "val", "P")
    assert (entry.licence, entry.note) == ("L", "N")
    assert dataset.labels == {"mine": {1: "plasma", 2: "other"}}
    back = entry.read()
    for name in ("image", "instances", "ids", "codes", "ignored"):
        np.testing.assert_array_equal(getattr(back, name), getattr(labelled, name), name)
        assert getattr(back, name).dtype == getattr(labelled, name).dtype


def test_points_and_an_unknown_mpp_come_back(tmp_path):
    points = np.array([[3.5, 200.25], [0.0, 255.0]], np.float32)
    labelled = labelled_points("x", picture(), points, np.array([2, 0]))
    [entry] = written(tmp_path, labelled, mpp=None).entries
    assert entry.mpp is None
    np.testing.assert_array_equal(entry.read().points, labelled.points)
    np.testing.assert_array_equal(entry.read().codes, labelled.codes)


@pytest.mark.parametrize(("classified", "word"), [(True, "yes"), (False, "no")])
def test_the_manifest_describes_each_image(tmp_path, classified, word):
    instances, _ = truth()
    classes = (np.array([1, 2, 3]), np.array([1, 2, 1])) if classified else None
    written(tmp_path, labelled_instances("x", picture(), instances, classes))
    with (tmp_path / "manifest.csv").open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert (row["height"], row["width"], row["nuclei"]) == ("256", "256", "3")
    assert row["classified"] == word
    with np.load(tmp_path / "mine" / "a.b.npz") as held:
        assert held["instances"].dtype == np.uint16

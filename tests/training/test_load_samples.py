"""Labelled images of the documented form become samples, or a message names what is wrong."""

import logging

import numpy as np
import pytest
from layouts import LAYOUTS, NUCLEI, SIDE_PX, picture, save, write_manifest

from nucwsi.config import ImportSettings
from nucwsi.errors import ConfigError, DataError
from nucwsi.steps.data import import_data
from nucwsi.training.load_samples import UNKNOWN_MPP, load_samples

CLASSES = ("epithelial", "inflammatory", "spindle", "other")


def test_training_reads_what_import_wrote(tmp_path):
    source, folder = LAYOUTS["monusac"](tmp_path / "monusac"), tmp_path / "made"
    import_data("monusac", source, folder, ImportSettings())
    samples = load_samples([folder], "train", CLASSES, 0.5)
    assert {s.name.split("/")[0] for s in samples} == {"monusac"}
    for sample in samples:
        assert sample.scale == 2
        assert sample.outlined
        for row, column, height, width, code in NUCLEI:
            inside = sample.class_set[row : row + height, column : column + width]
            assert (inside == (1 if code == 1 else 2)).all()
        assert (sample.class_set > 0).sum() == (sample.instances > 0).sum()


def test_points_supervise_the_class_around_them_only(tmp_path):
    folder = write_manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""], codes=(1,))
    points = np.array([[20.0, 100.0], [0.0, 255.0]])
    np.savez(folder / "mine" / "a.npz", points=points, classes=np.array([1, 0]))
    (sample,) = load_samples([folder], "train", CLASSES, 0.5)
    assert not sample.outlined
    assert not sample.instances.any()
    rows, columns = np.nonzero(sample.class_set)
    assert np.hypot(rows - 20, columns - 100).max() <= 3
    assert sample.class_set[20, 103] == 2
    # Of the rim between the middle of a nucleus and what lies far from all nothing is known.
    for column, nucleus, known in ((102, True, True), (103, False, False), (116, False, False)):
        assert (sample.nucleus[20, column], sample.known[20, column]) == (nucleus, known)
    assert sample.known[20, 117]
    np.savez(folder / "mine" / "a.npz", points=np.zeros((0, 2)), classes=np.zeros(0, int))
    (sample,) = load_samples([folder], "train", CLASSES, 0.5)
    assert not sample.class_set.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": (2,)}, r"mine/a: class 2 is out of range; expected 1, or 0"),
        ({"labels": (("mine", 1, "plasmatic"),)}, r"'plasmatic' is not known; expected one of"),
        ({"labels": (("mine", 300, "plasma"),)}, r"labels\.csv: code '300'; expected 1 to 255"),
    ],
)
def test_bad_labels_stop_training_before_it_starts(changes, message, tmp_path):
    folder = write_manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""], **changes)
    with pytest.raises(DataError, match=message):
        load_samples([folder], "train", CLASSES, 0.5)


def test_a_size_that_does_not_fit_stops_training(tmp_path):
    folder = write_manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""])
    save(folder / "mine" / "a.png", picture(shape=(SIDE_PX, SIDE_PX - 1)))
    with pytest.raises(DataError, match=r"a\.npz: the image has 256 x 255 px, but its labels 256"):
        load_samples([folder], "train", CLASSES, 0.5)


def test_a_split_without_images_stops_training(tmp_path):
    folder = write_manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""])
    with pytest.raises(DataError, match="no image of split 'val'"):
        load_samples([folder], "val", CLASSES, 0.5)
    with pytest.raises(ConfigError, match="9 names; expected at most 8"):
        load_samples([folder], "train", tuple("abcdefghi"), 0.5)


def test_patients_that_another_set_tests_on_are_not_trained_on(tmp_path, caplog):
    one = write_manifest(
        tmp_path / "one",
        ["mine", "a", "train", 0.5, "TCGA-18-5592"],
        ["mine", "b", "train", 0.5, "01"],
        ["mine", "c", "train", 0.5, ""],
    )
    two = write_manifest(
        tmp_path / "two",
        ["yours", "a", "test", 0.5, "TCGA-18-5592"],
        ["yours", "b", "test", 0.5, "01"],
        ["yours", "c", "test", 0.5, ""],
        labels=(("yours", 1, "plasma"),),
    )
    caplog.set_level(logging.INFO)
    samples = load_samples([one, two], "train", CLASSES, 0.5)
    assert [s.name for s in samples] == ["mine/b", "mine/c"]
    assert "1 images of split train are left out" in caplog.text
    assert "mine/a" in caplog.text
    assert len(load_samples([one, two], "test", CLASSES, 0.5)) == 3


def test_an_image_without_an_mpp_has_that_of_40x(tmp_path):
    folder = write_manifest(tmp_path / "a", ["mine", "a", "train", "", ""])
    (sample,) = load_samples([folder], "train", CLASSES, 0.5)
    assert sample.scale == 0.5 / UNKNOWN_MPP == 2

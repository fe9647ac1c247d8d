"""CoNSeP: two halves, whose tiles have pictures with an alpha channel."""

import numpy as np
import pytest
from layouts import LAYOUTS, SIDE_PX, check_reading, save, write_text

from nucwsi.errors import DataError
from nucwsi.io.datasets.consep import read


@pytest.fixture
def folder(tmp_path):
    return LAYOUTS["consep"](tmp_path / "source")


def test_tiles_are_listed_and_their_nuclei_are_in_place(folder):
    contents = {
        "test_1": ("Test", "test", ""),
        "train_1": ("Train", "train", ""),
        "train_2": ("Train", "train", ""),
        "train_3": ("Train", "train", ""),
    }
    check_reading(read(folder), "consep", contents, 0.25)


def test_one_half_keeps_its_split(folder):
    assert {e.split for e in read(folder / "Test").entries} == {"test"}


def test_labels_outside_both_halves_are_refused(folder):
    (folder / "Test").rename(folder / "Val")
    with pytest.raises(DataError, match=r"test_1\.mat: lies in 'Val'; expected CoNSeP's Train"):
        read(folder)


def test_transparent_pixels_are_white(folder):
    save(folder / "Train" / "Images" / "train_1.png", np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8))
    entry = next(e for e in read(folder).entries if e.name == "train_1")
    assert (entry.read().image == 255).all()


def test_a_missing_image_is_named(folder):
    (folder / "Train" / "Images" / "train_2.png").unlink()
    with pytest.raises(DataError, match=r"train_2\.mat: has no image .*train_2\.png"):
        read(folder)


def test_a_damaged_image_is_named(folder):
    write_text(folder / "Train" / "Images" / "train_1.png", "no picture")
    with pytest.raises(DataError, match=r"train_1\.png: is not a readable picture"):
        [entry.read() for entry in read(folder).entries]


def test_maps_of_two_sizes_are_refused(folder):
    maps = {"inst_map": np.zeros((4, 5)), "type_map": np.zeros((5, 4))}
    save(folder / "Train" / "Labels" / "train_1.mat", maps)
    entry = next(e for e in read(folder).entries if e.name == "train_1")
    with pytest.raises(DataError, match=r"train_1\.mat: inst_map and type_map differ in size"):
        entry.read()

"""PanNuke: five channels of instances a patch, numbered each for itself."""

import numpy as np
import pytest
from layouts import LAYOUTS, check_reading, nuclei_of, picture

from nucwsi.errors import DataError
from nucwsi.io.datasets.pannuke import read


def test_patches_are_listed_and_their_nuclei_are_in_place(tmp_path):
    contents = {
        f"fold{fold}_0000{index}": (f"fold{fold}", split, "")
        for fold, split in ((1, "train"), (2, "val"), (3, "test"))
        for index in (0, 1)
    }
    check_reading(read(LAYOUTS["pannuke"](tmp_path)), "pannuke", contents, 0.25)


def test_pictures_belong_to_their_labels(tmp_path):
    entries = {e.name: e for e in read(LAYOUTS["pannuke"](tmp_path)).entries}
    np.testing.assert_array_equal(entries["fold2_00001"].read().image, picture(21))
    assert entries["fold2_00001"].note == "Breast"


def test_large_arrays_are_mapped_not_read(tmp_path, monkeypatch):
    folder = LAYOUTS["pannuke"](tmp_path)
    modes = []
    load = np.load
    monkeypatch.setattr(
        np, "load", lambda *args, **more: modes.append(more["mmap_mode"]) or load(*args, **more)
    )
    read(folder).entries[0].read()
    assert set(modes) == {"r"}


def test_overlaps_go_to_the_later_class(tmp_path):
    folder = LAYOUTS["pannuke"](tmp_path, folds=(1,), patches=1)
    path = folder / "Fold 1" / "masks" / "fold1" / "masks.npy"
    masks = np.load(path)
    masks[0, 3:6, 10:19, 4] = 8
    np.save(path, masks)
    nuclei = nuclei_of(read(folder).entries[0].read())
    assert (3, 10, 3, 9, 5) in nuclei
    assert (6, 10, 2, 9, 2) in nuclei


def test_masks_may_lie_beside_the_images(tmp_path):
    folder = LAYOUTS["pannuke"](tmp_path, folds=(1,), patches=1)
    home = folder / "Fold 1"
    (home / "masks" / "fold1" / "masks.npy").rename(home / "images" / "fold1" / "masks.npy")
    check_reading(read(folder), "pannuke", {"fold1_00000": ("fold1", "train", "")}, 0.25)


def test_missing_masks_are_named(tmp_path):
    folder = LAYOUTS["pannuke"](tmp_path)
    (folder / "Fold 2" / "masks" / "fold2" / "masks.npy").unlink()
    with pytest.raises(DataError, match=r"fold2/masks\.npy: does not exist"):
        read(folder)


def test_files_of_a_fold_must_agree(tmp_path):
    folder = LAYOUTS["pannuke"](tmp_path, folds=(1,))
    np.save(folder / "Fold 1" / "images" / "fold1" / "types.npy", np.array(["Breast"]))
    with pytest.raises(DataError, match=r"types\.npy: has 1 patches; expected 2 as in"):
        read(folder)

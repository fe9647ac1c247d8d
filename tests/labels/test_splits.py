"""Splits: drawn by patient, whatever the order, and no patient in two of them."""

import pytest

from nucwsi.errors import DataError
from nucwsi.labels.splits import check_leaks, draw_splits, held_out


def test_a_draw_depends_on_no_order_and_leaves_someone_to_train():
    names = [f"p{i}" for i in range(40)]
    shares = {"val": 0.1, "test": 0.2}
    assert draw_splits(names, shares, 1) == draw_splits(names[::-1] * 2, shares, 1)
    assert draw_splits(["a", "b"], {"val": 0.01}, 1).keys() == {"a", "b"}
    assert sorted(draw_splits(["a", "b"], {"val": 0.01}, 1).values()) == ["train", "val"]
    with pytest.raises(DataError, match="1 patients or source images are too few"):
        draw_splits(["a"], {"val": 0.1}, 1)


def test_shares_are_those_of_patients_not_of_images():
    """Ten patients, of whom the first has 90 of 99 images."""
    images = ["p0"] * 90 + [f"p{i}" for i in range(1, 10)]
    drawn = draw_splits(images, {"val": 0.2, "test": 0.3}, seed=3)
    assert sorted(drawn.values()) == ["test"] * 3 + ["train"] * 5 + ["val"] * 2


def test_a_share_of_nothing_draws_nobody():
    assert set(draw_splits("abc", {"val": 0.0, "test": 0.0}, 1).values()) == {"train"}


def test_leaks_within_and_between_sets():
    check_leaks([("a", "", "train"), ("a", "", "val"), ("a", "p", "val"), ("b", "p", "test")])
    with pytest.raises(DataError, match="b: patient p is in test and in train"):
        check_leaks([("b", "p", "test"), ("b", "p", "train")])
    rows = [("a", "p", "val"), ("b", "p", "test"), ("c", "p", "train"), ("c", "q", "train")]
    assert held_out(rows) == [True, False, True, False]


def test_a_mere_number_is_a_patient_of_its_own_data_set():
    rows = [("a", "17", "train"), ("b", "17", "test"), ("a", "", "train"), ("b", "", "test")]
    assert held_out(rows) == [False] * 4

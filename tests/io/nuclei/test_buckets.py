"""Buckets give back every nucleus once, by bucket, in the order in which they were dealt."""

import numpy as np
from tables_made import nuclei_at

from nucwsi.io.nuclei.buckets import Buckets

CLASSES = ("a", "b")


def some(n, first=0):
    centres = np.column_stack([np.arange(first, first + n), np.zeros(n)]) * 50.0
    return nuclei_at(centres, CLASSES, np.tile([0.75, 0.25], (n, 1)), seed=first)


def test_each_nucleus_comes_back_once_in_its_bucket(tmp_path):
    buckets = Buckets(tmp_path / "buckets", CLASSES)
    buckets.deal(some(4), np.array([2, 0, 2, 0]))
    buckets.deal(some(3, first=10), np.array([0, 2, 11]))
    places = [(table.column / 50).round().astype(int).tolist() for table in buckets]
    assert places == [[1, 3, 10], [0, 2, 11], [12]]


def test_every_column_survives(tmp_path):
    table = some(5)
    buckets = Buckets(tmp_path / "buckets", CLASSES)
    buckets.deal(table, np.zeros(5, int))
    (back,) = buckets
    for name, values in vars(table).items():
        np.testing.assert_array_equal(getattr(back, name), values, err_msg=name)


def test_leftovers_of_a_killed_run_are_thrown_away(tmp_path):
    Buckets(tmp_path / "buckets", CLASSES).deal(some(4), np.zeros(4, int))
    assert list(Buckets(tmp_path / "buckets", CLASSES)) == []

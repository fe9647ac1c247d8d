"""Tables as CSV: numbers that any program reads back, and a file that is whole or absent."""

import csv

import numpy as np
import pytest

from nucwsi.errors import StoreError
from nucwsi.io.csv_table import write_csv


def cells(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.33333333"),
        (np.float32(0.1), "0.1"),
        (12345.678912, "12345.679"),
        (2.0, "2"),
        (-0.0, "0"),
        (999999999999999.0, "999999999999999"),
        (1e15, "1e+15"),
        (1e-7, "1e-07"),
        (np.nan, ""),
        (np.inf, ""),
    ],
)
def test_numbers_are_short_and_exact_to_eight_digits(tmp_path, value, expected):
    write_csv(tmp_path / "t.csv", {"x": np.array([value])})
    assert cells(tmp_path / "t.csv") == [["x"], [expected]]


def test_rows_and_columns_keep_their_order_and_texts_are_quoted(tmp_path):
    columns = {
        "name": np.array(['a,b "c"', "µ\nd"], object),
        "n": np.array([3, 2**53 + 1]),
        "is": np.array([True, False]),
    }
    write_csv(tmp_path / "t.csv", columns)
    assert cells(tmp_path / "t.csv") == [
        ["name", "n", "is"],
        ['a,b "c"', "3", "True"],
        ["µ\nd", "9007199254740993", "False"],
    ]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_columns_of_two_lengths_leave_the_old_table(tmp_path):
    write_csv(tmp_path / "t.csv", {"x": np.array([1])})
    with pytest.raises(ValueError, match="shorter"):
        write_csv(tmp_path / "t.csv", {"x": np.array([1, 2]), "y": np.array([1])})
    assert cells(tmp_path / "t.csv") == [["x"], ["1"]]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"t\.csv"):
        write_csv(tmp_path / "file" / "t.csv", {"x": np.array([1])})

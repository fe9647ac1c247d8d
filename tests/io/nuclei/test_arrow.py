"""Numpy and Arrow agree on every value, without pandas."""

import numpy as np
import pyarrow as pa
import pytest

from nucwsi.io.nuclei.arrow import from_bytes, from_numpy, to_bytes, to_numpy


@pytest.mark.parametrize("dtype", ["i8", "u1", "f4", "f8", "?"])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1000])
def test_numbers_come_back_and_arrow_reads_the_same(dtype, n):
    values = (np.arange(n) % 3).astype(dtype)
    column = from_numpy(values)
    column.validate(full=True)
    assert column.to_pylist() == values.tolist()
    np.testing.assert_array_equal(to_numpy(column), values)


def test_a_strided_column_is_copied_right():
    values = np.arange(12, dtype=np.float64).reshape(3, 4)
    assert from_numpy(values[:, 1]).to_pylist() == [1.0, 5.0, 9.0]


@pytest.mark.parametrize("items", [[], [b""], [b"a", b"", "µm".encode()]])
def test_byte_strings_come_back(items):
    column = from_bytes(items, pa.binary())
    column.validate(full=True)
    assert to_bytes(column).tolist() == items == column.to_pylist()


def test_a_slice_of_a_column_begins_where_it_should():
    column = from_bytes([b"one", b"two", b"three", b"four"], pa.binary())
    assert to_bytes(column.slice(1, 2)).tolist() == [b"two", b"three"]
    flags = from_numpy(np.array([True, False, True, True]))
    assert to_numpy(flags.slice(1, 2)).tolist() == [False, True]

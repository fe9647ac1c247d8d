"""Columns of the table of nuclei: row group by row group, whole, or whenever one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.io.nuclei.arrow import to_numpy
from nucwsi.io.nuclei.parquet import open_table, readable, refuse_gaps


@contextmanager
def open_columns(
    path: Path, columns: list[str]
) -> Iterator[list[Callable[[], dict[str, NDArray[Any]]]]]:
    """Open a table to read columns row group by row group, in any order.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    columns : list of str
        Names in the file, of numbers or truth values.

    Yields
    ------
    list of callable
        For each row group what reads it: name -> values (N,). Valid until the block ends.

    Raises
    ------
    StoreError
        As `iter_batches`, there or by a reader.
    """
    file, facts = open_table(path)

    def _read(group: int) -> dict[str, NDArray[Any]]:
        with readable(path, facts.kind):
            table = file.read_row_group(group, columns=columns)
            read = {name: table.column(name).combine_chunks() for name in columns}
            for name, column in read.items():
                refuse_gaps(name, column)
            return {name: to_numpy(column) for name, column in read.items()}

    with file:
        yield [partial(_read, group) for group in range(file.num_row_groups)]


def iter_columns(path: Path, columns: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Read columns row group by row group.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    columns : list of str
        As for `open_columns`.

    Yields
    ------
    dict of str to ndarray
        Name -> values (N,) of one row group.

    Raises
    ------
    StoreError
        As `iter_batches`.
    """
    with open_columns(path, columns) as groups:
        for read in groups:
            yield read()


def read_columns(path: Path, columns: list[str]) -> dict[str, NDArray[Any]]:
    """Read whole columns.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    columns : list of str
        As for `iter_columns`.

    Returns
    -------
    dict of str to ndarray
        Name -> values (N,) of all nuclei, in the order of the file.

    Raises
    ------
    StoreError
        As `iter_batches`.
    """
    file, _ = open_table(path)
    n_nuclei = file.metadata.num_rows
    file.close()
    whole: dict[str, NDArray[Any]] = {}
    n_read = 0
    for group in iter_columns(path, columns):
        for name, values in group.items():
            whole.setdefault(name, np.empty(n_nuclei, values.dtype))
            whole[name][n_read : n_read + len(values)] = values
        n_read += len(values)
    return whole or {name: np.empty(0) for name in columns}


class StoredColumns(Mapping[str, NDArray[Any]]):
    """Columns that are read when they are asked for, and not kept, as a mapping.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    columns : mapping of str to str
        Key -> name in the file, of numbers or truth values.
    n_nuclei : int
        Number of nuclei N.

    Raises
    ------
    StoreError
        By each value, (N,): as `iter_batches`; also if the file was replaced.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], n_nuclei: int) -> None:
        self._path, self._columns, self._n_nuclei = path, columns, n_nuclei

    def __getitem__(self, key: str) -> NDArray[Any]:
        name = self._columns[key]
        values = read_columns(self._path, [name])[name]
        if len(values) != self._n_nuclei:
            raise StoreError(
                f"{self._path}: has {len(values)} nuclei instead of {self._n_nuclei}; it was"
                " replaced while it was read: run this again"
            )
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

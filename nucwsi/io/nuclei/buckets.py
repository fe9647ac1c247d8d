"""Buckets of nuclei on disk: a table larger than the memory is sorted one bucket at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nucwsi.io.nuclei.columns import from_arrow, to_arrow
from nucwsi.nuclei.table import NucleusTable


class Buckets:
    """Buckets in a folder, each with a number.

    Parameters
    ----------
    folder : pathlib.Path
        Emptied first, if it exists.
    classes : tuple of str
        Class names of the nuclei, in the order of their probabilities.
    """

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder, self._classes = folder, classes
        self._n_dealt = 0

    def deal(self, table: NucleusTable, bucket: NDArray[np.integer]) -> None:
        """Put nuclei into buckets.

        Parameters
        ----------
        table : NucleusTable
            N nuclei of these classes.
        bucket : (N,) ndarray of int
            Number of each nucleus' bucket.
        """
        self._n_dealt += 1
        for number in np.unique(bucket).tolist():
            batch = to_arrow(table.take(np.flatnonzero(bucket == number)), self._classes)
            path = self._folder / f"{number:06d}" / f"{self._n_dealt:08d}.arrow"
            path.parent.mkdir(parents=True, exist_ok=True)
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as file:
                file.write_batch(batch)

    def __iter__(self) -> Iterator[NucleusTable]:
        """Yield the nuclei of each bucket that is not empty, by number, as they were dealt."""
        for bucket in sorted(self._folder.glob("*")):
            pieces = [self._read(path) for path in sorted(bucket.iterdir())]
            yield NucleusTable.concatenated(pieces)

    def _read(self, path: Path) -> NucleusTable:
        with pa.OSFile(str(path)) as source:
            return from_arrow(pa.ipc.open_file(source).get_batch(0), self._classes)

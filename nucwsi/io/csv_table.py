"""Tables that any program reads: CSV with comma separators, decimal points and UTF-8."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nucwsi.io.stores.publish import published


def _cell(value: Any) -> Any:
    """Return what is written of a value; whole numbers lose their decimal point."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return ""
    return int(value) if value.is_integer() and abs(value) < 1e15 else f"{value:.8g}"


def write_csv(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a table, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The ``.csv`` file to write.
    columns : mapping of str to (N,) ndarray
        Name of a column -> its N values. Numbers are rounded to eight significant digits; those
        that are not finite become empty cells.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    with published(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        cells = ([_cell(value) for value in values.tolist()] for values in columns.values())
        writer.writerows(zip(*cells, strict=True))

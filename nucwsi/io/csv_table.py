"""Tables that any program reads: CSV with commas, points and UTF-8."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nucwsi.io.stores.publish import published


def _cell(value: Any) -> Any:
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
    columns : mapping of str to (N,) ndarray
        Numbers are rounded to eight digits; what is not finite is an empty cell.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with published(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        cells = ([_cell(value) for value in values.tolist()] for values in columns.values())
        writer.writerows(zip(*cells, strict=True))

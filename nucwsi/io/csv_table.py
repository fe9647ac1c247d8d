"""Tables that any program reads: CSV with comma separators, decimal points and UTF-8.

A spreadsheet takes a cell that begins with ``=`` for a formula and may execute it. Texts that begin
so are written with an apostrophe before them; docs/outputs.md shows how to take it away again.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.io.inputs import check_file
from nucwsi.io.stores.publish import published

#: How a text begins that a spreadsheet may execute; some take wide signs, too. Texts that already
#: begin with an apostrophe before such a sign are among them, so that no two are written alike.
FORMULA = r"['\s]*[=+@＝＋＠－-]|'*[\t\r]"


#: Columns of text in the tables of `compose`; all others hold numbers, or nothing.
TEXTS = frozenset(
    {
        *("slide", "region_id", "region_name", "region_class", "region_source"),
        *("class", "class_a", "class_b", "feature", "status", "pipeline_version", "model_id"),
        "out_of_domain",
    }
)

#: Columns of numbers in the same tables, without those that are named after a class.
NUMBERS = frozenset(
    {
        *("area_mm2", "tissue_area_mm2", "n_dropped", "mpp_x", "mpp_y", "immune_fraction"),
        *("neutrophil_lymphocyte_ratio", "lymphocyte_epithelial_ratio"),
        *("n", "mean", "sd", "p5", "p25", "p50", "p75", "p95"),
        *("radius_um", "n_pairs", "expected", "z", "domain_distance"),
    }
)

#: How a number is written.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?")


def cell_of(value: Any) -> Any:
    """Return what is written of a value; whole numbers lose their decimal point.

    Parameters
    ----------
    value : object
        A text, a number or a truth value.

    Returns
    -------
    object
        Text made `harmless`; nothing for a number that is not finite.
    """
    if isinstance(value, str):
        return harmless(value)
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return ""
    return int(value) if value.is_integer() and abs(value) < 1e15 else f"{value:.8g}"


def harmless(text: str) -> str:
    """Return a text as it is written, such that no spreadsheet takes it for a formula.

    Parameters
    ----------
    text : str
        Of a cell or the head of a column.

    Returns
    -------
    str
        The text, after an apostrophe if it begins with ``=``, ``+``, ``-`` or ``@``, maybe after
        blanks and apostrophes, or with a tab.

    Examples
    --------
    >>> harmless("=1+1"), harmless("a=1")
    ("'=1+1", 'a=1')
    """
    return f"'{text}" if re.match(FORMULA, text) else text


def original(text: str) -> str:
    """Return the text that `harmless` was given.

    Parameters
    ----------
    text : str
        What `harmless` returned.

    Returns
    -------
    str
        Without the apostrophe that `harmless` has added, if any.

    Examples
    --------
    >>> original("'=1+1"), original("'s-Gravenhage")
    ('=1+1', "'s-Gravenhage")
    """
    return text[1:] if text.startswith("'") and re.match(FORMULA, text[1:]) else text


def sheet_columns(header: Sequence[str]) -> list[str]:
    """Return the columns of a table of `compose` that come from the slide sheet.

    Parameters
    ----------
    header : sequence of str
        All columns of the table, in its order.

    Returns
    -------
    list of str
        Those between ``slide`` and ``region_id``; none if the table lacks one of these.

    Examples
    --------
    >>> sheet_columns(["slide", "patient", "group", "region_id", "n_nuclei"])
    ['patient', 'group']
    """
    if not {"slide", "region_id"} <= set(header):
        return []
    return list(header[header.index("slide") + 1 : header.index("region_id")])


def read_csv(
    path: Path, needed: Collection[str] = (), texts: Collection[str] | None = None
) -> list[dict[str, str]]:
    """Read a table that `write_csv` has written.

    Parameters
    ----------
    path : pathlib.Path
        The ``.csv`` file.
    needed : collection of str
        Columns that it must have.
    texts : collection of str, optional
        Columns that need not be numbers, such as `TEXTS`, besides those of the slide sheet; by
        default all.

    Returns
    -------
    list of dict
        For each row, column -> text, without the apostrophes that `write_csv` has added.

    Raises
    ------
    StoreError
        If the file is missing or damaged, lacks a column, or holds text where a number is expected.
    """
    try:
        check_file(path)
        text = path.read_bytes().decode("utf-8")
        if "\0" in text:
            raise ValueError(f"holds {text.count(chr(0))} null bytes")
        lines = csv.reader(StringIO(text, newline=""), strict=True)
        header, *rows = [list(map(original, row)) for row in lines] or [[]]
        if text and not text.endswith("\n"):
            raise ValueError(f"ends in the middle of row {len(rows)}")
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise ValueError(f"two columns are named {twice!r:.80}")
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi compose`") from None
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(
            f"{path}: is no table of nucwsi, or cannot be read ({error}); run `nucwsi compose`"
        ) from None
    lacking = [name for name in needed if name not in header]
    if lacking:
        raise StoreError(
            f"{path}: is not a table of nucwsi (no column `{lacking[0]}`); run `nucwsi compose`"
        )
    known = texts if texts is None else {*texts, *sheet_columns(header)}
    for number, row in enumerate(rows, start=1):
        if fault := _fault(header, row, known):
            raise StoreError(f"{path}: row {number} {fault}; run `nucwsi compose`")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _fault(header: list[str], row: list[str], texts: Collection[str] | None) -> str | None:
    """Say what is wrong with a row, if anything."""
    if len(row) != len(header):
        return f"has {len(row)} cells, expected {len(header)}"
    for name, cell in zip(header, row, strict=True):
        if texts is not None and name not in texts and cell and not _NUMBER.fullmatch(cell):
            return f"has {cell!r:.40} as `{name}`, expected a number"
    return None


def write_csv(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a table, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The ``.csv`` file to write.
    columns : mapping of str to (N,) ndarray
        Name of a column -> its N values. Numbers are rounded to eight significant digits; those
        that are not finite become empty cells. Texts are made `harmless`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    with published(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(map(harmless, columns))
        cells = ([cell_of(value) for value in values.tolist()] for values in columns.values())
        writer.writerows(zip(*cells, strict=True))

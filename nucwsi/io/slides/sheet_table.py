"""The rows and cells of a slide sheet, as spreadsheets and editors save them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from nucwsi.errors import ConfigError
from nucwsi.io.text import decoded

_DELIMITERS = ("\t", ";", ",")

#: Blanks, and what looks like none: marks that programs leave at the ends of cells.
_INVISIBLE = r"[\s\u200b-\u200f\u2060\ufeff]+"
_AROUND = re.compile(f"^{_INVISIBLE}|{_INVISIBLE}$")


def stripped(text: str) -> str:
    """Remove blanks and invisible marks around a text.

    Parameters
    ----------
    text : str
        A cell, or a part of it.

    Returns
    -------
    str
        What is left; maybe nothing.
    """
    return _AROUND.sub("", text)


def _text(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"{path}: does not exist; name your slide sheet in `slides`")
    if not path.is_file():
        raise ConfigError(f"{path}: is a pipe or a device; expected a file")
    try:
        return decoded(path.read_bytes())
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path}: is not UTF-8: in Excel save as CSV UTF-8, or as Unicode text"
        ) from None


def _cells(lines: list[str], delimiter: str, strict: bool = True) -> list[list[str]]:
    rows = csv.reader(lines, delimiter=delimiter, strict=strict)
    cells = ([stripped(cell) for cell in row] for row in rows)
    return [row for row in cells if any(row)]


def _delimiter(header: list[str]) -> str:
    """Return what separates the columns; tabs come first: a path may hold any of the others."""
    for delimiter in _DELIMITERS:
        if any({"slide", "path"} <= set(row) for row in _cells(header, delimiter, strict=False)):
            return delimiter
    return _DELIMITERS[0]


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table without its blank lines and comments.

    Parameters
    ----------
    path : pathlib.Path
        Text in UTF-8, or in UTF-16 with its mark; columns are separated by tabs, semicolons or
        commas.

    Returns
    -------
    columns : list of str
        Names of the columns; none if the table is empty.
    rows : list of list of str
        Cells of each row, `stripped`; rows may be shorter or longer than the head.

    Raises
    ------
    ConfigError
        If the file does not exist or is no such table.
    """
    # Excel on a Mac may end lines with CR alone.
    lines = re.split(r"\r\n|\r|\n", _text(path))
    kept = [f"{line}\n" for line in lines if stripped(line) and not line.startswith("#")]
    try:
        table = _cells(kept, _delimiter(kept[:1]))
    except csv.Error as error:
        raise ConfigError(f"{path}: cannot be read: {error}; check its quotes") from None
    if not table:
        return [], []
    header, *rows = table
    # Spreadsheets end every line with as many delimiters as their longest line has.
    while not header[-1]:
        header.pop()
    return header, rows

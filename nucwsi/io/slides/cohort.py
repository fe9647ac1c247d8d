"""The slide sheet that a folder of results keeps: slides are added to it, run by run."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from nucwsi.config import TISSUE_WORDS
from nucwsi.errors import ConfigError
from nucwsi.io.slides.folder import name_below
from nucwsi.io.slides.remote import address
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.io.stores.publish import published


class Cohort(NamedTuple):
    """Slides of a folder of results, old and new.

    Attributes
    ----------
    entries : list of SlideEntry
        Those that were known, in their order, then those that are new.
    n_new : int
        How many are new.
    notes : list of str
        What the user should know: which slides have moved or got another name, and why.
    """

    entries: list[SlideEntry]
    n_new: int
    notes: list[str]


def joined(
    known: Sequence[SlideEntry],
    given: Iterable[tuple[SlideEntry, bool]],
    is_moved: Callable[[Path, Path], bool],
) -> Cohort:
    """Add slides to those that are known.

    A file that is known keeps its name, its path and what is known of it, unless the user says
    otherwise: another path to the same file would have it analysed anew. A new one whose name is
    taken gets the name of its folder put before its own; where the user chose the name, it is
    refused.

    Parameters
    ----------
    known : sequence of SlideEntry
        Slides of earlier runs.
    given : iterable of (SlideEntry, bool)
        Slides of this run, and whether the user chose their names, in a sheet.
    is_moved : callable
        Takes the old and the new path of a slide; returns whether the old file is gone and the new
        one is the same slide.

    Returns
    -------
    Cohort
        Names are unique, upper and lower case counting as equal.

    Raises
    ------
    ConfigError
        If a name of a sheet is that of another slide.
    """
    by_name = {entry.name.lower(): entry for entry in known}
    notes = []
    for entry, chosen in given:
        # The same file may be known under several names, one for each of its scenes.
        same = [e for e in by_name.values() if _is_same_file(e.path, entry.path)]
        if same and not chosen:
            for one in same:
                by_name[one.name.lower()] = _updated(one, entry)
            continue
        name, other = entry.name, by_name.get(entry.name.lower())
        if other is not None and other not in same:
            if is_moved(other.path, entry.path):
                notes.append(f"{other.name}: {other.path} is now {entry.path}; analysed anew")
            elif chosen:
                raise ConfigError(
                    f"the slide name {name!r} of {entry.path} is that of {other.path} in these"
                    " results; rename it in the sheet, or write to another folder"
                )
            else:
                name = _free_name(entry.path, by_name)
                notes.append(f"{entry.path} is called {name}: {other.path} is {other.name} already")
        path = entry.path
        if other is not None and name == entry.name:
            name, path = other.name, other.path if other in same else path
        by_name[name.lower()] = replace(entry, name=name, path=path)
    entries = list(by_name.values())
    return Cohort(entries, len(entries) - len(known), notes)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def _updated(known: SlideEntry, given: SlideEntry) -> SlideEntry:
    """Return a known slide with what the user says of it now."""
    said = {
        one.name: getattr(given, one.name)
        for one in fields(given)
        if one.name not in ("name", "path", "beside") and getattr(given, one.name)
    }
    return replace(known, **said)


def _free_name(path: Path, taken: Iterable[str]) -> str:
    path = path.absolute()
    names = (name_below(path, depth) for depth in range(1, len(path.parts)))
    free = next((name for name in names if name.lower() not in taken), None)
    if free is None:
        raise ConfigError(f"{path}: its name is that of another slide; name it in a slide sheet")
    return free


def write_sheet(path: Path, entries: Sequence[SlideEntry]) -> None:
    """Write a slide sheet whose paths hold in any folder.

    Parameters
    ----------
    path : pathlib.Path
        The ``.tsv`` to write.
    entries : sequence of SlideEntry
        Regions that lie beside a slide are left out: they are found again.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    rows = [_cells(entry) for entry in entries]
    columns = dict.fromkeys(column for row in rows for column in row)
    used = [c for c in columns if c in ("slide", "path") or any(row.get(c) for row in rows)]
    text = io.StringIO()
    table = csv.DictWriter(text, used, "", "ignore", delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with published(path) as aside:
        aside.write_text(text.getvalue(), "utf-8")


def _cells(entry: SlideEntry) -> dict[str, str]:
    """Return the cells of a slide: a column for each field, and the further columns."""
    cells = {"slide": entry.name}
    for one in fields(entry):
        value = getattr(entry, one.name)
        if one.name == "further":
            cells |= value
        elif one.name == "tissue" and value not in ("", *TISSUE_WORDS):
            cells["tissue"] = _cell(Path(value))
        elif one.name not in ("name", "beside"):
            hidden = one.name == "regions" and entry.beside
            cells[one.name] = "" if hidden else _cell(value)
    return cells


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return ";".join(map(_cell, value))
    if isinstance(value, Path) and (where := address(value)):
        return where
    if isinstance(value, Path):
        above = value.parent.resolve() if ".." in value.parts else value.parent.absolute()
        return str(above / value.name)
    return "" if value is None else str(value)

"""The slide sheet: which slides to analyse, and what the user knows about each.

Snakemake reads it whenever it parses the workflow, once in every job, so this module imports
nothing that is slow to load.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nucwsi.errors import ConfigError
from nucwsi.io.slides.names import SLIDE_SUFFIXES, file_stem, name_fault, slide_name
from nucwsi.io.text import decoded
from nucwsi.slide.mpp import PLAUSIBLE_UM

_COLUMNS = ("slide", "path", "mpp", "scene", "regions")

#: Suffixes of slide sheets: tables with tabs, or what spreadsheets save with commas or semicolons.
_SHEETS = frozenset({".tsv", ".csv", ".txt"})

_DELIMITERS = ("\t", ";", ",")

#: Suffixes of tables that are not slide sheets.
_OTHER_TABLES = frozenset({".xls", ".xlsx", ".ods"})

#: Blanks, and what looks like none: marks that programs leave at the ends of cells.
_INVISIBLE = r"[\s\u200b-\u200f\u2060\ufeff]+"
_AROUND = re.compile(f"^{_INVISIBLE}|{_INVISIBLE}$")

#: Suffixes of the files that hold a slide's regions if they lie beside it and share its name.
REGION_SUFFIXES = (".geojson", ".geojson.gz", ".xml", ".annotations")

#: How XML of regions begins; scanners put other XML beside their slides.
_REGIONS_XML = re.compile(rb"<(ASAP_)?Annotations\b")


@dataclass(frozen=True)
class SlideEntry:
    """One slide of the sheet.

    Attributes
    ----------
    name : str
        Unique in the sheet, whatever the case; names the folder of results.
    path : pathlib.Path
        The slide.
    mpp : float or None
        The user's value for the size of a level-0 pixel, in µm; None if the file is to be believed.
    scene : str
        The user's choice among several scenes of the file; empty if there is one.
    regions : tuple of pathlib.Path
        Files of regions in which to count.
    beside : bool
        Whether the files of regions were found beside the slide instead of named in the sheet.
    """

    name: str
    path: Path
    mpp: float | None = None
    scene: str = ""
    regions: tuple[Path, ...] = ()
    beside: bool = False


def _with_regions_beside(entry: SlideEntry) -> SlideEntry:
    named = (entry.path.with_name(file_stem(entry.path) + suffix) for suffix in REGION_SUFFIXES)
    regions = tuple(path for path in named if path.is_file() and _may_hold_regions(path))
    return replace(entry, regions=regions, beside=bool(regions))


def _may_hold_regions(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return True
    with path.open("rb") as stream:
        return _REGIONS_XML.search(stream.read(4096)) is not None


def _entry(row: dict[str, str], where: str) -> SlideEntry:
    name, path = row["slide"], row["path"]
    fault = name_fault(name)
    if fault:
        raise ConfigError(f"{where}: slide name {name!r} {fault}")
    if not path:
        raise ConfigError(f"{where}: slide {name!r} has no path")
    regions = [_AROUND.sub("", part) for part in row.get("regions", "").split(";")]
    mpp = _mpp(row.get("mpp", ""), where)
    files = tuple(Path(part) for part in regions if part)
    return SlideEntry(name, Path(path), mpp, row.get("scene", ""), files)


def _mpp(text: str, where: str) -> float | None:
    if not text:
        return None
    low, high = PLAUSIBLE_UM
    try:
        mpp = float(text)
    except ValueError:
        raise ConfigError(
            f"{where}: mpp {text!r} is not a number; write for example 0.25"
        ) from None
    if not low <= mpp <= high:
        raise ConfigError(
            f"{where}: mpp {text!r} is not plausible, expected {low:g} to {high:g} µm per pixel;"
            " write for example 0.25"
        )
    return mpp


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
    cells = ([_AROUND.sub("", cell) for cell in row] for row in rows)
    return [row for row in cells if any(row)]


def _delimiter(header: list[str]) -> str:
    """Return what separates the columns; tabs come first: a path may hold any of the others."""
    for delimiter in _DELIMITERS:
        if any({"slide", "path"} <= set(row) for row in _cells(header, delimiter, strict=False)):
            return delimiter
    return _DELIMITERS[0]


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the columns and the rows of a table, without blank lines and comments."""
    # Excel on a Mac may end lines with CR alone.
    lines = re.split(r"\r\n|\r|\n", _text(path))
    kept = [f"{line}\n" for line in lines if _AROUND.sub("", line) and not line.startswith("#")]
    try:
        table = _cells(kept, _delimiter(kept[:1]))
    except csv.Error as error:
        raise ConfigError(f"{path}: cannot be read: {error}; check its quotes") from None
    return (table[0], table[1:]) if table else ([], [])


def _read_table(path: Path) -> list[SlideEntry]:
    columns, rows = _rows(path)
    known = {"slide", "path"} <= set(columns) <= set(_COLUMNS)
    if not known or len(set(columns)) < len(columns):
        raise ConfigError(
            f"{path}: has the columns {', '.join(map(_shown, columns)) or '(none)'}; expected slide"
            " and path, maybe mpp, scene and regions, each once, separated by tabs"
        )
    entries = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}, slide {number}"
        if any(row[len(columns) :]):
            raise ConfigError(
                f"{where}: has more cells than the table has columns; expected"
                f" {', '.join(columns)}, separated by tabs"
            )
        # Cells that are not written are empty.
        cells = dict.fromkeys(columns, "") | dict(zip(columns, row, strict=False))
        entries.append(_entry(cells, where))
    return entries


def _shown(text: object) -> str:
    """Return a text as it is, or with escapes where a terminal would show nothing."""
    return str(text) if str(text).isprintable() else ascii(str(text))


def read_sheet(
    path: Path,
    may_be_absent: Callable[[SlideEntry], bool] = lambda _: False,
    *,
    beside: bool = True,
) -> list[SlideEntry]:
    """Read which slides to analyse.

    Parameters
    ----------
    path : pathlib.Path
        A table (``.tsv``, ``.csv`` or ``.txt``) with the columns slide and path and, optionally,
        mpp, scene and regions (several files joined by ``;``); or one slide; or a folder of slides.
        Relative paths start at the working directory.
    may_be_absent : callable
        Takes an entry whose slide is not there, and gives whether that is no mistake: because the
        workflow makes the slide, or has its results already.
    beside : bool
        Whether a slide for which no regions are named gets the files beside it that share its name
        and have one of `REGION_SUFFIXES`.

    Returns
    -------
    list of SlideEntry
        At least one, in the order of the table or of the file names.

    Raises
    ------
    ConfigError
        If no slide is named, a name is illegal or occurs twice, or a file does not exist.
    """
    try:
        entries = _listed(path)
        if not entries:
            raise ConfigError(f"{path}: names no slide")
        if beside:
            entries = [entry if entry.regions else _with_regions_beside(entry) for entry in entries]
        _refuse_equal_names(path, entries)
        for entry in entries:
            _refuse_unusable_files(path, entry, may_be_absent)
    except OSError as error:
        # Such as a name that is too long, or a folder that may not be searched.
        raise ConfigError(f"{_shown(path)}: {_shown(error)}") from None
    return [
        replace(entry, path=_argument(entry.path), regions=tuple(map(_argument, entry.regions)))
        for entry in entries
    ]


def _argument(path: Path) -> Path:
    """Return a path that no command takes for an option."""
    return path.absolute() if str(path).startswith("-") else path


def _listed(path: Path) -> list[SlideEntry]:
    """List the slides of a folder or a table, or the one slide that `path` is."""
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() in _SHEETS:
        return _read_table(path)
    if path.suffix.lower() in _OTHER_TABLES:
        raise ConfigError(f"{path}: is no text; in Excel save as CSV UTF-8")
    return [_named(path)]


def _named(path: Path) -> SlideEntry:
    """Return the entry of a slide that is named after its file."""
    name = slide_name(path)
    fault = name_fault(name)
    if fault:
        raise ConfigError(f"{_shown(path)}: its name {fault}; name it in a slide sheet")
    return SlideEntry(name, path)


def _read_folder(path: Path) -> list[SlideEntry]:
    # macOS puts `._a.svs` beside `a.svs` on disks that are not its own.
    visible = (p for p in path.iterdir() if not p.name.startswith("."))
    slides = sorted(p for p in visible if p.suffix.lower() in SLIDE_SUFFIXES)
    if sum(p.suffix.lower() == ".dcm" for p in slides) > 1:
        raise ConfigError(
            f"{path}: holds DICOM files, and one slide has many of them; name one file of each"
            " slide in a slide sheet"
        )
    return [_named(p) for p in slides]


def _refuse_equal_names(sheet: Path, entries: list[SlideEntry]) -> None:
    named: dict[str, Path] = {}
    for entry in entries:
        # Some file systems take `A` and `a` for the same folder.
        other = named.setdefault(entry.name.lower(), entry.path)
        if other is not entry.path:
            raise ConfigError(
                f"{sheet}: the slide name {entry.name!r} occurs twice, for {other} and"
                f" {entry.path}; rename one"
            )


def _refuse_unusable_files(
    sheet: Path, entry: SlideEntry, may_be_absent: Callable[[SlideEntry], bool]
) -> None:
    for used in (entry.path, *entry.regions):
        if {"{", "}"} & set(str(used)):
            raise ConfigError(f"{sheet}: {used} has braces, which Snakemake reads; rename it")
        if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", str(used)):
            raise ConfigError(
                f"{sheet}: {_shown(used)} is not UTF-8, or has characters that cannot be shown;"
                " rename it"
            )
        if used.is_file() or (used is entry.path and may_be_absent(entry)):
            continue
        raise ConfigError(f"{sheet}: slide {entry.name!r}: {_shown(used)} is not a file")

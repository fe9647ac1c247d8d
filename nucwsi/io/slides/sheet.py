"""The slide sheet: which slides to analyse, and what the user knows about each.

Snakemake reads it whenever it parses the workflow, once in every job, so this module imports
nothing that is slow to load.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nucwsi.errors import ConfigError
from nucwsi.slide.mpp import PLAUSIBLE_UM

#: A slide's name becomes a folder and a wildcard.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_COLUMNS = ("slide", "path", "mpp", "scene", "regions")

#: Suffixes of the files in a folder that are taken for slides.
SLIDE_SUFFIXES = frozenset(
    {
        *(".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn"),
        *(".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi"),
    }
)

#: Suffixes of tables that are not slide sheets.
_OTHER_TABLES = frozenset({".csv", ".txt", ".xls", ".xlsx", ".ods"})

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


def _stem(path: Path) -> str:
    stem = path.name
    for suffix in (".tif", ".tiff"):
        stem = stem.removesuffix(f".ome{suffix}")
    return Path(stem).stem if Path(stem).suffix.lower() in SLIDE_SUFFIXES else stem


def slide_name(path: Path) -> str:
    """Derive the name of a slide from its file name.

    Parameters
    ----------
    path : pathlib.Path
        The slide.

    Returns
    -------
    str
        Letters, digits, ``.``, ``_`` and ``-``; every other run of characters becomes ``_``.

    Examples
    --------
    >>> slide_name(Path("scans/odd name (1).ome.tif"))
    'odd_name_1_'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", _stem(path)).lstrip("._-") or "slide"


def _with_regions_beside(entry: SlideEntry) -> SlideEntry:
    named = (entry.path.with_name(_stem(entry.path) + suffix) for suffix in REGION_SUFFIXES)
    regions = tuple(path for path in named if path.is_file() and _may_hold_regions(path))
    return replace(entry, regions=regions, beside=bool(regions))


def _may_hold_regions(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return True
    with path.open("rb") as stream:
        return _REGIONS_XML.search(stream.read(4096)) is not None


def _entry(row: dict[str, str], where: str) -> SlideEntry:
    name, path = row["slide"].strip(), row["path"].strip()
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: slide name {name!r} may hold letters, digits, '.', '_' and '-' only, and"
            " must begin with a letter or digit"
        )
    if not path:
        raise ConfigError(f"{where}: slide {name!r} has no path")
    regions = [part.strip() for part in (row.get("regions") or "").split(";")]
    mpp = _mpp((row.get("mpp") or "").strip(), where)
    scene = (row.get("scene") or "").strip()
    return SlideEntry(name, Path(path), mpp, scene, tuple(Path(part) for part in regions if part))


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


def _rows(path: Path) -> tuple[Sequence[str], list[dict[Any, Any]]]:
    """Return the columns and the rows of a table, without blank lines and comments."""
    if not path.exists():
        raise ConfigError(f"{path}: does not exist; name your slide sheet in `slides`")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = (line for line in stream if line.strip() and not line.startswith("#"))
            reader = csv.DictReader(lines, delimiter="\t", restval="")
            return reader.fieldnames or [], list(reader)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not text; a slide sheet is a table with tabs") from None
    except (csv.Error, OSError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _read_table(path: Path) -> list[SlideEntry]:
    columns, rows = _rows(path)
    if not {"slide", "path"} <= set(columns) <= set(_COLUMNS):
        raise ConfigError(
            f"{path}: has the columns {', '.join(columns) or '(none)'}; expected slide and"
            " path, maybe mpp, scene and regions, separated by tabs"
        )
    for number, row in enumerate(rows, start=1):
        # The reader keeps cells beyond the last column under the key None.
        if any(cell.strip() for cell in row.get(None) or []):
            raise ConfigError(
                f"{path}, slide {number}: has more cells than the table has columns; expected"
                f" {', '.join(columns)}, separated by tabs"
            )
    return [_entry(row, f"{path}, slide {n}") for n, row in enumerate(rows, start=1)]


def read_sheet(
    path: Path,
    may_be_absent: Callable[[SlideEntry], bool] = lambda entry: False,
    *,
    beside: bool = True,
) -> list[SlideEntry]:
    """Read which slides to analyse.

    Parameters
    ----------
    path : pathlib.Path
        A table (``.tsv``) with the columns slide and path and, optionally, mpp, scene and regions
        (several files joined by ``;``); or one slide; or a folder of slides. Relative paths start
        at the working directory.
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
    entries = _listed(path)
    if not entries:
        raise ConfigError(f"{path}: names no slide")
    if beside:
        entries = [entry if entry.regions else _with_regions_beside(entry) for entry in entries]
    _refuse_equal_names(path, entries)
    for entry in entries:
        _refuse_unusable_files(path, entry, may_be_absent)
    return entries


def _listed(path: Path) -> list[SlideEntry]:
    """List the slides of a folder or a table, or the one slide that `path` is."""
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() == ".tsv":
        return _read_table(path)
    if path.suffix.lower() in _OTHER_TABLES:
        raise ConfigError(
            f"{path}: is not a slide; a slide sheet is a .tsv, with columns separated by tabs"
        )
    return [SlideEntry(slide_name(path), path)]


def _read_folder(path: Path) -> list[SlideEntry]:
    # macOS puts `._a.svs` beside `a.svs` on disks that are not its own.
    visible = (p for p in path.iterdir() if not p.name.startswith("."))
    slides = sorted(p for p in visible if p.suffix.lower() in SLIDE_SUFFIXES)
    if sum(p.suffix.lower() == ".dcm" for p in slides) > 1:
        raise ConfigError(
            f"{path}: holds DICOM files, and one slide has many of them; name one file of each"
            " slide in a slide sheet"
        )
    return [SlideEntry(slide_name(p), p) for p in slides]


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
        if used.is_file() or (used is entry.path and may_be_absent(entry)):
            continue
        raise ConfigError(f"{sheet}: slide {entry.name!r}: {used} is not a file")

"""The slide sheet: which slides to analyse, and what the user knows about each.

Snakemake reads it whenever it parses the workflow, once in every job, so this module imports
nothing that is slow to load.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from nucwsi.config import TISSUE_WORDS
from nucwsi.errors import ConfigError
from nucwsi.io.foreign.numbered import numbered_names
from nucwsi.io.slides.folder import slides_in, told_apart
from nucwsi.io.slides.names import file_stem, name_fault, slide_name
from nucwsi.io.slides.remote import address, address_fault, shown, staging_fault
from nucwsi.io.slides.sheet_table import read_rows, stripped
from nucwsi.slide.mpp import PLAUSIBLE_UM

#: Columns that nucwsi reads; others are the user's.
_COLUMNS = (
    *("slide", "path", "mpp", "scene", "regions", "tissue", "answers"),
    *("nuclei", "nuclei_mpp", "nuclei_classes"),
)

#: A further column whose name is this similar to one of these is a slip of the pen: `region`
#: would be carried along, and the regions would not be counted.
_SIMILAR = 0.85

#: Longest name of a further column.
_MAX_NAME = 200

#: What no cell may hold: control characters, and halves of characters.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: Suffixes of slide sheets: tables with tabs, or what spreadsheets save with commas or semicolons.
_SHEETS = frozenset({".tsv", ".csv", ".txt"})

#: Suffixes of tables that are not slide sheets.
_OTHER_TABLES = frozenset({".xls", ".xlsx", ".ods"})

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
        The slide; or an address, which `remote.address` recognises.
    mpp : float or None
        The user's value for the size of a level-0 pixel, in µm; None if the file is to be believed.
    scene : str
        The user's choice among several scenes of the file; empty if there is one.
    regions : tuple of pathlib.Path
        Files of regions in which to count.
    beside : bool
        Whether the files of regions were found beside the slide instead of named in the sheet.
    tissue : str
        Where the tissue is: ``auto``, ``all`` or a mask; empty if the configuration says it.
    answers : tuple of pathlib.Path
        Files of answers to a review of the slide.
    nuclei : pathlib.Path or None
        Nuclei that another program has found, which are imported; None where nucwsi finds them.
    nuclei_mpp : float or None
        µm per pixel that `nuclei` count in; None if the file is to be believed.
    nuclei_classes : str
        Names of the classes that `nuclei` number, such as ``1=tumour,2=immune``; may be empty.
    further : dict of str to str
        Further columns of the sheet, such as ``patient`` and ``group``, in its order -> what they
        say of the slide; may be empty texts.
    """

    name: str
    path: Path
    mpp: float | None = None
    scene: str = ""
    regions: tuple[Path, ...] = ()
    beside: bool = False
    tissue: str = ""
    answers: tuple[Path, ...] = ()
    nuclei: Path | None = None
    nuclei_mpp: float | None = None
    nuclei_classes: str = ""
    further: dict[str, str] = field(default_factory=dict)


def _with_regions_beside(entry: SlideEntry) -> SlideEntry:
    if address(entry.path) is not None:
        return entry
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
    regions, answers = (_files(row.get(column, "")) for column in ("regions", "answers"))
    mpp, nuclei_mpp = (_mpp(row, column, where) for column in ("mpp", "nuclei_mpp"))
    nuclei, numbered = row.get("nuclei", ""), row.get("nuclei_classes", "")
    if not nuclei and (nuclei_mpp or numbered):
        raise ConfigError(f"{where}: says what the nuclei are like, but `nuclei` names no file")
    numbered_names(numbered, f"{where}: nuclei_classes")
    further = {column: cell for column, cell in row.items() if column not in _COLUMNS}
    for column, cell in further.items():
        if _CONTROL.search(cell):
            raise ConfigError(
                f"{where}: {column!r} is {cell!r:.80}, which has characters that cannot be shown;"
                " write it without them"
            )
    return SlideEntry(
        name,
        Path(path),
        mpp,
        row.get("scene", ""),
        regions,
        tissue=row.get("tissue", ""),
        answers=answers,
        nuclei=Path(nuclei) if nuclei else None,
        nuclei_mpp=nuclei_mpp,
        nuclei_classes=numbered,
        further=further,
    )


def _mask(entry: SlideEntry) -> tuple[Path, ...]:
    """Return the file that says where a slide's tissue is, if there is one."""
    return (Path(entry.tissue),) if entry.tissue not in ("", *TISSUE_WORDS) else ()


def _files(cell: str) -> tuple[Path, ...]:
    """Return the files that a cell names, joined by ``;``."""
    return tuple(Path(part) for part in map(stripped, cell.split(";")) if part)


def _column_fault(name: str) -> str | None:
    """Say why a further column may not have a name."""
    if not name:
        return "has no name; give it one, or remove it"
    if _CONTROL.search(name):
        return "has characters that cannot be shown; rename it"
    if len(name) > _MAX_NAME:
        return f"has {len(name)} characters, expected {_MAX_NAME} at most; rename it"
    similar = difflib.get_close_matches(name.lower(), _COLUMNS, 1, _SIMILAR)
    return f"looks like `{similar[0]}`; write it so, or rename the column" if similar else None


def _mpp(row: dict[str, str], column: str, where: str) -> float | None:
    text = row.get(column, "")
    if not text:
        return None
    low, high = PLAUSIBLE_UM
    try:
        mpp = float(text)
    except ValueError:
        raise ConfigError(
            f"{where}: {column} {text!r} is not a number; write for example 0.25"
        ) from None
    if not low <= mpp <= high:
        raise ConfigError(
            f"{where}: {column} {text!r} is not plausible, expected {low:g} to {high:g} µm per"
            " pixel; write for example 0.25"
        )
    return mpp


def _read_table(path: Path) -> list[SlideEntry]:
    columns, rows = read_rows(path)
    if not {"slide", "path"} <= set(columns) or len(set(columns)) < len(columns):
        raise ConfigError(
            f"{path}: has the columns {', '.join(map(_shown, columns)) or '(none)'}; expected slide"
            f" and path, maybe {', '.join(_COLUMNS[2:])}, and others of your own, each once,"
            " separated by tabs"
        )
    for name in columns:
        fault = None if name in _COLUMNS else _column_fault(name)
        if fault:
            raise ConfigError(f"{path}: the column {name!r:.80} {fault}")
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
        mpp, scene, regions, answers (both several files joined by ``;``), tissue, nuclei with
        nuclei_mpp and nuclei_classes, and further ones, which are carried along; or one slide; or a
        folder, in whose sub-folders slides are looked for as well. Relative paths start at the
        working directory.
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
        replace(
            entry,
            path=_argument(entry.path),
            regions=tuple(map(_argument, entry.regions)),
            answers=tuple(map(_argument, entry.answers)),
            nuclei=entry.nuclei and _argument(entry.nuclei),
        )
        for entry in entries
    ]


def is_sheet(path: Path) -> bool:
    """Return whether a path is taken for a slide sheet, in which the user has named the slides.

    Parameters
    ----------
    path : pathlib.Path
        What the user named.

    Returns
    -------
    bool
        False for a slide and for a folder of slides.
    """
    return path.suffix.lower() in _SHEETS and not path.is_dir()


def _argument(path: Path) -> Path:
    """Return a path that no command takes for an option."""
    return path.absolute() if str(path).startswith("-") else path


def _listed(path: Path) -> list[SlideEntry]:
    """List the slides of a folder or a table, or the one slide that `path` is."""
    if path.is_dir():
        return _read_folder(path)
    if is_sheet(path):
        return _read_table(path)
    if path.suffix.lower() in _OTHER_TABLES:
        raise ConfigError(f"{path}: is no text; in Excel save as CSV UTF-8")
    return [_named(path, slide_name(path))]


def _named(path: Path, name: str) -> SlideEntry:
    """Return the entry of a slide that is named after its file."""
    fault = name_fault(name)
    if fault:
        raise ConfigError(f"{_shown(path)}: its name {fault}; name it in a slide sheet")
    return SlideEntry(name, path)


def _read_folder(path: Path) -> list[SlideEntry]:
    slides = slides_in(path)
    return [_named(p, name) for p, name in zip(slides, told_apart(slides), strict=True)]


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
    nuclei = () if entry.nuclei is None else (entry.nuclei,)
    for used in (entry.path, *entry.regions, *_mask(entry), *entry.answers, *nuclei):
        if {"{", "}"} & set(str(used)):
            raise ConfigError(f"{sheet}: {used} has braces, which Snakemake reads; rename it")
        if _CONTROL.search(str(used)):
            raise ConfigError(
                f"{sheet}: {_shown(used)} is not UTF-8, or has characters that cannot be shown;"
                " rename it"
            )
        if used is entry.path and address(used) is not None:
            fault = staging_fault(used)
            if fault:
                raise ConfigError(f"{sheet}: slide {entry.name!r}: {shown(used)} {fault}")
            continue
        fault = address_fault(used)
        if fault and not used.exists():
            raise ConfigError(f"{sheet}: slide {entry.name!r}: {_shown(used)} {fault}")
        if used.is_file() or (used is entry.path and may_be_absent(entry)):
            continue
        # OME-Zarr is a folder.
        if used in nuclei and used.suffix.lower() == ".zarr" and used.is_dir():
            continue
        raise ConfigError(f"{sheet}: slide {entry.name!r}: {_shown(used)} is not a file")

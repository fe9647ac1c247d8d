"""The slides in a folder and its sub-folders: which files are slides, and which belong to others.

Like the slide sheet, this is read whenever the workflow is parsed, so it loads nothing slow.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from nucwsi.io.slides.names import PICTURE_SUFFIXES, SLIDE_SUFFIXES, file_stem, slide_name

#: What marks a folder of results, and one of the results of a slide: their pictures are no slides.
_OF_RESULTS = (".fingerprints.json", "nuclei.parquet")

#: Of these slides the file is an index, and pictures beside it hold the pixels.
_INDEXES = {".vms", ".vmu"}

#: Bytes at the start of a DICOM file in which its series is named.
_HEADER = 1 << 16

#: How DICOM writes the number of a series (0020,000E): tag and kind, then two bytes of length.
_SERIES = b"\x20\x00\x0e\x00UI"


def slides_in(folder: Path) -> list[Path]:
    """List the slides of a folder and of its sub-folders, each once.

    Left out are hidden files and folders, folders of results, the parts of slides that consist of
    many files (of MIRAX, Hamamatsu and DICOM), and a picture that lies beside a scan of its name,
    as scanners leave it.

    Parameters
    ----------
    folder : pathlib.Path
        Links to folders are followed.

    Returns
    -------
    list of pathlib.Path
        Below `folder`, in the order of their names, folder by folder.

    Raises
    ------
    OSError
        If a folder may not be searched.
    """
    return [path for where, names in _folders(folder) for path in _of_one(where, names)]


def _folders(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder that may hold slides, with the names of its visible files."""

    def _refuse(error: OSError) -> None:
        raise error

    seen = set()
    for here, folders, files in os.walk(top, onerror=_refuse, followlinks=True):
        where = Path(here)
        status = where.stat()
        if (status.st_dev, status.st_ino) in seen or _is_of_results(where):
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # macOS puts `._a.svs` beside `a.svs` on disks that are not its own.
        visible = [name for name in files if not name.startswith(".")]
        parts = {Path(name).stem for name in visible if name.lower().endswith(".mrxs")}
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in parts)
        yield where, sorted(visible)


def _is_of_results(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _OF_RESULTS)


def _of_one(folder: Path, names: list[str]) -> list[Path]:
    files = [folder / name for name in names if Path(name).suffix.lower() in SLIDE_SUFFIXES]
    suffixes = {path.suffix.lower() for path in files}
    scans = [path for path in files if path.suffix.lower() not in PICTURE_SUFFIXES]
    of_scans = {file_stem(path) for path in scans}
    pictures = [
        path
        for path in files
        if path.suffix.lower() in PICTURE_SUFFIXES and file_stem(path) not in of_scans
    ]
    if suffixes & _INDEXES:
        pictures = []
    dicom = [path for path in scans if path.suffix.lower() == ".dcm"]
    others = [path for path in scans if path not in dicom]
    return sorted([*others, *pictures, *_one_a_series(dicom)])


def _one_a_series(files: list[Path]) -> list[Path]:
    """Return the largest file of each series of DICOM, which holds its full resolution."""
    series = defaultdict(list)
    for path in files:
        series[_series_of(path) or path.name].append(path)
    return [max(of_one, key=lambda path: path.stat().st_size) for of_one in series.values()]


def _series_of(path: Path) -> str:
    """Return the number of a file's series; empty if the file does not name it."""
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
    at = header.find(_SERIES)
    if at < 0:
        return ""
    start = at + len(_SERIES) + 2
    length = int.from_bytes(header[start - 2 : start], "little")
    return header[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")


def told_apart(paths: Iterable[Path]) -> list[str]:
    """Name slides after their files, and those of equal names after their folders as well.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        N slides.

    Returns
    -------
    list of str
        N names. Where files in several folders would get the same name, upper and lower case
        counting as equal, the names of as many folders as needed are put before it. Files that
        differ in their suffix alone keep equal names.

    Examples
    --------
    >>> told_apart([Path("p1/HE.svs"), Path("p2/he.svs"), Path("p2/b.svs")])
    ['p1_HE', 'p2_he', 'b']
    """
    files = [path.absolute() for path in paths]
    names = [slide_name(path) for path in files]
    deepest = max((len(path.parts) for path in files), default=0)
    for depth in range(1, deepest - 1):
        alike = _alike(names)
        if not alike:
            return names
        for index in alike:
            names[index] = name_below(files[index], depth)
    for index in _alike(names):
        names[index] = slide_name(files[index])
    return names


def _alike(names: list[str]) -> list[int]:
    """Return the places of names that occur more than once."""
    places = defaultdict(list)
    for index, name in enumerate(names):
        places[name.lower()].append(index)
    return [index for group in places.values() if len(group) > 1 for index in group]


def name_below(path: Path, depth: int) -> str:
    """Name a slide after its file and some of the folders above it.

    Parameters
    ----------
    path : pathlib.Path
        The slide; absolute.
    depth : int
        Number of folders.

    Returns
    -------
    str
        As of `slide_name`, which joins them with ``_``.

    Examples
    --------
    >>> name_below(Path("/data/case 1/HE.svs"), 1)
    'case_1_HE'
    """
    above = path.parts[max(1, len(path.parts) - 1 - depth) : -1]
    return slide_name(Path("_".join([*above, path.name])))

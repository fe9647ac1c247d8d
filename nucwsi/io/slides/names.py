"""Names of slides: they become folders, parts of file names, wildcards and cells of tables."""

from __future__ import annotations

import re
from pathlib import Path

#: Suffixes of plain pictures, which are read whole.
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

#: Suffixes of the files in a folder that are taken for slides.
SLIDE_SUFFIXES = PICTURE_SUFFIXES | frozenset(
    {
        *(".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn"),
        *(".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi"),
    }
)

_LEGAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

#: Names of devices on Windows, whatever their suffix: results there could not be opened.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

#: What lies beside the folders of the slides: logs, run times, configuration, tables, the report.
_TAKEN = re.compile(r"logs|benchmarks|config|.*\.(csv|html|json)", re.IGNORECASE)

#: File names have 255 bytes at most. The longest is that of a temporary file:
#: `.<slide>.labels.ome.zarr.zip.<12 digits>.tmp`.
_MAX_NAME = 200


def file_stem(path: Path) -> str:
    """Return the name of a file without the suffix of a slide.

    Parameters
    ----------
    path : pathlib.Path
        The slide; other suffixes, as in ``case.1``, are kept.

    Returns
    -------
    str
        Also without ``.ome``.
    """
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
        Letters, digits, ``.``, ``_`` and ``-``; every other run of characters becomes ``_``. A name
        that has another meaning, such as ``logs``, gets ``_`` at its end.

    Examples
    --------
    >>> slide_name(Path("scans/odd name (1).ome.tif")), slide_name(Path("-lead.svs"))
    ('odd_name_1_', 'lead')
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", file_stem(path)).lstrip("._-").rstrip(".") or "slide"
    return f"{name}_" if _DEVICES.fullmatch(name) or _TAKEN.fullmatch(name) else name


def name_fault(name: str) -> str | None:
    """Say why a name cannot be that of a slide.

    Parameters
    ----------
    name : str
        As the user wrote it.

    Returns
    -------
    str or None
        What is wrong with it; None if it can be used.

    Examples
    --------
    >>> name_fault("case-01"), name_fault("nul")
    (None, 'is a device on Windows')
    """
    if not _LEGAL.fullmatch(name):
        return (
            "may hold letters, digits, '.', '_' and '-' only, and must begin with a letter or digit"
        )
    if name.endswith("."):
        return "must not end with '.', which Windows takes away"
    if len(name) > _MAX_NAME:
        return f"has {len(name)} characters; expected {_MAX_NAME} at most"
    if _DEVICES.fullmatch(name):
        return "is a device on Windows"
    if _TAKEN.fullmatch(name):
        return "is, or ends like, the name of other results of a run"
    return None

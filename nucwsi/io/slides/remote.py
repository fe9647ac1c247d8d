"""Slides that lie in object storage or on a web server: their addresses, and what may be there."""

from __future__ import annotations

import re
from pathlib import Path

#: Scheme of an address -> Snakemake's storage plug-in that fetches what is there.
STORAGE = {"s3": "s3", "gs": "gcs", "http": "http", "https": "http"}

#: A path that was an address: `pathlib` writes two slashes as one.
_ADDRESS = re.compile(rf"({'|'.join(STORAGE)}):/+(?=[^/])")

#: Slides of which the named file is only a part, so that to fetch it is not enough.
_OF_MANY_FILES = frozenset({".mrxs", ".vms", ".vmu", ".dcm"})


def address(path: Path) -> str | None:
    """Return the address that a path of the slide sheet is.

    Parameters
    ----------
    path : pathlib.Path
        As the sheet has it.

    Returns
    -------
    str or None
        Such as ``s3://bucket/a.svs``; None for a file of this machine.

    Examples
    --------
    >>> address(Path("s3://bucket/a.svs"))
    's3://bucket/a.svs'
    >>> address(Path("slides/a.svs"))
    """
    text = str(path)
    found = _ADDRESS.match(text)
    return f"{found[1]}://{text[found.end() :]}" if found else None


def shown(path: Path) -> str:
    """Render the path of a slide for people.

    Parameters
    ----------
    path : pathlib.Path
        As the sheet has it.

    Returns
    -------
    str
        Its address if it has one.
    """
    return address(path) or str(path)


def staging_fault(path: Path) -> str | None:
    """Say why a slide cannot be copied to where it is read.

    Parameters
    ----------
    path : pathlib.Path
        As the sheet has it.

    Returns
    -------
    str or None
        What is wrong and the way out; None if it can.
    """
    if path.suffix.lower() in _OF_MANY_FILES:
        return (
            "is one of several files that make the slide, and only one can be fetched; convert it"
            " to TIFF, or copy all of them to a local disk and name that"
        )
    where = address(path)
    if where is not None and "/" not in where.partition("://")[2].strip("/"):
        return "names no file; write for example s3://bucket/slide.svs"
    return None

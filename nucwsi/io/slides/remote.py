"""Slides that lie in object storage or on a web server: their addresses, and what may be there."""

from __future__ import annotations

import re
from pathlib import Path

#: Scheme of an address -> Snakemake's storage plug-in that fetches what is there.
STORAGE = {"s3": "s3", "gs": "gcs", "http": "http", "https": "http"}

#: A path that was an address: `pathlib` writes two slashes as one.
_ADDRESS = re.compile(rf"({'|'.join(STORAGE)}):/+(?=[^/])")

#: A path that looks like an address; a single letter is a drive of Windows.
_LIKE_AN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

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
    if where is not None and "@" in where.partition("://")[2].partition("/")[0]:
        return "holds a name or a password, which results would show; leave them out of the address"
    return None


def address_fault(path: Path) -> str | None:
    """Say why a path that is no file of this machine is no address either.

    Parameters
    ----------
    path : pathlib.Path
        Of a slide whose `address` is None, or of a file beside a slide.

    Returns
    -------
    str or None
        What is wrong and the way out; None if it does not look like an address.

    Examples
    --------
    >>> address_fault(Path("ftp://host/a.svs"))[:40]
    'is an address of an unknown kind; expect'
    >>> address_fault(Path("C:/a.svs"))
    """
    if address(path) is not None:
        return "is an address, but only slides are fetched; copy the file, and name the copy"
    if _LIKE_AN_ADDRESS.match(str(path)):
        return (
            f"is an address of an unknown kind; expected {', '.join(f'{s}://' for s in STORAGE)},"
            " in small letters, or a file of this machine"
        )
    return None

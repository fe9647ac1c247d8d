"""The table of contents of a store's zip, in little memory."""

from __future__ import annotations

import zipfile
from bisect import bisect_right

import numpy as np

#: What is known of an entry beside its name.
_FACTS = ("header_offset", "compress_size", "file_size", "CRC", "compress_type", "flag_bits")


class Contents:
    """Finds the entries of a zip by their names.

    `zipfile` takes half a kilobyte for each entry; maps have four entries for each tile.

    Parameters
    ----------
    archive : zipfile.ZipFile
        Open for reading. It forgets its entries, and can read those that it is given.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> with zipfile.ZipFile(stream, "w") as archive:
    ...     archive.writestr("np/0/1", b"chunk")
    >>> archive = zipfile.ZipFile(stream)
    >>> contents = Contents(archive)
    >>> archive.read(contents["np/0/1"])
    b'chunk'
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        entries = archive.infolist()
        names = np.array([entry.filename.encode() for entry in entries], np.bytes_)
        order = np.argsort(names, kind="stable")
        self._names = names[order]
        self._facts = np.empty((len(entries), len(_FACTS)), np.int64)
        for column, name in zip(self._facts.T, _FACTS, strict=True):
            column[:] = np.fromiter((getattr(entry, name) for entry in entries), np.int64)[order]
        archive.filelist.clear()
        archive.NameToInfo.clear()

    def __getitem__(self, name: str) -> zipfile.ZipInfo:
        """Return an entry, of equal ones the last; raise `KeyError` if there is none."""
        key = name.encode()
        place = bisect_right(self._names, key) - 1
        if place < 0 or self._names[place] != key:
            raise KeyError(name)
        entry = zipfile.ZipInfo(name)
        for fact, value in zip(_FACTS, self._facts[place].tolist(), strict=True):
            setattr(entry, fact, value)
        return entry

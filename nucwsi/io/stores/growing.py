"""A store's zip that grows chunk by chunk, so that every byte is written once.

Chunks are appended as they come, and the table of contents at the end. The caller notes where each
lies when it is written; a later run goes on behind what is noted.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from nucwsi.io.stores.arrays import contents_digest, read_back, zip_entry, zip_members
from nucwsi.io.stores.publish import explained


class GrowingZip:
    """A zip whose entries are added one by one, from one thread; the caller closes it.

    Parameters
    ----------
    path : pathlib.Path
        Where it grows; what lies behind the last noted entry there is cut off.
    noted : mapping of str to str
        Name of each entry that is there already -> its note from `add`, in the order in which they
        were added.

    Raises
    ------
    EOFError
        If less is there than was noted, as after a power failure: start anew, without notes.
    StoreError
        If the folder cannot be written.
    """

    def __init__(self, path: Path, noted: Mapping[str, str]) -> None:
        self._path, self._end = path, 0
        self._entries: list[zipfile.ZipInfo] = []
        for name, note in noted.items():
            crc, size = map(int, note.split())
            self._append(name, crc, size)
        with explained(path):
            self._stream = path.open("r+b" if path.exists() else "w+b")
            if self._stream.seek(0, os.SEEK_END) < self._end:
                self._stream.close()
                raise EOFError(path)
            self._stream.truncate(self._end)
            self._stream.seek(self._end)

    def _append(self, name: str, crc: int, size: int) -> bytes:
        """Add an entry to the table of contents; return the header that its data follow."""
        entry = zip_entry(name)
        entry.CRC, entry.file_size, entry.compress_size = crc, size, size
        entry.header_offset = self._end
        header = entry.FileHeader(zip64=False)
        self._end += len(header) + size
        self._entries.append(entry)
        return header

    def add(self, name: str, data: bytes) -> str:
        """Append an entry.

        Parameters
        ----------
        name : str
            ASCII; one that the zip does not have yet.
        data : bytes
            Its content, at most 2 GB.

        Returns
        -------
        str
            What a later run is to be told of it, without line breaks.

        Raises
        ------
        StoreError
            If the disk is full.
        """
        crc = zlib.crc32(data)
        header = self._append(name, crc, len(data))
        with explained(self._path):
            self._stream.write(header)
            self._stream.write(data)
            # A process that is killed takes its buffers with it.
            self._stream.flush()
        return f"{crc} {len(data)}"

    def close(self) -> None:
        """Close the file; what was added stays."""
        self._stream.close()

    def publish(self, folder: Path, output: Path) -> None:
        """Add all files of a folder, check the zip, and move it to its place.

        Parameters
        ----------
        folder : pathlib.Path
            Its files become entries under their paths in it.
        output : pathlib.Path
            Where the zip goes, on the same disk; replaced if it exists.

        Raises
        ------
        StoreError
            If it cannot be written, or does not read back; then nothing of it is used again.
        """
        with explained(output):
            with self._stream, zipfile.ZipFile(self._stream, "w") as archive:
                archive.filelist += self._entries
                archive.NameToInfo |= {entry.filename: entry for entry in self._entries}
                for path in zip_members(folder):
                    name = path.relative_to(folder).as_posix()
                    archive.writestr(zip_entry(name), path.read_bytes())
                archive.comment = contents_digest(archive)
            read_back(self._path, output)
            with self._path.open("rb+") as stream:
                os.fsync(stream.fileno())
            self._path.replace(output)

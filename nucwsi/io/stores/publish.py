"""How artefacts are written: whole or absent, and resumable.

A job works in its own folder beside the artefact. Snakemake does not know that folder and therefore
does not delete it. The folder holds a fingerprint of everything that decides the result, and a list
of finished work items: a killed job goes on where it was, and the leftovers of another job are
thrown away. What is finished is renamed into place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nucwsi.errors import StoreError
from nucwsi.runtime.lock import locked

#: Errors of the place where a file is written, not of its content.
_UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG),
}


def fingerprint(facts: dict[str, Any]) -> str:
    """Condense the facts that decide a result into one word.

    Parameters
    ----------
    facts : dict
        Plain JSON types.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def file_checksum(path: Path, *, span: int = 4 << 20) -> str:
    """Return the SHA-256 of a file: of all of it if it is small, else of its size and both ends.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.
    span : int
        Bytes at either end that are read; a file of at most twice as many is read whole.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        if size <= 2 * span:
            digest.update(stream.read())
        else:
            digest.update(stream.read(span))
            stream.seek(-span, os.SEEK_END)
            digest.update(stream.read())
    return digest.hexdigest()[:32]


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the place where a file is written into one line that names it.

    Parameters
    ----------
    path : pathlib.Path
        What is written in the block.

    Raises
    ------
    StoreError
        If the disk is full, the folder cannot be written, or a file that is read cannot be; also if
        another process has taken the temporary files away, which happens only where there are no
        locks.
    """
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        if error.errno == errno.ENOENT and named is not None and _is_aside(path, named):
            raise StoreError(
                f"{path}: another process has removed its temporary files; let one at a time make"
                " it"
            ) from error
        if error.errno not in _UNWRITABLE:
            raise
        if named is not None and not _of(path, named):
            raise StoreError(f"{named}: {error.strerror}") from error
        raise StoreError(
            f"{path}: cannot be written: {error.strerror}; make room or choose another place"
        ) from error


def _is_aside(path: Path, named: Path) -> bool:
    """Return whether a file is one of the temporary files of `path`."""
    return any(part.startswith(f".{path.name}.") for part in named.absolute().parts)


def _of(path: Path, named: Path) -> bool:
    """Return whether a file is `path`, a folder above it, or one of its temporary files."""
    path, named = path.absolute(), named.absolute()
    return _is_aside(path, named) or named == path or named in path.parents or path in named.parents


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """Lend a temporary path, and rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        Final name of a file or folder, which is replaced if it exists; missing parents are made.

    Yields
    ------
    pathlib.Path
        Temporary name in the same folder. It is removed after an error, and so is everything whose
        name begins with it; what a killed process has left, the next one removes.

    Raises
    ------
    StoreError
        If another process writes the same, the disk is full, or the folder cannot be written.
    """
    aside = _temporary(path)
    with explained(path), _alone(path.with_name(f".{path.name}.lock"), path):
        _remove_leftovers(path)
        try:
            yield aside
            if not aside.is_dir():
                with aside.open("rb+") as stream:
                    os.fsync(stream.fileno())
            elif path.is_dir():
                # A folder cannot replace one that is not empty.
                path.rename(_temporary(path))
            aside.replace(path)
        finally:
            _remove_leftovers(path)


def is_taken(path: Path) -> bool:
    """Tell whether there is something under the name of a new folder.

    Parameters
    ----------
    path : pathlib.Path
        Of a folder that `published` is to make, and must not replace.

    Returns
    -------
    bool
        If True, what a killed run has left beside it is gone: no other run will remove it.
    """
    taken = path.exists()
    if taken:
        with suppress(StoreError, OSError), _alone(path.with_name(f".{path.name}.lock"), path):
            _remove_leftovers(path)
    return taken


def _temporary(path: Path) -> Path:
    """Return a name beside `path` that no other process has, of whatever machine or container."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of `path`; to be called by the one process that may write it."""
    # Earlier versions named them by the number of the process.
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]+\.tmp").match
    for item in path.parent.iterdir():
        if ours(item.name):
            _remove(item)


def _remove(path: Path) -> None:
    """Remove a file or a folder, of which another process may remove parts at the same time."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(lock: Path, output: Path) -> Iterator[None]:
    """Hold a lock, or say that another process makes the output."""
    with ExitStack() as holding:
        try:
            holding.enter_context(locked(lock))
        except BlockingIOError:
            raise StoreError(
                f"{output}: another process is working on it; wait for it or end it"
            ) from None
        yield


@dataclass
class Workspace:
    """The folder in which a job works, beside its artefact.

    Attributes
    ----------
    folder : pathlib.Path
        For the job's own files; survives a crash.
    done : dict of str to str
        Key of each work item that this job or its killed forerunner has finished -> its note.
    """

    folder: Path
    done: dict[str, str] = field(default_factory=dict)

    def mark(self, key: str, note: str = "") -> None:
        """Note that a work item is finished; to be called after its data are written.

        Parameters
        ----------
        key : str
            Without tabs and line breaks.
        note : str
            What is to be known of the item when all are finished; without line breaks.
        """
        self.done[key] = note
        with explained(self.folder), (self.folder / "done").open("a") as stream:
            stream.write(f"{key}\t{note}\n" if note else f"{key}\n")

    def restart(self) -> None:
        """Forget all work items: what they have made is lost."""
        self.done.clear()
        with explained(self.folder):
            (self.folder / "done").unlink(missing_ok=True)


def key_of(position: tuple[int, int]) -> str:
    """Name a core in the list of what is done.

    Parameters
    ----------
    position : (int, int)
        Row and column of the core in the grid.

    Returns
    -------
    str
        For `Workspace.mark`.
    """
    return "{},{}".format(*position)


def position_of(key: str) -> tuple[int, int]:
    """Undo `key_of`.

    Parameters
    ----------
    key : str
        Of a core.

    Returns
    -------
    (int, int)
        Row and column of the core in the grid.
    """
    row, column = map(int, key.split(","))
    return row, column


@contextmanager
def workspace(output: Path, facts: dict[str, Any]) -> Iterator[Workspace]:
    """Open the work folder of an artefact, resuming a killed job of the same facts.

    Parameters
    ----------
    output : pathlib.Path
        The artefact; the folder is its hidden neighbour ``.<name>.work``.
    facts : dict
        Everything that decides the result, as plain JSON types.

    Yields
    ------
    Workspace
        Its folder is removed when the block ends without an error.

    Raises
    ------
    StoreError
        If another process works on the same artefact, or the folder cannot be written.
    """
    folder, gone = output.with_name(f".{output.name}.work"), _temporary(output)
    mark = fingerprint(facts)
    with explained(output), _alone(folder / "lock", output):
        # What a process has left that was killed while it removed the folder.
        _remove_leftovers(output)
        stored = folder / "fingerprint"
        if not stored.exists() or stored.read_text() != mark:
            # First of all: after a crash, a half-emptied folder must not pass for a whole one.
            stored.unlink(missing_ok=True)
            for item in folder.iterdir():
                if not item.name.startswith("lock"):
                    _remove(item)
            stored.write_text(mark)
        listed = folder / "done"
        lines = listed.read_text().split("\n") if listed.exists() else [""]
        # The last line is whole only if it ends in a line break.
        parted = (line.partition("\t") for line in lines[:-1])
        place = Workspace(folder, {key: note for key, _, note in parted})
        if lines[-1]:
            listed.write_text("".join(f"{line}\n" for line in lines[:-1]))
        yield place
        folder.rename(gone)
    # Only now that the lock is closed: NFS keeps open files in their folder.
    _remove(gone)

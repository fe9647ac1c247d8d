"""How artefacts are written: whole or absent, resumable, and a store of arrays as one zip file.

A job works in its own folder beside the artefact. Snakemake does not know that folder and therefore
does not delete it. The folder holds a fingerprint of everything that decides the result, and a list
of finished work items: a killed job goes on where it was, and the leftovers of another job are
thrown away. A finished store is packed under a temporary name, checked, and renamed into place.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError

if TYPE_CHECKING:
    import zarr

#: Fixed time of every zip entry, so that the same content gives the same bytes.
_ENTRY_TIME = (1980, 1, 1, 0, 0, 0)

#: Errors of the place where a file is written, not of its content.
_UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}
#: Some file systems of clusters have no locks; there Snakemake's own lock has to suffice.
_LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


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


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file: of all of it up to 8 MB, else of its size and both ends.

    Parameters
    ----------
    path : pathlib.Path
        An existing file.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    span = 4 << 20
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
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        if error.filename is not None and not _of(path, Path(os.fsdecode(error.filename))):
            raise StoreError(f"{os.fsdecode(error.filename)}: {error.strerror}") from error
        raise StoreError(
            f"{path}: cannot be written: {error.strerror}; make room or choose another place"
        ) from error


def _of(path: Path, named: Path) -> bool:
    """Return whether a file is `path`, a folder above it, or one of its temporary files."""
    path, named = path.absolute(), named.absolute()
    aside = any(part.startswith(f".{path.name}.") for part in named.parts)
    return aside or named == path or named in path.parents or path in named.parents


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """Lend a temporary path, and rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        Final name of a file, or of a folder that does not exist yet; missing parents are made.

    Yields
    ------
    pathlib.Path
        Temporary name in the same folder; removed after an error.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            if not aside.is_dir():
                with aside.open("rb+") as stream:
                    os.fsync(stream.fileno())
            aside.replace(path)
        finally:
            _remove(aside)


@dataclass
class Workspace:
    """The folder in which a job works, beside its artefact.

    Attributes
    ----------
    folder : pathlib.Path
        For the job's own files; survives a crash.
    done : set of str
        Keys of the work items finished by this job or by its killed forerunner.
    """

    folder: Path
    done: set[str] = field(default_factory=set)

    def mark(self, key: str) -> None:
        """Note that a work item is finished; to be called after its data are written.

        Parameters
        ----------
        key : str
            Without line breaks.
        """
        self.done.add(key)
        with _explained(self.folder), (self.folder / "done").open("a") as stream:
            stream.write(f"{key}\n")


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
    folder = output.with_name(f".{output.name}.work")
    gone = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    mark = fingerprint(facts)
    with _explained(output):
        lock = _locked(folder, output)
    with lock, _explained(output):
        stored = folder / "fingerprint"
        if not stored.exists() or stored.read_text() != mark:
            # First of all: after a crash, a half-emptied folder must not pass for a whole one.
            stored.unlink(missing_ok=True)
            for item in folder.iterdir():
                if item.name != "lock":
                    _remove(item)
            stored.write_text(mark)
        listed = folder / "done"
        lines = listed.read_text().split("\n") if listed.exists() else [""]
        # The last line is whole only if it ends in a line break.
        place = Workspace(folder, set(lines[:-1]))
        if lines[-1]:
            listed.write_text("".join(f"{line}\n" for line in lines[:-1]))
        yield place
        # Nobody else works on this artefact: temporary files still here are those of killed jobs.
        for orphan in output.parent.glob(f".{glob.escape(output.name)}.*.tmp"):
            _remove(orphan)
        folder.rename(gone)
    # Only now that the lock is closed: NFS keeps open files in their folder.
    shutil.rmtree(gone)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _locked(folder: Path, output: Path) -> TextIO:
    """Make the work folder of an artefact, and lock it until the returned file is closed."""
    name = folder / "lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError), ExitStack() as closing:
            lock = closing.enter_context(name.open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"{output}: another process is working on it; wait for it or end it"
                ) from None
            except OSError as error:
                if error.errno not in _LOCKLESS:
                    raise
            # A previous job that has just ended may have removed the folder together with its lock.
            if os.path.samestat(os.fstat(lock.fileno()), name.stat()):
                closing.pop_all()
                return lock


def pack(folder: Path, output: Path) -> None:
    """Publish a store's folder as one zip file; its chunks are not compressed again.

    Parameters
    ----------
    folder : pathlib.Path
        The zarr group.
    output : pathlib.Path
        Ends in ``.zarr.zip``.

    Raises
    ------
    StoreError
        If it cannot be written, or does not read back.
    """
    with published(output) as aside:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ENTRY_TIME)
                entry.external_attr = 0o644 << 16
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
        with zipfile.ZipFile(aside) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise StoreError(f"{output}: {broken} did not read back; is the disk sound?")


def create_group(folder: Path, attributes: dict[str, Any]) -> zarr.Group:
    """Create a zarr version 2 group, or reopen the one that a crash has left.

    Parameters
    ----------
    folder : pathlib.Path
        Of the group; made if need be.
    attributes : dict
        Plain JSON types.

    Returns
    -------
    zarr.Group
        Open for writing.
    """
    # Imported only where arrays are made: the import takes longer than to read or publish a store.
    import zarr

    zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    group = zarr.open_group(str(folder), mode="a", zarr_format=2)
    group.attrs.update(attributes)
    return group


def create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: str,
    fill_value: int,
    codec: Literal["zstd", "lz4"] = "zstd",
) -> zarr.Array[Any]:
    """Create an array whose blank chunks take no space, or reopen the one that a crash has left.

    Parameters
    ----------
    group : zarr.Group
        Of `create_group`.
    name : str
        Of the array in the group.
    shape, chunks : tuple of int
        Size of the array and of a chunk along each axis; the last two are rows and columns.
    dtype : str
        As numpy names it, such as ``u1``.
    fill_value : int
        Value of blank chunks.
    codec : str
        ``lz4`` is read four times as fast as ``zstd`` and takes a third more room.

    Returns
    -------
    zarr.Array
        Open for writing.
    """
    import zarr
    from numcodecs import Blosc

    if name in group:
        array = group[name]
        if not isinstance(array, zarr.Array):
            raise StoreError(f"{group.store}: {name} is not an array; remove the work folder")
        return array
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=fill_value,
        compressors=Blosc(cname=codec, clevel=1, shuffle=Blosc.NOSHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": "/"},
        config={"write_empty_chunks": False},
    )


def write_chunk(array: zarr.Array[Any], row: int, column: int, values: NDArray[Any]) -> None:
    """Write one chunk of an array, all of its leading axes included.

    zarr itself leads every chunk through an event loop, which takes longer than to compress it.

    Parameters
    ----------
    array : zarr.Array
        Of `create_array`.
    row, column : int
        Place of the chunk along the last two axes, in chunks.
    values : (..., H, W) ndarray
        Of the array's type; at the far edges smaller than a chunk.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    chunk = np.ascontiguousarray(values)
    if chunk.shape != array.chunks:
        height, width = values.shape[-2:]
        chunk = np.full(array.chunks, array.fill_value, array.dtype)
        chunk[..., :height, :width] = values
    if (chunk == array.fill_value).all():
        return
    codec: Any = array.compressors[0]
    store: Any = array.store  # of a folder, as `create_group` makes it
    folder = Path(store.root, array.path, *["0"] * (array.ndim - 2), str(row))
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(column)).write_bytes(codec.encode(chunk))

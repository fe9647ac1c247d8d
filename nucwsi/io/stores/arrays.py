"""Stores of arrays: zarr groups in a folder while they are made, then one zip file.

A store is packed under a temporary name, checked, and renamed into place.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.io.stores.publish import explained, published

if TYPE_CHECKING:
    import zarr

#: Fixed time of every zip entry, so that the same content gives the same bytes.
_ENTRY_TIME = (1980, 1, 1, 0, 0, 0)

#: How zarr calls files that it has not written to their end.
_HALF = ".partial"


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
            for path in zip_members(folder):
                entry = zip_entry(path.relative_to(folder).as_posix())
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
            archive.comment = contents_digest(archive)
        read_back(aside, output)


def read_back(path: Path, output: Path) -> None:
    """Make sure that a zip is what was written, before it gets its name.

    Parameters
    ----------
    path : pathlib.Path
        The zip; removed if it is not.
    output : pathlib.Path
        The name that it shall get, for the message.

    Raises
    ------
    StoreError
        If an entry does not read back.
    """
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        path.unlink()
        raise StoreError(f"{output}: {broken} did not read back; is the disk sound?")


def zip_members(folder: Path) -> list[Path]:
    """List the files of a store's folder that belong into its zip.

    Parameters
    ----------
    folder : pathlib.Path
        The zarr group.

    Returns
    -------
    list of pathlib.Path
        In the order of their names; without what zarr was still writing when it was killed.
    """
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != _HALF)


def zip_entry(name: str) -> zipfile.ZipInfo:
    """Describe an entry of a zip, with nothing that depends on time or place.

    Parameters
    ----------
    name : str
        Its path in the store.

    Returns
    -------
    zipfile.ZipInfo
        Not compressed.
    """
    entry = zipfile.ZipInfo(name, _ENTRY_TIME)
    entry.external_attr = 0o644 << 16
    return entry


def contents_digest(archive: zipfile.ZipFile) -> bytes:
    """Condense the table of contents of a zip, which has no checksum of its own.

    Its entries do have checksums. But a chunk whose name is damaged would not be found, and pass
    for a blank one.

    Parameters
    ----------
    archive : zipfile.ZipFile
        Open for reading or writing.

    Returns
    -------
    bytes
        ASCII text, which `pack` stores as the comment of the zip.
    """
    digest = hashlib.sha256()
    for entry in archive.infolist():
        facts = (entry.filename, entry.CRC, entry.file_size, entry.header_offset)
        digest.update(repr((*facts, entry.compress_type)).encode())
    return f"sha256:{digest.hexdigest()}".encode()


def create_group(folder: Path, attributes: dict[str, Any]) -> zarr.Group:
    """Create a zarr version 2 group; the chunks that a crash has left in its folder stay.

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
    # Files that say what the chunks are may be half-written. Those of groups and arrays further
    # down are made anew, too.
    for pattern in (".z*", f"*{_HALF}"):
        for leftover in folder.rglob(pattern):
            leftover.unlink()
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
    encoded = encoded_chunk(array, values)
    if encoded is None:
        return
    store: Any = array.store  # of a folder, as `create_group` makes it
    path = Path(store.root, chunk_name(array, row, column))
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)


def encoded_chunk(array: zarr.Array[Any], values: NDArray[Any]) -> bytes | None:
    """Compress one chunk of an array, all of its leading axes included.

    Parameters
    ----------
    array : zarr.Array
        Of `create_array`.
    values : (..., H, W) ndarray
        Of the array's type; at the far edges smaller than a chunk.

    Returns
    -------
    bytes or None
        What the chunk's file holds; None for a blank chunk, which has no file.
    """
    chunk = np.ascontiguousarray(values)
    if chunk.shape != array.chunks:
        height, width = values.shape[-2:]
        chunk = np.full(array.chunks, array.fill_value, array.dtype)
        chunk[..., :height, :width] = values
    if (chunk == array.fill_value).all():
        return None
    codec: Any = array.compressors[0]
    return bytes(codec.encode(chunk))


def chunk_name(array: zarr.Array[Any], row: int, column: int) -> str:
    """Name the file of a chunk.

    Parameters
    ----------
    array : zarr.Array
        Of `create_array`.
    row, column : int
        Place of the chunk along the last two axes, in chunks.

    Returns
    -------
    str
        Its path in the store.
    """
    return "/".join([array.path, *["0"] * (array.ndim - 2), str(row), str(column)])


def write_mask(group: zarr.Group, name: str, mask: NDArray[np.bool_]) -> None:
    """Create an array of one chunk, and write a mask into it.

    zarr itself would copy it several times, and masks of large slides have millions of cells.

    Parameters
    ----------
    group : zarr.Group
        Of `create_group`.
    name : str
        Of the array in the group.
    mask : (H, W) ndarray of bool
        Stored as 0 and 1.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    array = create_array(group, name, mask.shape, mask.shape, "u1", 0)
    write_chunk(array, 0, 0, mask.view(np.uint8))

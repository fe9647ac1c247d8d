"""Files of published data sets: found, opened, and named with what was expected if they fail."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from nucwsi.errors import DataError

#: The arrays of a MATLAB file may take so many bytes: a label of 10,000 x 10,000 px of any type.
_LARGEST_MAT = 1 << 30

#: A MATLAB file begins with so many bytes of text; then come elements, each with a tag of eight
#: bytes. This type of element is compressed.
_MAT_HEADER, _MAT_TAG, _MAT_COMPRESSED = 128, 8, 15

#: Names that macOS adds to archives begin like this.
_JUNK = ("__MACOSX", "._")


def list_files(folder: Path, pattern: str) -> list[Path]:
    """List the files of a data set, without those that macOS adds to archives.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the data set; all folders below it are searched.
    pattern : str
        Pattern of file names, such as ``*.xml``.

    Returns
    -------
    list of pathlib.Path
        Sorted by path; may be empty.
    """
    return sorted(
        path
        for path in folder.rglob(pattern)
        if not any(part.startswith(_JUNK) for part in path.relative_to(folder).parts)
    )


def find_files(folder: Path, pattern: str, layout: str) -> list[Path]:
    """List the files of a data set, of which there must be at least one.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the data set; all folders below it are searched.
    pattern : str
        Pattern of file names, such as ``*.xml``.
    layout : str
        How the data set is published: which files lie where. The error quotes it.

    Returns
    -------
    list of pathlib.Path
        Sorted by path; at least one.

    Raises
    ------
    DataError
        If there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; expected {layout}")
    paths = list_files(folder, pattern)
    if not paths:
        raise DataError(f"{folder}: holds no {pattern}; expected {layout}")
    return paths


def by_stem(paths: list[Path], what: str) -> dict[str, Path]:
    """Index files by their name without its suffix.

    Parameters
    ----------
    paths : list of pathlib.Path
        Files of one kind, from any folders.
    what : str
        What each file is, such as ``label``. The error quotes it.

    Returns
    -------
    dict
        Name without suffix -> path, in the order of `paths`.

    Raises
    ------
    DataError
        If two files have the same name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        if (other := named.setdefault(path.stem, path)) is not path:
            raise DataError(f"{path}: {other} is the same {what}; import one copy of the data set")
    return named


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn any error of a library that reads a file into one line that names the file.

    Parameters
    ----------
    path : pathlib.Path
        The file that is read within.
    what : str
        What the file should be, such as ``picture``. The error quotes it.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist; expected the {what}") from None
    except MemoryError:
        raise
    except Exception as error:
        # Truncated and altered files made the libraries raise zlib.error, TokenError, SyntaxError,
        # IndexError, LookupError and more.
        raise DataError(f"{path}: is not a readable {what}: {error}; copy it again") from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB on white.

    Parameters
    ----------
    path : pathlib.Path
        A picture of any type that Pillow reads.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        Red, green and blue, 0 to 255, in pixels of the picture; transparent parts are white.

    Raises
    ------
    DataError
        If the file is missing, damaged or no picture.
    """
    with readable(path, "picture"), Image.open(path) as picture:
        if not picture.has_transparency_data:
            return np.asarray(picture.convert("RGB"))
        layers = picture.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return np.asarray(Image.alpha_composite(ground, layers).convert("RGB"))


def _refuse_inflated(path: Path) -> None:
    """Raise ValueError if the compressed arrays of a MATLAB file would not fit into memory."""
    stated = 0
    with path.open("rb") as stream:
        header = stream.read(_MAT_HEADER)
        if not header.startswith(b"MATLAB 5.0"):
            return
        order = "<" if header[126:128] == b"IM" else ">"
        while len(tag := stream.read(_MAT_TAG)) == _MAT_TAG:
            kind, size = struct.unpack(f"{order}II", tag)
            start = stream.tell()
            if kind == _MAT_COMPRESSED:
                within = zlib.decompressobj().decompress(stream.read(256), _MAT_TAG)
                stated += struct.unpack(f"{order}II", within)[1]
            stream.seek(start + size)
    if stated > _LARGEST_MAT:
        raise ValueError(f"its arrays take {stated / 1e9:.1f} GB, which no labelled image does")


def open_array(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.generic]:
    """Open a NumPy file and check its shape, without reading its values.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npy`` file.
    shape : tuple of int or None
        Expected length of each axis; None accepts any length.

    Returns
    -------
    ndarray of `shape`
        Memory-mapped, read only, of the file's own type.

    Raises
    ------
    DataError
        If the file is missing, damaged or of another shape.
    """
    expected = " x ".join("N" if side is None else str(side) for side in shape)
    with readable(path, f"array of {expected}"):
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    fits = array.ndim == len(shape) and all(
        side in (None, size) for side, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        got = " x ".join(map(str, array.shape))
        raise DataError(f"{path}: is an array of {got}; expected {expected}")
    return array


def read_item(path: Path, index: int) -> NDArray[np.generic]:
    """Read one item of a large array.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npy`` file that `open_array` has accepted.
    index : int
        Place of the item along the first axis, from 0.

    Returns
    -------
    ndarray of the file's shape without its first axis
        In memory.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    # Opened anew each time: a mapping that stays open keeps all it has read in memory.
    with readable(path, "array"):
        return np.load(path, mmap_mode="r", allow_pickle=False)[index].copy()


def read_mat(path: Path, keys: tuple[str, ...]) -> list[NDArray[np.generic]]:
    """Read arrays from a MATLAB file.

    Parameters
    ----------
    path : pathlib.Path
        A ``.mat`` file of version 5 to 7.
    keys : tuple of str
        Names of the K arrays to return.

    Returns
    -------
    list of ndarray
        K arrays in the order of `keys`. Each has the shape (M, N, ...) of at least two axes that
        MATLAB gives every array.

    Raises
    ------
    DataError
        If the file is missing, damaged, of MATLAB 7.3 or lacks a key.
    """
    with readable(path, "MATLAB file of version 5 to 7"):
        _refuse_inflated(path)
        held: dict[str, Any] = loadmat(path)
    for key in keys:
        if key not in held:
            present = ", ".join(name for name in held if not name.startswith("__")) or "nothing"
            raise DataError(f"{path}: has no {key!r} (but {present}); expected {', '.join(keys)}")
    return [held[key] for key in keys]

"""What every reader of labelled images returns, and how files are opened with a clear verdict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat

from nucwsi.errors import DataError
from nucwsi.labels.labelled_image import LabelledImage

#: Leftovers of macOS in published archives.
_JUNK = ("__MACOSX", "._")


@dataclass(frozen=True)
class Entry:
    """One image of a data set, not yet read.

    Attributes
    ----------
    dataset, name : str
        Together they are unique.
    read : callable
        Reads and checks the image and its labels.
    mpp : float or None
        µm per pixel, if known.
    patient : str
        Patient, or else source image, that all its crops share; empty if unknown.
    part : str
        Part of the publication, such as a fold; empty if there is none.
    split : str
        ``train``, ``val`` or ``test`` by publication; empty if it does not say.
    licence, note : str
    """

    dataset: str
    name: str
    read: Callable[[], LabelledImage]
    mpp: float | None
    patient: str = ""
    part: str = ""
    split: str = ""
    licence: str = ""
    note: str = ""


@dataclass(frozen=True)
class Source:
    """A published data set on disk: its table of contents.

    Attributes
    ----------
    entries : tuple of Entry
        Read one by one; nothing is held in memory.
    labels : dict
        Data set -> label code -> name.
    """

    entries: tuple[Entry, ...]
    labels: dict[str, dict[int, str]]


def files(source: Path, pattern: str) -> list[Path]:
    """List the files of a data set, without what macOS adds to archives.

    Parameters
    ----------
    source : pathlib.Path
        Its folder.
    pattern : str
        File names, such as ``*.xml``; searched in all folders within.

    Returns
    -------
    list of pathlib.Path
        Sorted.
    """
    return sorted(
        path
        for path in source.rglob(pattern)
        if not any(part.startswith(_JUNK) for part in path.relative_to(source).parts)
    )


def find(source: Path, pattern: str, expected: str) -> list[Path]:
    """Find the files of a data set, or say what was expected.

    Parameters
    ----------
    source : pathlib.Path
    pattern : str
        As in `files`.
    expected : str
        The layout, for the error.

    Returns
    -------
    list of pathlib.Path
        Sorted; at least one.

    Raises
    ------
    DataError
        If there are none.
    """
    if not source.is_dir():
        raise DataError(f"{source}: is no folder; expected {expected}")
    found = files(source, pattern)
    if not found:
        raise DataError(f"{source}: holds no {pattern}; expected {expected}")
    return found


def by_stem(paths: list[Path], what: str) -> dict[str, Path]:
    """Index files by their names without suffix.

    Parameters
    ----------
    paths : list of pathlib.Path
    what : str
        What they are, for the error.

    Returns
    -------
    dict
        Name -> path.

    Raises
    ------
    DataError
        If two have the same name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        if (other := named.setdefault(path.stem, path)) is not path:
            raise DataError(f"{path}: {other} is the same {what}; import one copy of the data set")
    return named


def tcga_patient(name: str) -> str:
    """Return the patient of a TCGA barcode, or nothing if it is none.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> tcga_patient("TCGA-18-5592-01Z-00-DX1")
    'TCGA-18-5592'
    >>> tcga_patient("train_1")
    ''
    """
    match = re.match(r"TCGA-\w{2}-\w{4}(?!\w)", name)
    return match[0] if match else ""


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn what a library says of a damaged file into one line that names the file.

    Parameters
    ----------
    path : pathlib.Path
    what : str
        What it should be.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist; expected the {what}") from None
    except Exception as error:
        # Truncated and altered files made the libraries raise zlib.error, TokenError, SyntaxError,
        # IndexError, LookupError and more.
        raise DataError(f"{path}: is no readable {what}: {error}; copy it anew") from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    (H, W, 3) ndarray of uint8
        RGB; transparent parts are white.

    Raises
    ------
    DataError
        If it is missing, damaged or no picture.
    """
    with readable(path, "picture"), Image.open(path) as picture:
        if not picture.has_transparency_data:
            return np.asarray(picture.convert("RGB"))
        layers = picture.convert("RGBA")
    ground = Image.new("RGBA", layers.size, "white")
    return np.asarray(Image.alpha_composite(ground, layers).convert("RGB"))


def open_array(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.generic]:
    """Open a NumPy file without reading it.

    Parameters
    ----------
    path : pathlib.Path
        ``.npy``.
    shape : tuple of int or None
        Expected shape; None stands for any number.

    Returns
    -------
    ndarray
        Memory-mapped.

    Raises
    ------
    DataError
        If it is missing, damaged or of another shape.
    """
    expected = " x ".join("N" if side is None else str(side) for side in shape)
    with readable(path, f"array of {expected}"):
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    fits = array.ndim == len(shape) and all(
        side in (None, size) for side, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        found = " x ".join(map(str, array.shape))
        raise DataError(f"{path}: is an array of {found}; expected {expected}")
    return array


def map_one(path: Path, index: int) -> NDArray[np.generic]:
    """Read one item of a large array.

    Parameters
    ----------
    path : pathlib.Path
        ``.npy``, as `open_array` accepted it.
    index : int
        Along the first axis.

    Returns
    -------
    ndarray
    """
    # Opened anew each time: a mapping that stays open keeps all it has read in memory.
    with readable(path, "array"):
        return np.load(path, mmap_mode="r", allow_pickle=False)[index].copy()


def read_mat(path: Path, keys: tuple[str, ...]) -> list[NDArray[np.generic]]:
    """Read arrays from a MATLAB file.

    Parameters
    ----------
    path : pathlib.Path
    keys : tuple of str

    Returns
    -------
    list of ndarray
        As many as keys, at least two-dimensional, as MATLAB's arrays are.

    Raises
    ------
    DataError
        If the file is missing, damaged, of MATLAB 7.3 or lacks a key.
    """
    with readable(path, "MATLAB file of version 5 to 7"):
        held: dict[str, Any] = loadmat(path)
    for key in keys:
        if key not in held:
            present = ", ".join(name for name in held if not name.startswith("__")) or "nothing"
            raise DataError(f"{path}: has no {key!r} (but {present}); expected {', '.join(keys)}")
    return [held[key] for key in keys]

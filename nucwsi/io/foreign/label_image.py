"""Nuclei in label images, whose pixels hold the number of their nucleus: TIFF, OME-Zarr, npy."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected

from nucwsi.errors import DataError, SlideError, pass_on_lack_of_memory
from nucwsi.io.foreign.outlines import ForeignNuclei
from nucwsi.io.slides.tiff_whole import read_whole, refuse_inflated
from nucwsi.nuclei.tracing import trace

log = logging.getLogger(__name__)

#: A larger image would not fit into memory; its nuclei are better stored as outlines.
_LARGEST_PX = 1 << 30

#: A number that so many pieces beside the largest have is that of all nuclei.
_PIECES_OF_A_MASK = 2


def is_label_image(path: Path) -> bool:
    """Return whether the name of a file is that of a label image.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.

    Returns
    -------
    bool
        By its ending alone.
    """
    name = path.name.lower()
    return name.endswith((".npy", ".tif", ".tiff", ".zarr", ".zarr.zip"))


def read_label_image(path: Path) -> ForeignNuclei:
    """Read a label image, and trace the outline of each of its nuclei.

    Parameters
    ----------
    path : pathlib.Path
        ``.npy``, ``.tif``, ``.tiff``, ``.zarr`` or ``.zarr.zip``.

    Returns
    -------
    ForeignNuclei
        Without classes, in the order of the labels. Of a nucleus in several pieces the largest
        counts, and the log says how many pieces were left out.

    Raises
    ------
    DataError
        If it cannot be read, is no image of whole numbers, or is too large.
    """
    labels = _labels(path)
    if labels.size and labels.min() < 0:
        raise DataError(
            f"{path}: holds {labels.min()}, expected 0 for the background and one number above 0"
            " for each nucleus"
        )
    pieces: NDArray[np.int32] = connected(labels, background=0, connectivity=1).astype(np.int32)
    flat = pieces.ravel()
    at, whose = np.unique(flat, return_index=True)
    owner: NDArray[np.integer] = labels.ravel()[whose]
    size: NDArray[np.int64] = np.bincount(flat)
    # By label, and the largest piece of each label first.
    order = np.lexsort((at, -size[at], owner))
    order = order[at[order] > 0]
    first = np.ones(len(order), bool)
    first[1:] = owner[order][1:] != owner[order][:-1]
    numbers = np.zeros(len(size), np.int32)
    numbers[at[order[first]]] = np.arange(1, int(first.sum()) + 1)
    n_left, count = int((~first).sum()), int(first.sum())
    if count == 1 and n_left >= _PIECES_OF_A_MASK:
        raise DataError(
            f"{path}: has the same number in {n_left + 1} places; expected one number for each"
            " nucleus: a mask is numbered, for example, with skimage.measure.label"
        )
    if n_left:
        log.warning("%s: %d pieces beside the largest of their nucleus are left out", path, n_left)
    polygons = trace(numbers[pieces], count).polygons
    height, width = labels.shape
    return ForeignNuclei(
        "label image", polygons, [""] * count, np.ones(count), "file", size_px=(height, width)
    )


def _labels(path: Path) -> NDArray[Any]:
    """Return the plane of whole numbers that a file holds."""
    try:
        if path.name.lower().endswith(".npy"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return _plane(path, array, partial(np.asarray, array))
        if ".zarr" in path.name.lower():
            array = _finest(path)
            return _plane(path, array, partial(_chunks, array, path))
        import tifffile

        with tifffile.TiffFile(path) as file:
            level = file.series[0].levels[0]
            return _plane(path, level, partial(read_whole, level, path))
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist") from None
    except DataError:
        raise
    except SlideError as error:
        raise DataError(str(error)) from None
    # NumPy, tifffile and zarr do not document what they raise on a damaged file.
    except Exception as error:  # noqa: BLE001
        pass_on_lack_of_memory(error)
        raise DataError(f"{path}: cannot be read as a label image ({error})") from None


def _finest(path: Path) -> Any:
    """Return the finest level of an OME-Zarr image, or the array of a plain Zarr store."""
    import zarr

    store: Any = path
    if path.is_file() and zipfile.is_zipfile(path):
        store = zarr.storage.ZipStore(path, mode="r")
    opened = zarr.open(store, mode="r")
    if isinstance(opened, zarr.Array):
        return opened
    about: Any = opened.attrs.get("ome", opened.attrs)
    return opened[about["multiscales"][0]["datasets"][0]["path"]]


def _chunks(array: Any, path: Path) -> NDArray[Any]:
    """Return what an array of Zarr holds; chunks that are left out are zero."""
    stored = array.nbytes_stored()
    for shape in (array.shape, array.chunks):
        refuse_inflated(shape, array.dtype, stored, path)
    return np.asarray(array)


def _plane(path: Path, pixels: Any, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Read an array that is a plane: its other axes have one entry each."""
    sides = tuple(side for side in pixels.shape if side != 1)
    if len(sides) != 2 or not np.issubdtype(pixels.dtype, np.integer):
        raise DataError(
            f"{path}: is an array of {pixels.dtype} of shape {pixels.shape}; expected (H, W) whole"
            " numbers, 0 for the background and one number for each nucleus"
        )
    if sides[0] * sides[1] > _LARGEST_PX:
        raise DataError(
            f"{path}: has {sides[0]} x {sides[1]} px, more than fits into memory; export the"
            " nuclei as GeoJSON instead"
        )
    return read().reshape(sides)

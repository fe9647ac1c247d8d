"""A level of a TIFF that is decoded whole: what it states is bounded before memory is taken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.io.slides.codecs import BOUNDED, READ, STATING, check_size
from nucwsi.io.slides.slide_reader import FinalSlideError
from nucwsi.io.slides.tiff_page import refuse_damaged_index

#: TIFF's codes of compressions of fax (CCITT), in which masks of one bit are saved.
_FAX = frozenset({2, 3, 4, 32771})

#: What unpacks to so few bytes is never refused.
_ALWAYS = 1 << 28

#: A file may unpack to so many times its size. Zstandard packs an empty image 30,000-fold, every
#: other compression less.
_MAX_RATIO = 1 << 15

#: A tile holds at least so many times what it should if each sample has one bit more than is
#: stated, of eight at most. Writers may fill up the last row of a tile.
_SHALLOW = 9 / 8


def read_whole(level: Any, path: Path) -> NDArray[Any]:
    """Decode a level of a TIFF whole.

    Parameters
    ----------
    level : tifffile.TiffPageSeries
        One page, in an open file.
    path : pathlib.Path
        Its file, for errors.

    Returns
    -------
    ndarray of the level's shape and type
        Its pixels; tiles that are left out on purpose are zero.

    Raises
    ------
    FinalSlideError
        If its index of tiles is damaged, it states a size that its file cannot hold, or a depth of
        which its tiles hold more.
    ValueError
        If a tile states a picture larger than itself.
    """
    page = level.keyframe
    if page.compression not in READ | _FAX:
        raise FinalSlideError(
            f"{path}: is compressed as {getattr(page.compression, 'name', page.compression)},"
            " which is not read; save it again with deflate"
        )
    tile = (page.tilelength, page.tilewidth)
    if not page.is_tiled:
        tile = (min(page.rowsperstrip or page.imagelength, page.imagelength), page.imagewidth)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    per_pixel = page.samplesperpixel // planes * page.dtype.itemsize
    stored = path.stat().st_size
    refuse_damaged_index(page, tile, planes, path)
    refuse_inflated(level.shape, level.dtype, stored, path)
    refuse_inflated((*tile, per_pixel), np.dtype(np.uint8), stored, path)
    _refuse_torn_index(page, path)
    if page.compression in STATING:
        file = page.parent.filehandle
        for place, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(place)
            if size:
                check_size(file.read(min(size, stored)), page.compression, tile)
    if page.compression in BOUNDED:
        _refuse_shallow(page, tile, page.samplesperpixel // planes, path)
    return level.asarray()


def refuse_inflated(shape: tuple[int, ...], dtype: np.dtype[Any], stored: int, path: Path) -> None:
    """Refuse an array that takes more memory than what is stored of it can unpack to.

    Parameters
    ----------
    shape : tuple of int
        Its shape, as the file states it.
    dtype : dtype
        Type of its values.
    stored : int
        Bytes that are stored of it.
    path : pathlib.Path
        Its file, for the error.

    Raises
    ------
    FinalSlideError
        If it takes more.
    """
    taken = math.prod(shape) * dtype.itemsize
    if taken > max(_ALWAYS, stored * _MAX_RATIO):
        raise FinalSlideError(
            f"{path}: states an array of {' x '.join(map(str, shape))}, {taken / 1e9:.2g} GB, in"
            f" {stored / 1e3:.1f} kB; it is damaged, or next to empty: copy it again, or save it"
            " smaller"
        )


def _refuse_shallow(page: Any, tile: tuple[int, int], samples: int, path: Path) -> None:
    """Refuse a page that states fewer bits than its first tile unpacks to.

    Decoders stop at the size that is stated, and would take bits of one pixel for several.
    """
    per_row = tile[1] * samples
    stated = tile[0] * math.ceil(per_row * page.bitspersample / 8)
    file, first = page.parent.filehandle, next(filter(all, _index(page)), None)
    if first is None:
        return
    held = min(first[1], path.stat().st_size - first[0])
    if page.compression != tifffile.COMPRESSION.NONE:
        file.seek(first[0])
        room = max(2 * stated, tile[0] * per_row)
        held = len(tifffile.TIFF.DECOMPRESSORS[page.compression](file.read(held), out=room))
    if held >= stated * _SHALLOW:
        raise FinalSlideError(
            f"{path}: states {page.bitspersample} bits a sample, but its tiles hold"
            f" {held / stated:.3g} times as much; it is damaged, copy it again"
        )


def _index(page: Any) -> list[tuple[int, int]]:
    """Return place and size of each tile."""
    return list(zip(page.dataoffsets, page.databytecounts, strict=False))


def _refuse_torn_index(page: Any, path: Path) -> None:
    """Refuse a page whose index says of a tile that it is there, and that it is not.

    tifffile would fill such a tile with zeros. A tile without place and size is left out on
    purpose: all of it is zero.
    """
    torn = sum((place == 0) != (size == 0) for place, size in _index(page))
    if torn or len(page.dataoffsets) != len(page.databytecounts):
        raise FinalSlideError(
            f"{path}: {torn} of its tiles have a place or a size only; it is damaged, copy it again"
        )

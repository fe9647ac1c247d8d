"""One level of a TIFF: its tiles, decoded one by one without a library's lock or cache between."""

from __future__ import annotations

import math
import os
import struct
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from nucwsi.errors import SlideError, pass_on_lack_of_memory
from nucwsi.grid import Window
from nucwsi.io.slides.codecs import READ, check_size
from nucwsi.io.slides.slide_reader import FinalSlideError

#: A page without tiles is slow to read in windows; one of more pixels is refused.
LARGEST_UNTILED_PX = 200_000_000

#: Bytes of decoded tiles that a file keeps, because neighbouring windows share them.
_CACHE_BYTES = 64 << 20

#: A compressed tile may be so many times as large as its pixels, and so many bytes more.
_MAX_GROWTH, _MAX_HEADER = 4, 1 << 20

#: What decoders raise on a damaged tile.
_DAMAGED = (
    *(ValueError, RuntimeError, TypeError, LookupError, ArithmeticError, OSError),
    struct.error,
)

_START = b"\xff\xd8"
_JPEG, _RGB, _YCBCR = 7, 2, 6
_PLANAR = 2

#: The kinds of a fourth channel that are alpha. Any other kind has no known meaning and is ignored.
_PREMULTIPLIED, _ALPHA = 1, 2


class TiffPage:
    """One level of a pyramid; may be read from several threads.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file; it stays open as long as the page is read.
    level : tifffile.TiffPageSeries
        The level in that file.
    path : pathlib.Path
        Path of the file, quoted in errors.
    cache : TileCache
        Keeps the tiles of all pages of the file.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels of this level.
    tile_shape : (int, int)
        Height and width of a tile in pixels of this level; strips are tiles as wide as the page.
    jpeg : bool
        Whether the page is tiled and compressed as JPEG, which is fast to read.
    complete : bool
        Whether the file has data for every tile.
    missing : (N, 4) ndarray of int64
        Tiles without data: row, column, height and width in pixels of this level.

    Raises
    ------
    SlideError
        If the page is not an RGB picture of 8 bits, or its index of tiles is damaged.
    """

    def __init__(self, file: Any, level: Any, path: Path, cache: TileCache) -> None:
        page = level.keyframe
        _refuse_other_pictures(page, level, path)
        self.shape: tuple[int, int] = (int(page.imagelength), int(page.imagewidth))
        self._page, self._fileno = page, file.filehandle.fileno()
        self._planes = page.samplesperpixel if page.planarconfig == _PLANAR else 1
        self._alpha = next(iter(page.extrasamples), 0) if page.samplesperpixel == 4 else 0
        self.jpeg = bool(
            page.is_tiled
            and page.compression == _JPEG
            and page.samplesperpixel == 3
            and self._planes == 1
            and page.jpegheader is None
        )
        rows = min(page.rowsperstrip or self.shape[0], self.shape[0])
        strip = (rows, self.shape[1])
        self.tile_shape = (page.tilelength, page.tilewidth) if page.is_tiled else strip
        refuse_damaged_index(page, self.tile_shape, self._planes, path)
        self._file_size = file.filehandle.size
        self.missing = self._without_data()
        self.complete = len(self.missing) == 0
        self._cache = cache

    def _without_data(self) -> NDArray[np.int64]:
        """Return the windows of the tiles that the file has no data for, cut at the page's end."""
        height, width = self.tile_shape
        rows, columns = -(-self.shape[0] // height), -(-self.shape[1] // width)
        counts, offsets = (
            np.asarray(listed[: self._planes * rows * columns])
            for listed in (self._page.databytecounts, self._page.dataoffsets)
        )
        absent = ((counts == 0) | (offsets == 0)).reshape(self._planes, -1).any(axis=0)
        row, column = np.divmod(np.flatnonzero(absent), columns)
        top, left = row * height, column * width
        sides = np.minimum(height, self.shape[0] - top), np.minimum(width, self.shape[1] - left)
        return np.stack([top, left, *sides], axis=1)

    def decode(self, index: int) -> NDArray[np.uint8] | None:
        """Decode one tile.

        Parameters
        ----------
        index : int
            Its place in the page's list.

        Returns
        -------
        (H, W, C) ndarray of uint8 or None
            Its channels, 0 to 255; None if the file has no data for it.
        """
        per_plane = len(self._page.dataoffsets) // self._planes
        planes = [self._decode_plane(index + plane * per_plane) for plane in range(self._planes)]
        decoded = [plane for plane in planes if plane is not None]
        if len(decoded) < len(planes):
            return None
        return decoded[0] if len(decoded) == 1 else np.concatenate(decoded, axis=-1)

    def _decode_plane(self, index: int) -> NDArray[np.uint8] | None:
        page = self._page
        offset, size = page.dataoffsets[index], page.databytecounts[index]
        if size == 0 or offset == 0:
            return None
        largest = _MAX_GROWTH * math.prod(self.tile_shape) * page.samplesperpixel + _MAX_HEADER
        if size > largest or offset + size > self._file_size:
            raise ValueError(f"the tile has {size} bytes at {offset}, which cannot be")
        data = os.pread(self._fileno, size, offset)
        check_size(data, page.compression, self.tile_shape)
        if self.jpeg:
            return _decode_jpeg(data, page.jpegtables, page.photometric == _YCBCR, self.tile_shape)
        decoded, _, _ = page.decode(
            data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
        )
        return np.asarray(decoded)[0]

    def read(self, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window.

        Parameters
        ----------
        window : Window
            In pixels of this level; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
            Red, green and blue, 0 to 255, of the window; transparent pixels lie on white.
        bad : list of Window
            Parts of damaged tiles inside the window, in pixels of this level; they are white.
        """
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.shape))
        if inside is None:
            return pixels, bad
        height, width = self.tile_shape
        per_row = -(-self.shape[1] // width)
        for shared in inside.cut(height, width):
            row, column = shared.row // height, shared.column // width
            try:
                tile = self._cache.get(self, row * per_row + column)
            except _DAMAGED as error:
                pass_on_lack_of_memory(error)
                bad.append(shared)
                continue
            if tile is not None:
                part = tile[
                    shared.within(Window(row * height, column * width, height, width)).slices
                ]
                pixels[shared.within(window).slices] = on_white(part, self._alpha)
        return pixels, bad


class TileCache:
    """The tiles used last of all pages of a file, up to a number of bytes; threads may share it.

    The levels of a slide are read one after the other, and the tiles of one are of no use to the
    next: the memory of a slide does not depend on how many levels were read.

    Parameters
    ----------
    limit : int
        Bytes of decoded tiles that are kept.
    """

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit, self._size = limit, 0
        self._tiles: OrderedDict[tuple[TiffPage, int], NDArray[np.uint8] | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, page: TiffPage, index: int) -> NDArray[np.uint8] | None:
        """Return a tile, which is decoded unless it was used lately.

        Parameters
        ----------
        page : TiffPage
            Decodes it.
        index : int
            Place of the tile in the page's list.

        Returns
        -------
        (H, W, C) ndarray of uint8 or None
            Its channels, 0 to 255; None if the file has no data for it.
        """
        key = page, index
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        tile = page.decode(index)
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self._size += _size(tile)
            # A strip may be as large as the page; it is not to be decoded for every window.
            while self._size > self._limit and len(self._tiles) > 1:
                self._size -= _size(self._tiles.popitem(last=False)[1])
        return tile

    def forget(self) -> None:
        """Forget all tiles, so that their memory is free."""
        with self._lock:
            self._tiles.clear()
            self._size = 0


def _size(tile: NDArray[np.uint8] | None) -> int:
    return 0 if tile is None else tile.nbytes


def _refuse_other_pictures(page: Any, level: Any, path: Path) -> None:
    """Raise `SlideError` unless the page is one 8-bit RGB picture that can be read in windows."""
    axes = "SYX" if page.planarconfig == _PLANAR else "YXS"
    if page.dtype != np.uint8 or page.samplesperpixel not in (3, 4):
        raise SlideError(
            f"{path}: holds {page.samplesperpixel} channels of {page.dtype}; expected brightfield"
            " RGB of 8 bits"
        )
    if level.axes != axes or len(level.pages) != 1:
        raise SlideError(
            f"{path}: holds a stack of shape {level.shape} ({level.axes}); export one plane of it"
        )
    if page.photometric != _RGB and not (page.photometric == _YCBCR and page.compression == _JPEG):
        raise SlideError(
            f"{path}: holds colours of the kind {_name(page.photometric)}, compressed as"
            f" {_name(page.compression)}; convert it to RGB"
        )
    if page.compression not in READ:
        raise SlideError(
            f"{path}: is compressed as {_name(page.compression)}, which is not read; convert it to"
            " JPEG or deflate"
        )
    if not page.is_tiled and page.imagelength * page.imagewidth > LARGEST_UNTILED_PX:
        raise SlideError(
            f"{path}: {page.imagelength} x {page.imagewidth} px without tiles; convert it to a"
            " tiled pyramid, for example with `vips tiffsave --tile --pyramid`"
        )


def refuse_damaged_index(page: Any, tile: tuple[int, int], planes: int, path: Path) -> None:
    """Refuse a page of which the file lists fewer tiles than it needs, or more.

    OpenSlide would not notice tiles too many.

    Parameters
    ----------
    page : tifffile.TiffPage
        The page.
    tile : (int, int)
        Height and width of its tiles or strips in pixels.
    planes : int
        Planes that are stored one after the other, each in tiles of its own.
    path : pathlib.Path
        Its file, for the error.

    Raises
    ------
    FinalSlideError
        If the number of tiles, or the size of one, cannot be.
    """
    sides = zip((page.imagelength, page.imagewidth), tile, strict=True)
    expected = planes * math.prod(-(-side // max(1, part)) for side, part in sides)
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    # With more tiles than it needs, the page has been wider or higher.
    unlike = listed != expected if page.is_tiled else listed < expected
    if page.is_tiled and math.prod(tile) > LARGEST_UNTILED_PX:
        raise FinalSlideError(
            f"{path}: states tiles of {tile[0]} x {tile[1]} px, larger than any; it is damaged,"
            " copy it again"
        )
    if min(tile) < 1 or unlike:
        raise FinalSlideError(
            f"{path}: lists {listed} tiles of {tile[0]} x {tile[1]} px where {expected} are needed;"
            " it is damaged, copy it again"
        )


def _name(code: Any) -> str:
    return f"{getattr(code, 'name', code)!s:.40}"


def _decode_jpeg(
    data: bytes, tables: bytes | None, ycbcr: bool, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode a JPEG tile and refuse a damaged one, which most decoders paint over in silence."""
    if data[:2] != _START:
        raise ValueError(f"the tile begins with {data[:2].hex()!r}, not like a JPEG")
    # The TIFF says what the colours are, not the tile; Adobe's marker passes it to the decoder.
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([ycbcr])
    shared = tables[2:-2] if tables else b""
    tile: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        b"".join([_START, marker, shared, data[2:]]), "RGB", strict=True
    )
    if tile.shape[:2] != shape:
        raise ValueError(f"the tile measures {tile.shape[:2]}, expected {shape}")
    return tile


def on_white(pixels: NDArray[np.uint8], alpha_kind: int) -> NDArray[np.uint8]:
    """Lay pixels on white.

    Parameters
    ----------
    pixels : (H, W, 3 or 4) ndarray of uint8
        Red, green and blue, 0 to 255, and maybe a fourth channel.
    alpha_kind : int
        What the fourth channel is, as TIFF's ExtraSamples says: 1 for alpha with which colours are
        multiplied, 2 for alpha with which they are not, anything else for no alpha.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        Red, green and blue, 0 to 255.
    """
    colours = pixels[..., :3]
    if alpha_kind not in (_PREMULTIPLIED, _ALPHA):
        return colours
    alpha = pixels[..., 3:].astype(np.uint16)
    if alpha_kind == _ALPHA:
        colours = (colours * alpha + 127) // 255
    return np.minimum(colours + (255 - alpha), 255).astype(np.uint8)

"""TIFF pyramids, read tile by tile without a library's lock or cache in between."""

from __future__ import annotations

import logging
import math
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import tifffile
from numpy.typing import NDArray

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import MppClaim, aperio_claim, ome_claim, resolution_claim

# What tifffile says in passing about a damaged file would bury the one line that we say.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

#: A page without tiles is slow to read in windows; larger ones are refused.
LARGEST_UNTILED_PX = 200_000_000

#: Bytes of decoded tiles that a page keeps: what neighbouring windows share.
_CACHE_BYTES = 64 << 20

#: What decoders raise on a damaged tile.
_DAMAGED = (ValueError, RuntimeError, TypeError, IndexError, OSError, struct.error)

_START = b"\xff\xd8"
_JPEG, _RGB, _YCBCR = 7, 2, 6
_PLANAR = 2

#: The kinds of a fourth channel that are alpha; any other is of unknown meaning and ignored.
_PREMULTIPLIED, _ALPHA = 1, 2


class TiffPages:
    """An open TIFF file and its pyramid of pages.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    pages : list of Page
        The largest first, all of the same picture.
    claims : list of MppClaim
        What the file says about the size of a pixel, the most trustworthy first.

    Raises
    ------
    SlideError
        If it is not a TIFF, or not an 8-bit RGB image.
    """

    def __init__(self, path: Path) -> None:
        with _explained(path):
            self._file = tifffile.TiffFile(path)
        try:
            with _explained(path):
                levels = _levels(self._file, path)
                self.pages = [Page(self._file, level, path) for level in levels]
                self.claims = self._claims(levels[0].keyframe)
        except SlideError:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _claims(self, page: Any) -> list[MppClaim]:
        xml, shape = self._file.ome_metadata, self.pages[0].shape
        rows, columns = (_tag(page, f"{name}Resolution") for name in "YX")
        found = [
            aperio_claim(page.description) if self._file.is_svs else None,
            ome_claim(xml, shape) if xml else None,
            resolution_claim(rows, columns, _tag(page, "ResolutionUnit")),
        ]
        return [claim for claim in found if claim is not None]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except SlideError:
        raise
    except Exception as error:  # noqa: BLE001 (what tifffile raises on damaged files is not told)
        raise SlideError(
            f"{path}: is not a slide that OpenSlide or tifffile can open ({error}); is it whole,"
            " and of the type that its name says?"
        ) from None


def _tag(page: Any, name: str) -> Any:
    tag = page.tags.get(name)
    return None if tag is None else tag.value


def _levels(file: Any, path: Path) -> list[Any]:
    """Return the levels of the largest image, the full one first."""
    images = [series for series in file.series if min(series.shape, default=0) > 0]
    if not images:
        raise SlideError(f"{path}: holds no image; is it whole? Copy it anew")
    image = max(images, key=lambda series: series.size)
    levels = list(image.levels)
    # Where levels are missing in between, tifffile takes the rest for other images.
    levels += [
        other.levels[0] for other in images if other is not image and _shrunk(other, levels[0])
    ]
    return sorted(levels, key=lambda level: -level.keyframe.imagewidth)


def _shrunk(series: Any, full: Any) -> bool:
    """Tell whether a series is a smaller copy of the full image, and not its label or a stack."""
    page, large = series.keyframe, full.keyframe
    down = [
        side / max(1, small)
        for side, small in (
            (large.imagelength, page.imagelength),
            (large.imagewidth, page.imagewidth),
        )
    ]
    rounding = max(down) / min(page.imagelength, page.imagewidth)
    alike = page.is_reduced and len(series.pages) == 1 and page.dtype == large.dtype
    return bool(alike and min(down) > 1 and abs(down[0] - down[1]) <= rounding)


class Page:
    """One level of a pyramid.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open as long as the page is read.
    level : tifffile.TiffPageSeries
    path : pathlib.Path
        Named in errors.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    jpeg : bool
        Whether it is tiled and compressed as JPEG: the case that is fast.
    complete : bool
        Whether the file has data for every tile.

    Raises
    ------
    SlideError
        If it is not an RGB picture of 8 bits.
    """

    def __init__(self, file: Any, level: Any, path: Path) -> None:
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
        # Strips are tiles as wide as the page.
        rows = min(page.rowsperstrip or self.shape[0], self.shape[0])
        strip = (rows, self.shape[1])
        self._tile_shape = (page.tilelength, page.tilewidth) if page.is_tiled else strip
        _refuse_damaged_index(page, self._tile_shape, self._planes, path)
        self.complete = 0 not in page.databytecounts and 0 not in page.dataoffsets
        self._cache = _Cache(_CACHE_BYTES)

    def _decode(self, index: int) -> NDArray[np.uint8] | None:
        """Decode one tile; None if the file has no data for it."""
        per_plane = len(self._page.dataoffsets) // self._planes
        planes = [self._decode_plane(index + plane * per_plane) for plane in range(self._planes)]
        found = [plane for plane in planes if plane is not None]
        if len(found) < len(planes):
            return None
        return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)

    def _decode_plane(self, index: int) -> NDArray[np.uint8] | None:
        page = self._page
        offset, size = page.dataoffsets[index], page.databytecounts[index]
        if size == 0 or offset == 0:
            return None
        data = os.pread(self._fileno, size, offset)
        if self.jpeg:
            return _decode_jpeg(data, page.jpegtables, page.photometric == _YCBCR, self._tile_shape)
        decoded, _, _ = page.decode(
            data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
        )
        return np.asarray(decoded)[0]

    def read(self, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window.

        Parameters
        ----------
        window : Window
            In this level's pixels; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
        bad : list of Window
            Parts of damaged tiles inside the window; they are white.
        """
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.shape))
        if inside is None:
            return pixels, bad
        height, width = self._tile_shape
        per_row = -(-self.shape[1] // width)
        for shared in inside.cut(height, width):
            row, column = shared.row // height, shared.column // width
            try:
                tile = self._cache.get(row * per_row + column, self._decode)
            except _DAMAGED:
                bad.append(shared)
                continue
            if tile is not None:
                part = tile[
                    shared.within(Window(row * height, column * width, height, width)).slices
                ]
                pixels[shared.within(window).slices] = _on_white(part, self._alpha)
        return pixels, bad


class _Cache:
    """The tiles used last, up to a number of bytes; may be asked from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._tiles: OrderedDict[int, NDArray[np.uint8] | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, index: int, make: Callable[[int], NDArray[np.uint8] | None]
    ) -> NDArray[np.uint8] | None:
        with self._lock:
            if index in self._tiles:
                self._tiles.move_to_end(index)
                return self._tiles[index]
        tile = make(index)
        with self._lock:
            if index not in self._tiles:
                self._tiles[index] = tile
                self._size += _size(tile)
            while self._size > self._limit:
                self._size -= _size(self._tiles.popitem(last=False)[1])
        return tile


def _size(tile: NDArray[np.uint8] | None) -> int:
    return 0 if tile is None else tile.nbytes


def _refuse_other_pictures(page: Any, level: Any, path: Path) -> None:
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
    if not page.is_tiled and page.imagelength * page.imagewidth > LARGEST_UNTILED_PX:
        raise SlideError(
            f"{path}: {page.imagelength} x {page.imagewidth} px without tiles; convert it to a"
            " tiled pyramid, for example with `vips tiffsave --tile --pyramid`"
        )


def _refuse_damaged_index(page: Any, tile: tuple[int, int], planes: int, path: Path) -> None:
    sides = zip((page.imagelength, page.imagewidth), tile, strict=True)
    expected = planes * math.prod(-(-side // max(1, part)) for side, part in sides)
    listed = min(len(page.dataoffsets), len(page.databytecounts))
    if min(tile) < 1 or math.prod(tile) > LARGEST_UNTILED_PX or listed < expected:
        raise SlideError(
            f"{path}: lists {listed} tiles of {tile[0]} x {tile[1]} px where {expected} are needed;"
            " it is damaged, copy it anew"
        )


def _name(code: Any) -> str:
    return str(getattr(code, "name", code))


def _decode_jpeg(
    data: bytes, tables: bytes | None, ycbcr: bool, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode a JPEG tile strictly: most decoders paint over what is damaged, and say nothing."""
    if data[:2] != _START:
        raise ValueError("the tile does not begin like a JPEG")
    # The TIFF, and not the tile, knows the colours; Adobe's marker tells the decoder.
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([ycbcr])
    shared = tables[2:-2] if tables else b""
    tile: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        b"".join([_START, marker, shared, data[2:]]), "RGB", strict=True
    )
    if tile.shape[:2] != shape:
        raise ValueError(f"the tile measures {tile.shape[:2]}, expected {shape}")
    return tile


def _on_white(pixels: NDArray[np.uint8], alpha_kind: int) -> NDArray[np.uint8]:
    colours = pixels[..., :3]
    if alpha_kind not in (_PREMULTIPLIED, _ALPHA):
        return colours
    alpha = pixels[..., 3:].astype(np.uint16)
    if alpha_kind == _ALPHA:
        colours = (colours * alpha + 127) // 255
    return np.minimum(colours + (255 - alpha), 255).astype(np.uint8)

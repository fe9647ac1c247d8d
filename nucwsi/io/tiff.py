"""Tiled TIFF pages, read tile by tile without a library's lock or cache in between."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.mpp import MppClaim

#: A page without tiles has to be decoded whole; larger ones are refused.
LARGEST_UNTILED_PX = 200_000_000

#: Decoded tiles kept: what neighbouring windows share.
_CACHED_TILES = 96

_UNITS_UM = {"µm": 1.0, "um": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}


class TiffPages:
    """An open TIFF file and its pyramid of pages.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    SlideError
        If it is not a TIFF, or not an 8-bit RGB image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = tifffile.TiffFile(path)
            series = max(self._file.series, key=lambda s: s.size, default=None)
        except (tifffile.TiffFileError, ValueError, IndexError, KeyError, OSError) as error:
            raise SlideError(
                f"{path}: is not a slide that OpenSlide or tifffile can open ({error}); is it"
                " whole, and of the type that its name says?"
            ) from None
        if series is None or min(series.shape, default=0) == 0:
            self._file.close()
            raise SlideError(f"{path}: holds no image; copy it anew")
        self.pages = [Page(self._file, level, path) for level in series.levels]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def claims(self) -> list[MppClaim]:
        """Collect what OME-XML and the TIFF tags say about the size of a pixel."""
        found = []
        if self._file.ome_metadata:
            claim = _ome_claim(self._file.ome_metadata)
            found += [claim] if claim else []
        claim = _resolution_claim(self._file.pages[0])
        return found + ([claim] if claim else [])


def _ome_claim(xml: str) -> MppClaim | None:
    sizes = []
    for axis in "YX":
        value = re.search(rf'PhysicalSize{axis}="([^"]+)"', xml)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', xml)
        if value is None:
            return None
        factor = _UNITS_UM.get(unit.group(1) if unit else "µm")
        if factor is None:
            return None
        sizes.append(float(value.group(1)) * factor)
    return MppClaim(sizes[0], sizes[1], "ome")


def _resolution_claim(page: Any) -> MppClaim | None:
    unit = page.tags.get("ResolutionUnit")
    factor = {2: 25400.0, 3: 10000.0}.get(int(unit.value)) if unit is not None else None
    tags = [page.tags.get(name) for name in ("YResolution", "XResolution")]
    if factor is None or None in tags:
        return None
    rates = [tag.value[0] / tag.value[1] if tag.value[1] else 0.0 for tag in tags]
    if min(rates) <= 0:
        return None
    return MppClaim(factor / rates[0], factor / rates[1], "tiff")


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
    """

    def __init__(self, file: Any, level: Any, path: Path) -> None:
        page = level.keyframe
        self._path, self._page = path, page
        axes = level.axes
        if page.dtype != np.uint8 or page.samplesperpixel not in (3, 4) or axes[-3:] != "YXS":
            raise SlideError(
                f"{path}: holds {page.samplesperpixel} channels of {page.dtype} ({axes}); expected"
                " brightfield RGB of 8 bits with interleaved channels"
            )
        if len(level.shape) != 3 or len(level.pages) != 1:
            raise SlideError(
                f"{path}: holds a stack of shape {level.shape}; export one plane of it"
            )
        self.shape: tuple[int, int] = (int(page.imagelength), int(page.imagewidth))
        self.jpeg = bool(page.is_tiled and page.compression == 7)
        self._fileno = file.filehandle.fileno()
        self._whole: NDArray[np.uint8] | None = None
        self._cache: OrderedDict[int, NDArray[np.uint8] | None] = OrderedDict()
        self._lock = threading.Lock()
        if page.is_tiled:
            self._tile_shape = (int(page.tilelength), int(page.tilewidth))
        else:
            self._tile_shape = self.shape

    def _decode(self, index: int) -> NDArray[np.uint8] | None:
        """Decode one tile; None if the file has no data for it."""
        page = self._page
        if not page.is_tiled:
            if self.shape[0] * self.shape[1] > LARGEST_UNTILED_PX:
                raise SlideError(
                    f"{self._path}: {self.shape[0]} x {self.shape[1]} px without tiles; convert it"
                    " to a tiled pyramid, for example with `vips tiffsave --tile --pyramid`"
                )
            return np.asarray(page.asarray())
        size = page.databytecounts[index]
        if size == 0 or page.dataoffsets[index] == 0:
            return None
        data = os.pread(self._fileno, size, page.dataoffsets[index])
        # A decoder that meets garbage in the middle of a tile may stay silent; ends it must have.
        if len(data) < size or (self.jpeg and not (data[:2] == b"\xff\xd8" and _ends(data))):
            raise ValueError("the tile is cut off")
        tile, _, _ = page.decode(
            data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
        )
        return np.asarray(tile).reshape(*self._tile_shape, -1)

    def _tile(self, index: int) -> NDArray[np.uint8] | None:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        tile = self._decode(index)
        with self._lock:
            self._cache[index] = tile
            if len(self._cache) > _CACHED_TILES:
                self._cache.popitem(last=False)
        return tile

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
            Tiles that cannot be decoded; they are white.
        """
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.shape))
        if inside is None:
            return pixels, bad
        height, width = self._tile_shape
        per_row = -(-self.shape[1] // width)
        for row in range(inside.row // height, -(-inside.row_stop // height)):
            for column in range(inside.column // width, -(-inside.column_stop // width)):
                place = Window(row * height, column * width, height, width)
                shared = place.intersection(inside)
                if shared is None:
                    continue
                try:
                    tile = self._tile(row * per_row + column)
                except (ValueError, RuntimeError, imagecodecs.DelayedImportError):
                    bad.append(shared)
                    continue
                if tile is not None:
                    part = tile[shared.within(place).slices]
                    pixels[shared.within(window).slices] = _on_white(part)
        return pixels, bad


def _ends(data: bytes) -> bool:
    # Writers pad tiles with a few bytes after the end marker.
    return b"\xff\xd9" in data[-64:]


def _on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

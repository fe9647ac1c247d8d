"""Slides of the vendors that OpenSlide knows.

OpenSlide's pixels are kept to the bit. Where it would read Aperio's JPEG tiles, they are decoded
directly, which is four times faster and gives the same pixels.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import number
from nucwsi.io.slides.slide_reader import level_of
from nucwsi.io.slides.tiff import TiffReader
from nucwsi.io.slides.tiff_page import TiffPage
from nucwsi.slide.mpp import MppClaim

#: OpenSlide is asked for about this many pixels along each side: whole tiles of the file.
_PIECE_PX = 512

#: Side of a tile where OpenSlide does not tell.
_TILE_PX = 256

#: OpenSlide reads plain TIFFs as well. They are left to tifffile: OpenSlide refuses some,
#: overlooks pyramids in SubIFDs, takes inches for granted and squeezes 16 bits into 8.
_LEFT_TO_TIFFFILE = "generic-tiff"


class OpenSlideReader:
    """A slide that OpenSlide has opened; may be read from several threads.

    Each thread gets a handle of its own.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    tiff : TiffReader or None
        The same file, if it is a TIFF that tifffile reads; closed together with this reader.

    Attributes
    ----------
    vendor : str
        As OpenSlide spells it.
    levels : list of Level
        The full resolution first.
    bounds : Window
        The part of level 0 that holds the scan, in level-0 pixels.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : float or None
        Magnification of the objective; None if the file does not say.
    """

    def __init__(self, path: Path, tiff: TiffReader | None) -> None:
        self._path, self._tiff = path, tiff
        self._local = threading.local()
        self._handles: list[Any] = []
        handle = self._handle()
        properties = handle.properties
        self.vendor = str(properties["openslide.vendor"])
        colour = bytes.fromhex(properties.get("openslide.background-color", "FFFFFF"))
        self._background = (colour[0], colour[1], colour[2])
        shapes = [(height, width) for width, height in handle.level_dimensions]
        self._pages = [self._page(shape, shape == shapes[0]) for shape in shapes]
        self._downsamples = handle.level_downsamples
        self.levels = [
            # OpenSlide interpolates where the grids of two levels do not meet.
            level_of(
                shape,
                shapes[0],
                page is not None or float(down).is_integer(),
                _tile_shape(properties, index),
            )
            for index, (shape, page, down) in enumerate(
                zip(shapes, self._pages, self._downsamples, strict=True)
            )
        ]
        self.bounds = _bounds(properties, shapes[0])
        self.objective_power = number(properties.get("openslide.objective-power"))
        rows, columns = (number(properties.get(f"openslide.mpp-{axis}")) for axis in "yx")
        if rows is not None and columns is not None:
            self.claims = [MppClaim(rows, columns, "vendor")]
        else:
            self.claims = tiff.claims if tiff else []

    def _handle(self) -> Any:
        """Return this thread's OpenSlide handle."""
        if getattr(self._local, "handle", None) is None:
            self._local.handle = openslide.OpenSlide(self._path)
            self._handles.append(self._local.handle)
        return self._local.handle

    def _drop(self, handle: Any) -> None:
        self._handles.remove(handle)
        handle.close()
        self._local.handle = None

    def _page(self, shape: tuple[int, int], full: bool) -> TiffPage | None:
        """Return the page that holds a level's pixels as they are, if it is fast to read."""
        if self._tiff is None or self.vendor != "aperio":
            return None
        for page in self._tiff.pages:
            # OpenSlide fills the holes of a smaller level from the larger ones.
            if page.jpeg and page.shape == shape and (page.complete or full):
                return page
        return None

    def read(self, level: int, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of a level.

        Parameters
        ----------
        level : int
            Place in `levels`.
        window : Window
            In pixels of that level; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
            Red, green and blue, 0 to 255, of the window; transparent pixels have the background
            colour that the slide names, else white.
        bad : list of Window
            Parts that cannot be read, in pixels of that level; they are white.

        Raises
        ------
        SlideError
            If the file cannot be opened again after an error.
        """
        page = self._pages[level]
        if page is not None:
            return page.read(window)
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.levels[level].shape))
        if inside is None:
            return pixels, bad
        tile = self.levels[level].tile_shape
        for piece in inside.cut(*(side * max(1, _PIECE_PX // side) for side in tile)):
            read = self._ask(level, piece)
            if read is not None:
                pixels[piece.within(window).slices] = read
                continue
            # Only the damaged tiles are lost, wherever the window lies.
            for part in piece.cut(*tile):
                read = self._ask(level, part)
                if read is None:
                    bad.append(part)
                else:
                    pixels[part.within(window).slices] = read
        return pixels, bad

    def _ask(self, level: int, piece: Window) -> NDArray[np.uint8] | None:
        """Ask OpenSlide for a piece of a level; return None if it cannot be read."""
        down = self._downsamples[level]
        corner = (round(piece.column * down), round(piece.row * down))
        for _ in range(2):
            try:
                handle = self._handle()
            except openslide.OpenSlideError as error:
                raise SlideError(f"{self._path}: cannot be opened again: {error}") from None
            try:
                region = handle.read_region(corner, level, (piece.width, piece.height))
            except openslide.OpenSlideError:
                # After an error a handle answers nothing but errors, also to what it could read.
                self._drop(handle)
                continue
            ground = Image.new("RGB", region.size, self._background)
            ground.paste(region, mask=region.getchannel("A"))
            return np.asarray(ground)
        return None

    def close(self) -> None:
        """Close all handles."""
        for handle in self._handles:
            handle.close()
        if self._tiff is not None:
            self._tiff.close()


def open_vendor(path: Path) -> OpenSlideReader | None:
    """Open a slide with OpenSlide, if it knows the vendor.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    OpenSlideReader or None
        None if the format is another one, or a TIFF without a vendor.

    Raises
    ------
    SlideError
        If OpenSlide knows the format and cannot open the file. The message does not name the file.
    """
    if openslide.OpenSlide.detect_format(path) in (None, _LEFT_TO_TIFFFILE):
        return None
    try:
        tiff = TiffReader(path)
    except SlideError:
        tiff = None
    try:
        return OpenSlideReader(path, tiff)
    except openslide.OpenSlideError as error:
        if tiff is not None:
            tiff.close()
        raise SlideError(f"OpenSlide: {error}") from None


def _tile_shape(properties: Any, level: int) -> tuple[int, int]:
    height, width = (
        int(properties.get(f"openslide.level[{level}].tile-{side}", _TILE_PX))
        for side in ("height", "width")
    )
    return height, width


def _bounds(properties: Any, shape: tuple[int, int]) -> Window:
    """Return the part of level 0 that holds the scan; all of it if the slide does not say."""
    names = ("y", "x", "height", "width")
    values = [number(properties.get(f"openslide.bounds-{name}")) for name in names]
    whole = Window(0, 0, *shape)
    sides = [int(value) for value in values if value is not None]
    if len(sides) < 4 or min(sides[2:]) < 1:
        return whole
    return Window(*sides).intersection(whole) or whole

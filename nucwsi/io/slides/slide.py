"""Slides of all vendors behind one door.

OpenSlide knows the vendors; where it would read Aperio's JPEG tiles, they are decoded directly,
bit for bit alike and four times faster. Everything that is a TIFF without a vendor, OME-TIFF too,
is read with tifffile: OpenSlide refuses some, overlooks pyramids in SubIFDs, takes inches for
granted and squeezes 16 bits into 8. Pixels come as RGB on white; no colour profile is applied.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from nucwsi.errors import SlideError, StoreError
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import MppClaim, number
from nucwsi.io.slides.tiff import Page, TiffPages
from nucwsi.io.stores.publish import file_checksum

#: OpenSlide is asked for about this many pixels along each side, whole tiles of the file.
_PIECE_PX = 512

#: Side of a tile where OpenSlide does not tell.
_TILE_PX = 256

_NOT_SLIDES = {
    b"version https://git-lfs": "a Git LFS pointer, not the slide; run `git lfs pull`",
    b"<!doctype html": "a web page, not a slide; download it again",
    b"<html": "a web page, not a slide; download it again",
    b"<?xml": "an answer of a web server, not a slide; download it again",
}


@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    downsample : (float, float)
        Level-0 pixels per pixel of this level, along rows and along columns.
    exact : bool
        Whether its own pixels can be read, without interpolation.
    """

    shape: tuple[int, int]
    downsample: tuple[float, float]
    exact: bool


class Slide:
    """An open slide; may be read from several threads.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    path : pathlib.Path
    vendor : str
        As OpenSlide calls it, or ``tiff``.
    levels : list of Level
        The full one first.
    bounds : Window
        The part of level 0 that holds the scan; what QuPath shows.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy first.
    objective_power : float or None

    Raises
    ------
    SlideError
        If it is no slide, or not one of 8-bit RGB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._handles: list[Any] = []
        self._tiff: TiffPages | None = None
        self._pages: list[Page | None] = []
        handle, refusal = self._first_handle()
        try:
            self._tiff = TiffPages(path)
        except SlideError as error:
            if handle is None:
                reason = f" (OpenSlide: {refusal})" if refusal else ""
                raise SlideError(f"{error}{reason}") from None
        if handle is not None:
            self._from_openslide(handle)
        elif self._tiff is not None:
            self._from_tiff(self._tiff)

    def _first_handle(self) -> tuple[Any, str]:
        """Open with OpenSlide if that knows the vendor; also return why not."""
        try:
            handle = self._handle()
        except openslide.OpenSlideUnsupportedFormatError:
            return None, ""
        except openslide.OpenSlideError as error:
            return None, str(error)
        if handle.properties["openslide.vendor"] != "generic-tiff":
            return handle, ""
        self._drop(handle)
        return None, ""

    def _handle(self) -> Any:
        """Return this thread's OpenSlide handle."""
        if getattr(self._local, "handle", None) is None:
            self._local.handle = openslide.OpenSlide(self.path)
            self._handles.append(self._local.handle)
        return self._local.handle

    def _drop(self, handle: Any) -> None:
        self._handles.remove(handle)
        handle.close()
        self._local.handle = None

    def _from_openslide(self, handle: Any) -> None:
        properties = handle.properties
        self.vendor = str(properties["openslide.vendor"])
        colour = bytes.fromhex(properties.get("openslide.background-color", "FFFFFF"))
        self._background = (colour[0], colour[1], colour[2])
        shapes = [(height, width) for width, height in handle.level_dimensions]
        self._pages = [self._page(shape, shape == shapes[0]) for shape in shapes]
        self._downsamples = handle.level_downsamples
        self.levels = [
            # OpenSlide interpolates where the grids of two levels do not meet.
            _level(shape, shapes[0], page is not None or float(down).is_integer())
            for shape, page, down in zip(shapes, self._pages, self._downsamples, strict=True)
        ]
        self._tiles = [_tile_shape(properties, level) for level in range(len(shapes))]
        self.bounds = _bounds(properties, shapes[0])
        self.objective_power = number(properties.get("openslide.objective-power"))
        rows, columns = (number(properties.get(f"openslide.mpp-{axis}")) for axis in "yx")
        if rows is not None and columns is not None:
            self.claims = [MppClaim(rows, columns, "vendor")]
        else:
            self.claims = self._tiff.claims if self._tiff else []

    def _page(self, shape: tuple[int, int], full: bool) -> Page | None:
        """Return the page that holds a level's pixels as they are, if it is fast to read."""
        if self._tiff is None or self.vendor != "aperio":
            return None
        for page in self._tiff.pages:
            # OpenSlide fills the holes of a smaller level from the larger ones.
            if page.jpeg and page.shape == shape and (page.complete or full):
                return page
        return None

    def _from_tiff(self, tiff: TiffPages) -> None:
        self.vendor = "tiff"
        full = tiff.pages[0]
        # A smaller level with holes that the full one has not would hide tissue.
        pages = [page for page in tiff.pages if page is full or page.complete or not full.complete]
        self._pages = [*pages]
        self.levels = [_level(page.shape, full.shape, True) for page in pages]
        self.bounds = Window(0, 0, *full.shape)
        self.objective_power = None
        self.claims = tiff.claims

    def read(self, level: int, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of a level.

        Parameters
        ----------
        level : int
        window : Window
            In that level's pixels; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
        bad : list of Window
            Parts that cannot be read, in that level's pixels; they are white.
        """
        page = self._pages[level]
        return page.read(window) if page is not None else self._read_openslide(level, window)

    def _read_openslide(self, level: int, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.levels[level].shape))
        if inside is None:
            return pixels, bad
        tile = self._tiles[level]
        for piece in inside.cut(*(side * max(1, _PIECE_PX // side) for side in tile)):
            found = self._ask(level, piece)
            if found is not None:
                pixels[piece.within(window).slices] = found
                continue
            # Only the damaged tiles are lost, wherever the window lies.
            for part in piece.cut(*tile):
                found = self._ask(level, part)
                if found is None:
                    bad.append(part)
                else:
                    pixels[part.within(window).slices] = found
        return pixels, bad

    def _ask(self, level: int, piece: Window) -> NDArray[np.uint8] | None:
        """Ask OpenSlide for a piece of a level; None if it cannot be read."""
        down = self._downsamples[level]
        corner = (round(piece.column * down), round(piece.row * down))
        for _ in range(2):
            try:
                handle = self._handle()
            except openslide.OpenSlideError as error:
                raise SlideError(f"{self.path}: cannot be opened again: {error}") from None
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

    def to_dask(self, level: int = 0, chunk_px: int = 2048) -> Any:
        """Return a level as a lazy array.

        Parameters
        ----------
        level : int
        chunk_px : int
            Side of a chunk.

        Returns
        -------
        dask.array.Array
            (H, W, 3) of uint8. The slide must stay open while it is computed.
        """
        # Loaded here: it takes as long as all else that reading needs.
        import dask.array
        from dask.delayed import delayed

        read = delayed(lambda window: self.read(level, window)[0], pure=False)
        height, width = self.levels[level].shape
        rows = []
        for strip in Window(0, 0, height, width).cut(chunk_px, width):
            blocks = [
                dask.array.from_delayed(read(window), (*window.shape, 3), np.uint8)
                for window in strip.cut(chunk_px, chunk_px)
            ]
            rows.append(dask.array.concatenate(blocks, axis=1))
        return dask.array.concatenate(rows, axis=0)

    def close(self) -> None:
        """Close all handles."""
        for handle in self._handles:
            handle.close()
        if self._tiff is not None:
            self._tiff.close()


def _level(shape: tuple[int, int], full: tuple[int, int], exact: bool) -> Level:
    rows, columns = (_downsample(side, whole) for side, whole in zip(shape, full, strict=True))
    return Level(shape, (rows, columns), exact)


def _downsample(side: int, full: int) -> float:
    """Undo the rounding of a level's size, whose pixels are whole numbers of level-0 pixels."""
    whole = max(1, round(full / side))
    return float(whole) if full // whole <= side <= -(-full // whole) else full / side


def _tile_shape(properties: Any, level: int) -> tuple[int, int]:
    height, width = (
        int(properties.get(f"openslide.level[{level}].tile-{side}", _TILE_PX))
        for side in ("height", "width")
    )
    return height, width


def _bounds(properties: Any, shape: tuple[int, int]) -> Window:
    names = ("y", "x", "height", "width")
    values = [number(properties.get(f"openslide.bounds-{name}")) for name in names]
    whole = Window(0, 0, *shape)
    known = [int(value) for value in values if value is not None]
    if len(known) < 4 or min(known[2:]) < 1:
        return whole
    return Window(*known).intersection(whole) or whole


def _refuse_what_is_no_slide(path: Path) -> None:
    if path.is_dir():
        raise SlideError(f"{path}: is a folder; name one slide in it")
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except FileNotFoundError:
        raise SlideError(f"{path}: does not exist; check the path in the slide sheet") from None
    except OSError as error:
        raise SlideError(f"{path}: cannot be read: {error.strerror}") from None
    if not start:
        raise SlideError(f"{path}: is empty; copy it anew")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, meaning in _NOT_SLIDES.items():
        if text.startswith(mark):
            raise SlideError(f"{path}: is {meaning}")


def check_slide(path: Path, checksum: str, nuclei: Path) -> None:
    """Make sure that a file is the slide of a table of nuclei.

    Parameters
    ----------
    path : pathlib.Path
        Of the slide.
    checksum : str
        `store.file_checksum` of the slide that was analysed.
    nuclei : pathlib.Path
        The table, for the error.

    Raises
    ------
    SlideError
        If it is missing or no slide.
    StoreError
        If it is another slide.
    """
    _refuse_what_is_no_slide(path)
    if file_checksum(path) != checksum:
        raise StoreError(
            f"{nuclei}: is not of the slide {path}, or that was changed since; name the one it was"
            " made from, or analyse it anew"
        )


@contextmanager
def open_slide(path: Path) -> Iterator[Slide]:
    """Open a slide.

    Parameters
    ----------
    path : pathlib.Path

    Yields
    ------
    Slide

    Raises
    ------
    SlideError
        If there is no such file, or it is not an 8-bit RGB slide.
    """
    _refuse_what_is_no_slide(path)
    slide = Slide(path)
    try:
        yield slide
    finally:
        slide.close()

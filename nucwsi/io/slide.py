"""Slides of all vendors behind one door.

OpenSlide knows the vendors. Where it would read tiled JPEG, the tiles are decoded directly, bit
for bit alike and four times faster; where it refuses a TIFF or sees less than there is, as in
OME-TIFF, tifffile takes over. Pixels come as RGB on white; no colour profile is applied.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import openslide
from dask.delayed import delayed
from numpy.typing import NDArray
from PIL import Image

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.mpp import MppClaim
from nucwsi.io.tiff import Page, TiffPages

#: Side of the pieces in which OpenSlide is asked, so that one bad tile spoils little.
_PIECE_PX = 512

_NOT_SLIDES = {
    b"version https://git-lfs": "a Git LFS pointer, not the slide; run `git lfs pull`",
    b"<!doctype html": "a web page, not a slide; download it again",
    b"<html": "a web page, not a slide; download it again",
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
        Whether its own pixels can be read without interpolation.
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
    levels : list of Level
    bounds : Window
        The part of level 0 that holds the scan; what QuPath shows.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy first.
    objective_power : float or None
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._handles: list[Any] = []
        self._background = (255, 255, 255)
        self._tiff = self._open_tiff()
        first = self._handle(quiet=True)
        if first is not None and _sees_less(first, self._tiff):
            first = None
        if first is None:
            # Without OpenSlide, tifffile's verdict on the file is the user's answer.
            self._tiff = self._tiff or TiffPages(path)
            self._from_tiff(self._tiff)
        else:
            self._from_openslide(first)

    def _open_tiff(self) -> TiffPages | None:
        try:
            return TiffPages(self.path)
        except SlideError:
            return None

    def _handle(self, quiet: bool = False) -> Any:
        """Return this thread's OpenSlide handle."""
        handle = getattr(self._local, "handle", None)
        if handle is None:
            try:
                handle = openslide.OpenSlide(self.path)
            except openslide.OpenSlideError as error:
                if quiet:
                    return None
                raise SlideError(f"{self.path}: cannot be opened again: {error}") from None
            self._local.handle = handle
            self._handles.append(handle)
        return handle

    def _from_openslide(self, handle: Any) -> None:
        properties = handle.properties
        self.vendor = str(properties.get("openslide.vendor", "unknown"))
        colour = properties.get("openslide.background-color", "FFFFFF")
        self._background = (int(colour[:2], 16), int(colour[2:4], 16), int(colour[4:6], 16))
        shapes = [(height, width) for width, height in handle.level_dimensions]
        self._pages = [self._page(shape) for shape in shapes]
        self.levels = [
            _level(shape, shapes[0], page is not None)
            for shape, page in zip(shapes, self._pages, strict=True)
        ]
        self.bounds = _bounds(properties, shapes[0])
        self.objective_power = _number(properties.get("openslide.objective-power"))
        self.claims = self._openslide_claims(properties)

    def _page(self, shape: tuple[int, int]) -> Page | None:
        """Return the page that holds a level's pixels as they are, if it is fast to read."""
        if self._tiff is None or self.vendor not in {"aperio", "generic-tiff"}:
            return None
        return next((p for p in self._tiff.pages if p.jpeg and p.shape == shape), None)

    def _openslide_claims(self, properties: Any) -> list[MppClaim]:
        values = [_number(properties.get(f"openslide.mpp-{axis}")) for axis in "yx"]
        if self.vendor == "generic-tiff":
            # OpenSlide takes inches for granted where the TIFF names no unit.
            return self._tiff.claims() if self._tiff else []
        rows, columns = values
        if rows is None or columns is None:
            return self._tiff.claims() if self._tiff and self.vendor != "aperio" else []
        return [MppClaim(rows, columns, "vendor")]

    def _from_tiff(self, tiff: TiffPages) -> None:
        self.vendor = "tiff"
        self._pages = list(tiff.pages)
        shapes = [page.shape for page in tiff.pages]
        self.levels = [_level(shape, shapes[0], True) for shape in shapes]
        self.bounds = Window(0, 0, *shapes[0])
        self.objective_power = None
        self.claims = tiff.claims()

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
        for row in range(inside.row, inside.row_stop, _PIECE_PX):
            for column in range(inside.column, inside.column_stop, _PIECE_PX):
                height = min(_PIECE_PX, inside.row_stop - row)
                piece = Window(row, column, height, min(_PIECE_PX, inside.column_stop - column))
                found = self._piece(level, piece)
                if found is None:
                    bad.append(piece)
                else:
                    pixels[piece.within(window).slices] = found
        return pixels, bad

    def _piece(self, level: int, piece: Window) -> NDArray[np.uint8] | None:
        down_rows, down_columns = self.levels[level].downsample
        corner = (round(piece.column * down_columns), round(piece.row * down_rows))
        for _ in range(2):
            handle = self._handle()
            try:
                region = handle.read_region(corner, level, (piece.width, piece.height))
            except openslide.OpenSlideError:
                # After an error a handle answers nothing but errors.
                self._handles.remove(handle)
                handle.close()
                self._local.handle = None
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
        height, width = self.levels[level].shape
        read = delayed(lambda window: self.read(level, window)[0], pure=False)
        rows = []
        for row in range(0, height, chunk_px):
            blocks = []
            for column in range(0, width, chunk_px):
                size = (min(chunk_px, height - row), min(chunk_px, width - column))
                window = Window(row, column, *size)
                blocks.append(dask.array.from_delayed(read(window), (*size, 3), np.uint8))
            rows.append(dask.array.concatenate(blocks, axis=1))
        return dask.array.concatenate(rows, axis=0)

    def close(self) -> None:
        """Close all handles."""
        for handle in self._handles:
            handle.close()
        if self._tiff is not None:
            self._tiff.close()


def _sees_less(handle: Any, tiff: TiffPages | None) -> bool:
    """Tell whether OpenSlide misses the pyramid of a TIFF, as it does with OME's SubIFDs."""
    generic = handle.properties.get("openslide.vendor") == "generic-tiff"
    return bool(generic and tiff and len(tiff.pages) > handle.level_count)


def _level(shape: tuple[int, int], full: tuple[int, int], native: bool) -> Level:
    rows, columns = full[0] / shape[0], full[1] / shape[1]
    # OpenSlide interpolates where level grids do not meet.
    whole = all(abs(value - round(value)) < 1e-3 for value in (rows, columns))
    return Level(shape, (rows, columns), native or whole)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _bounds(properties: Any, shape: tuple[int, int]) -> Window:
    names = ("y", "x", "height", "width")
    values = [_number(properties.get(f"openslide.bounds-{name}")) for name in names]
    whole = Window(0, 0, *shape)
    known = [int(value) for value in values if value is not None]
    if len(known) < 4 or min(known[2:]) < 1:
        return whole
    return Window(*known).intersection(whole) or whole


def _refuse_what_is_no_slide(path: Path) -> None:
    if not path.exists():
        raise SlideError(f"{path}: does not exist; check the path in the slide sheet")
    if path.is_dir():
        raise SlideError(f"{path}: is a folder; name one slide in it")
    with path.open("rb") as stream:
        start = stream.read(512).lstrip().lower()
    if not start:
        raise SlideError(f"{path}: is empty; copy it anew")
    for mark, meaning in _NOT_SLIDES.items():
        if start.startswith(mark):
            raise SlideError(f"{path}: is {meaning}")


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

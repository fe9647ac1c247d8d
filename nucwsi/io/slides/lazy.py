"""Slides as lazy dask arrays, read through the same readers as everything else.

Loads dask, so only `Slide.to_dask` imports this module.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import ConfigError
from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, level0_claim
from nucwsi.io.slides.slide import Slide, open_slide

log = logging.getLogger(__name__)

#: About so many pixels has a side of a chunk.
_CHUNK_PX = 2048


class _Pixels:
    """What dask indexes: (H, W, 3) uint8 of a level, or of the canvas of a frame.

    Opens the slide when it is first read, and a copy in another process opens it there. It is
    closed when it is forgotten.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, path: Path, scene: str, view: int | Frame, shape: tuple[int, int]) -> None:
        self._path, self._scene, self._view, self.shape = path, scene, view, (*shape, 3)
        self._slide: Slide | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., _Pixels], tuple[Any, ...]]:
        return _Pixels, (self._path, self._scene, self._view, self.shape[:2])

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # A slide that was written anew is another array.
        status = self._path.stat()
        written = status.st_mtime_ns, status.st_size
        return type(self).__name__, str(self._path), self._scene, *written, self._view

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.uint8]:
        """Read what a number, a slice or a list of numbers for each axis selects."""
        (top, low, rows), (left, right, columns) = map(_span, index, self.shape[:2])
        if top == low or left == right:
            return np.empty((low - top, right - left, 3), np.uint8)[rows, columns, *index[2:]]
        pixels, bad = self._read(Window(top, left, low - top, right - left))
        for part in bad:
            log.warning(
                "%s: rows %d to %d and columns %d to %d cannot be read; they are white",
                self._path,
                part.row,
                part.row_stop,
                part.column,
                part.column_stop,
            )
        # Axis by axis: NumPy would combine the lists of two axes.
        for axis, chosen in reversed(list(enumerate((rows, columns, *index[2:])))):
            pixels = pixels[(slice(None),) * axis + (chosen,)]
        return pixels

    def _read(self, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        with self._lock:
            if self._slide is None:
                self._slide = open_slide(self._path, self._scene or None)
        if isinstance(self._view, Frame):
            return SlideCanvas(self._slide, self._view).read(window)
        return self._slide.read(self._view, window)


def _span(index: Any, side: int) -> tuple[int, int, Any]:
    """Return the half-open range of pixels that an index needs, and the index within it."""
    if isinstance(index, slice):
        chosen = range(*index.indices(side))
        if len(chosen) == 0:
            return 0, 0, slice(0, 0)
        low = min(chosen[0], chosen[-1])
        return low, max(chosen[0], chosen[-1]) + 1, slice(None, None, chosen.step)
    places = np.asarray(index)
    if places.size == 0:
        return 0, 0, slice(0, 0)
    low = int(places.min())
    return low, int(places.max()) + 1, places - low


def _lazy(pixels: _Pixels, chunk: tuple[int, int]) -> dask.array.Array:
    if min(chunk) < 1:
        raise ConfigError(f"`chunk_px` is {min(chunk)}; expected at least 1")
    meta = np.empty((0, 0, 0), np.uint8)
    return dask.array.from_array(pixels, chunks=(*chunk, 3), asarray=False, meta=meta)


def lazy_level(slide: Slide, level: int, chunk_px: int | None) -> dask.array.Array:
    """Return a level of a slide as a lazy array.

    Parameters
    ----------
    slide : Slide
        The open slide; the array does not need it once this function has returned.
    level : int
        Place in ``slide.levels``.
    chunk_px : int or None
        Side of a chunk in pixels of the level; None: about 2048, and whole tiles of the file.

    Returns
    -------
    (H, W, 3) dask.array.Array of uint8
        Red, green and blue, 0 to 255, in pixels of the level.

    Raises
    ------
    ConfigError
        If there is no such level, or `chunk_px` is below 1.
    """
    last = len(slide.levels) - 1
    if not 0 <= level <= last:
        raise ConfigError(f"`level` is {level}; {slide.path} has levels 0 to {last}")
    described = slide.levels[level]
    height, width = (side * max(1, _CHUNK_PX // side) for side in described.tile_shape)
    chunk = (height, width) if chunk_px is None else (chunk_px, chunk_px)
    return _lazy(_Pixels(slide.path.absolute(), slide.scene, level, described.shape), chunk)


def lazy_canvas(
    slide: Slide, level: int, mpp: float, slide_mpp: float | None, chunk_px: int | None
) -> dask.array.Array:
    """Return the canvas of a slide as a lazy array.

    Parameters
    ----------
    slide : Slide
        The open slide; the array does not need it once this function has returned.
    level : int
        0; any other level contradicts `mpp`.
    mpp : float
        Resolution in µm per canvas pixel.
    slide_mpp : float or None
        The user's value for level 0, in µm per pixel.
    chunk_px : int or None
        Side of a chunk in canvas pixels; None: 2048.

    Returns
    -------
    (H, W, 3) dask.array.Array of uint8
        Red, green and blue, 0 to 255, in canvas pixels; the canvas covers the slide's bounds.

    Raises
    ------
    ConfigError
        If a level is asked for as well, or `mpp` or `chunk_px` is too small.
    SlideError
        If the size of the slide's pixels is unknown or implausible.
    """
    if level:
        raise ConfigError(f"`level` is {level} and `mpp` is {mpp:g}; expected one of them")
    if not mpp > 0:
        raise ConfigError(f"`mpp` is {mpp:g} µm; expected more than 0, such as 0.5")
    frame = canvas_frame(slide, level0_claim(slide, override=slide_mpp), mpp)
    side = _CHUNK_PX if chunk_px is None else chunk_px
    pixels = _Pixels(slide.path.absolute(), slide.scene, frame, frame.shape)
    return _lazy(pixels, (side, side))

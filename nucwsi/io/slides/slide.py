"""Slides of all formats behind one door, `open_slide`.

Pixels come as RGB on white; no colour profile is applied.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.identity import refuse_what_is_no_slide
from nucwsi.io.slides.levels import believed_levels
from nucwsi.io.slides.openslide_reader import open_vendor
from nucwsi.io.slides.picture import open_picture
from nucwsi.io.slides.slide_reader import FinalSlideError, SlideReader
from nucwsi.io.slides.tiff import TiffReader

if TYPE_CHECKING:
    import dask.array

#: The formats, in the order in which they are tried. Each is a function that opens a file, or one
#: scene of it, returns None if the file is of another format, and raises `SlideError` if it is
#: damaged; the verdict of the last one counts, or the first `FinalSlideError`. A new format is one
#: module with a `SlideReader`, and one line here.
OPENERS: tuple[Callable[[Path, str | None], SlideReader | None], ...] = (
    open_vendor,
    open_picture,
    TiffReader,
)


class Slide:
    """An open slide; may be read from several threads, and is closed at the end of a ``with``.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    reader : SlideReader
        Its open reader, which the slide closes.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    vendor : str
        As OpenSlide spells it, or ``tiff``, ``png``, ``jpeg``, ``webp`` or ``bmp``.
    levels : list of Level
        The full resolution first, then ever coarser ones that show the same.
    bounds : Window
        The part of level 0 that holds the scan, in level-0 pixels; QuPath shows only this part.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : float or None
        Magnification of the objective; None if the file does not say.
    scenes : list of str
        Name and size of each scene that the file holds.
    scene : str
        Number of the one that is read, from 1; empty if there is only one, or all are read.
    missing : (N, 4) ndarray of int64
        Tiles of level 0 without data, which are white: row, column, height and width in level-0
        pixels.
    """

    def __init__(self, path: Path, reader: SlideReader) -> None:
        self.path, self._reader = path, reader
        self.vendor, self.bounds = reader.vendor, reader.bounds
        self.claims, self.objective_power = reader.claims, reader.objective_power
        self.scenes, self.scene, self.missing = reader.scenes, reader.scene, reader.missing
        believed = believed_levels(reader, str(path))
        self._numbers = [number for number, _ in believed]
        self.levels = [level for _, level in believed]
        # Also closes the file when the slide is forgotten.
        self._close = weakref.finalize(self, reader.close)

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
            Red, green and blue, 0 to 255, of the window.
        bad : list of Window
            Parts that cannot be read, in pixels of that level; they are white.
        """
        return self._reader.read(self._numbers[level], window)

    def to_dask(
        self,
        level: int = 0,
        *,
        mpp: float | None = None,
        slide_mpp: float | None = None,
        chunk_px: int | None = None,
    ) -> dask.array.Array:
        """Return the slide as a lazy array, at one of its levels or at any mpp.

        The array opens the file for itself, once in each process that computes a part of it; it
        outlives the slide, can be pickled, and may be computed by threads, processes or a cluster.
        Parts that cannot be read are white, and logged as a warning.

        Parameters
        ----------
        level : int
            Place in `levels`.
        mpp : float, optional
            Resolution in µm per pixel, instead of a level: the slide's bounds, averaged as `tile`
            does it for the network.
        slide_mpp : float, optional
            The size of a level-0 pixel in µm, if the file does not say it or is wrong. Used with
            `mpp` only.
        chunk_px : int, optional
            Side of a chunk in pixels of the array. By default about 2048, and whole tiles of the
            file.

        Returns
        -------
        (H, W, 3) dask.array.Array of uint8
            Red, green and blue, 0 to 255: all of the level, in its pixels, or the canvas that
            covers the bounds, in pixels of `mpp`.

        Raises
        ------
        ConfigError
            If there is no such level, or both `level` and `mpp` are given.
        SlideError
            If `mpp` is given and the size of the slide's pixels is unknown or implausible.
        """
        # Loaded here: it takes as long as everything else that reading needs.
        from nucwsi.io.slides.lazy import lazy_canvas, lazy_level

        if mpp is None:
            return lazy_level(self, level, chunk_px)
        return lazy_canvas(self, level, mpp, slide_mpp, chunk_px)

    def forget(self) -> None:
        """Forget what was decoded, so that its memory is free; it is decoded again if need be."""
        self._reader.forget()

    def close(self) -> None:
        """Close the file; the slide cannot be read afterwards."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_slide(path: str | Path, scene: str | None = None) -> Slide:
    """Open a slide of any format.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; of a slide in many files, the one that OpenSlide wants.
    scene : str, optional
        Which of several scenes: its number, from 1, or its name.

    Returns
    -------
    Slide
        Open, until it is closed or a ``with`` ends.

    Raises
    ------
    SlideError
        If there is no such file, it is damaged, it is not an 8-bit RGB slide, or it holds several
        scenes and none is chosen.
    """
    path = Path(path)
    refuse_what_is_no_slide(path)
    refusals = []
    for opener in OPENERS:
        try:
            reader = opener(path, scene)
        except FinalSlideError:
            raise
        except SlideError as error:
            refusals.append(str(error))
        else:
            if reader is not None:
                return Slide(path, reader)
    *others, verdict = refusals
    raise SlideError(verdict + "".join(f" ({refusal})" for refusal in others))

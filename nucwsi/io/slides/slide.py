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

from nucwsi.errors import SlideError, StoreError
from nucwsi.grid import Window
from nucwsi.io.slides.openslide_reader import open_vendor
from nucwsi.io.slides.slide_reader import SlideReader
from nucwsi.io.slides.tiff import TiffReader
from nucwsi.io.stores.publish import file_checksum

if TYPE_CHECKING:
    import dask.array

#: The formats, in the order in which they are tried. Each is a function that opens a file, returns
#: None if the file is of another format, and raises `SlideError` if it is damaged; the verdict of
#: the last one counts. A new format is one module with a `SlideReader`, and one line here.
OPENERS: tuple[Callable[[Path], SlideReader | None], ...] = (open_vendor, TiffReader)

#: How files begin that are often mistaken for slides -> what they are and what to do.
_NOT_SLIDES = {
    b"version https://git-lfs": "a Git LFS pointer, not the slide; run `git lfs pull`",
    b"<!doctype html": "a web page, not a slide; download it again",
    b"<html": "a web page, not a slide; download it again",
    b"<?xml": "a web server's answer, not a slide; download it again",
}


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
        As OpenSlide spells it, or ``tiff``.
    levels : list of Level
        The full resolution first, then ever coarser ones.
    bounds : Window
        The part of level 0 that holds the scan, in level-0 pixels; QuPath shows only this part.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : float or None
        Magnification of the objective; None if the file does not say.
    """

    def __init__(self, path: Path, reader: SlideReader) -> None:
        self.path, self._reader = path, reader
        self.vendor, self.levels, self.bounds = reader.vendor, reader.levels, reader.bounds
        self.claims, self.objective_power = reader.claims, reader.objective_power
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
        return self._reader.read(level, window)

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


def open_slide(path: str | Path) -> Slide:
    """Open a slide of any format.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; of a slide in many files, the one that OpenSlide wants.

    Returns
    -------
    Slide
        Open, until it is closed or a ``with`` ends.

    Raises
    ------
    SlideError
        If there is no such file, it is damaged, or it is not an 8-bit RGB slide.
    """
    path = Path(path)
    _refuse_what_is_no_slide(path)
    refusals = []
    for opener in OPENERS:
        try:
            reader = opener(path)
        except SlideError as error:
            refusals.append(str(error))
        else:
            if reader is not None:
                return Slide(path, reader)
    *others, verdict = refusals
    raise SlideError(verdict + "".join(f" ({refusal})" for refusal in others))


def _refuse_what_is_no_slide(path: Path) -> None:
    """Raise `SlideError` where the path or the first bytes show that this is not a slide."""
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
        raise SlideError(f"{path}: is empty; copy it again")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, meaning in _NOT_SLIDES.items():
        if text.startswith(mark):
            raise SlideError(f"{path}: is {meaning}")


def check_slide(path: Path, checksum: str, nuclei: Path) -> None:
    """Make sure that a file is the slide from which a table of nuclei was made.

    Parameters
    ----------
    path : pathlib.Path
        The slide.
    checksum : str
        `nucwsi.io.stores.publish.file_checksum` of the slide that was analysed.
    nuclei : pathlib.Path
        The table, quoted in the error.

    Raises
    ------
    SlideError
        If the file is missing or is not a slide.
    StoreError
        If the file is another slide, or has changed.
    """
    _refuse_what_is_no_slide(path)
    if file_checksum(path) != checksum:
        raise StoreError(
            f"{nuclei}: was not made from {path}, or that slide has changed since; name the slide"
            " it was made from, or analyse this one"
        )

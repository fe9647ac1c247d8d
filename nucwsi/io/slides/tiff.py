"""TIFF pyramids without a vendor, OME-TIFF included, read with tifffile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import aperio_claim, ome_claim, resolution_claim
from nucwsi.io.slides.slide_reader import level_of
from nucwsi.io.slides.tiff_page import TiffPage
from nucwsi.slide.mpp import MppClaim

# What tifffile logs about a damaged file would bury the one line that we say.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class TiffReader:
    """An open TIFF file; may be read from several threads.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Attributes
    ----------
    pages : list of TiffPage
        All pages that show the full picture, at any resolution; the largest first.
    vendor : str
        Always ``tiff``.
    levels : list of Level
        The full resolution first; a smaller page is left out if it lacks tiles that level 0 has.
    bounds : Window
        All of level 0, in level-0 pixels.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : None
        TIFF does not say.

    Raises
    ------
    SlideError
        If the file is not a TIFF, or not an 8-bit RGB image.
    """

    vendor = "tiff"
    objective_power: float | None = None

    def __init__(self, path: Path) -> None:
        with _explained(path):
            self._file = tifffile.TiffFile(path)
        try:
            with _explained(path):
                series = _pyramid(self._file, path)
                self.pages = [TiffPage(self._file, level, path) for level in series]
                self.claims = self._claims(series[0].keyframe)
        except SlideError:
            self._file.close()
            raise
        full = self.pages[0]
        # A smaller level with holes that level 0 has not would hide tissue.
        self._shown = [p for p in self.pages if p is full or p.complete or not full.complete]
        self.levels = [level_of(p.shape, full.shape, True, p.tile_shape) for p in self._shown]
        self.bounds = Window(0, 0, *full.shape)

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
        return self._shown[level].read(window)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _claims(self, page: Any) -> list[MppClaim]:
        xml, shape = self._file.ome_metadata, self.pages[0].shape
        rows, columns = (_tag(page, f"{axis}Resolution") for axis in "YX")
        claims = [
            aperio_claim(page.description) if self._file.is_svs else None,
            ome_claim(xml, shape) if xml else None,
            resolution_claim(rows, columns, _tag(page, "ResolutionUnit")),
        ]
        return [claim for claim in claims if claim is not None]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever tifffile raises on a damaged file into a `SlideError`."""
    try:
        yield
    except SlideError:
        raise
    except Exception as error:  # noqa: BLE001 (tifffile does not document what it raises)
        raise SlideError(
            f"{path}: is not a slide that OpenSlide or tifffile can open ({error}); is it whole,"
            " and of the type that its name says?"
        ) from None


def _tag(page: Any, name: str) -> Any:
    tag = page.tags.get(name)
    return None if tag is None else tag.value


def _pyramid(file: Any, path: Path) -> list[Any]:
    """Return the levels of the largest image, level 0 first."""
    images = [series for series in file.series if min(series.shape, default=0) > 0]
    if not images:
        raise SlideError(f"{path}: holds no image; is it whole? Copy it again")
    image = max(images, key=lambda series: series.size)
    levels = list(image.levels)
    # Where a level is missing, tifffile takes the coarser ones for other images.
    levels += [
        other.levels[0] for other in images if other is not image and _is_reduced(other, levels[0])
    ]
    return sorted(levels, key=lambda level: -level.keyframe.imagewidth)


def _is_reduced(series: Any, full: Any) -> bool:
    """Return whether a series is a smaller copy of the full image, not its label or a stack."""
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

"""A slide seen at the working mpp: any window of its canvas, and an overview of the whole."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.mpp import MppClaim
from nucwsi.io.slides.slide import Slide
from nucwsi.slide.resample import Taps, area_average, scale_taps

#: Side of the pieces in which an overview is read, in its pixels.
_STRIP_PX = 64

#: A level may be coarser than the target by this share, and is then magnified.
_SLACK = 1.01


def canvas_frame(slide: Slide, claim: MppClaim, mpp: float) -> Frame:
    """Lay the canvas over the slide's bounds.

    Parameters
    ----------
    slide : Slide
    claim : MppClaim
        The size of its pixels.
    mpp : float
        Working resolution in µm per canvas pixel.

    Returns
    -------
    Frame
    """
    bounds = slide.bounds
    shape = (
        max(1, math.ceil(bounds.height * claim.rows / mpp - 1e-6)),
        max(1, math.ceil(bounds.width * claim.columns / mpp - 1e-6)),
    )
    origin = (float(bounds.row), float(bounds.column))
    return Frame(shape, mpp, (claim.rows, claim.columns), origin, slide.levels[0].shape)


@dataclass(frozen=True)
class Source:
    """An open slide and the frame of its canvas.

    Attributes
    ----------
    slide : Slide
    frame : Frame
    """

    slide: Slide
    frame: Frame

    def read(self, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of the canvas; its pixels do not depend on the window.

        Parameters
        ----------
        window : Window
            In canvas pixels.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
        bad : list of Window
            What could not be read, in canvas pixels; it is mixed with white.
        """
        return self._averaged(self._levels(1, exact=True)[0], window, 1)

    def overview(
        self, cell_px: int, threads: int = 1
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read the whole canvas, one pixel for each cell.

        Parameters
        ----------
        cell_px : int
            Side of a cell in canvas pixels.
        threads : int
            Pieces that are read at once.

        Returns
        -------
        view : (H, W, 3) ndarray of uint8
        unreadable : (H, W) ndarray of bool
            Cells that no level shows whole.
        """
        height, width = (-(-side // cell_px) for side in self.frame.shape)
        view = np.empty((height, width, 3), np.uint8)
        unreadable = np.zeros((height, width), bool)

        def _look(window: Window) -> None:
            # A tile that is damaged on one level may well be whole on the next.
            for level in self._levels(cell_px, exact=False):
                view[window.slices], bad = self._averaged(level, window, cell_px)
                if not bad:
                    return
            for piece in bad:
                unreadable[piece.slices] = True

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_look, Window(0, 0, height, width).cut(_STRIP_PX, _STRIP_PX)))
        return view, unreadable

    def _levels(self, cell_px: int, exact: bool) -> list[int]:
        """List the levels finer than the target, the coarsest first; there is always level 0."""
        factor = min(self.frame.scale) * cell_px * _SLACK
        levels = self.slide.levels[1:]
        fit = [
            number
            for number, level in enumerate(levels, start=1)
            if max(level.downsample) <= factor and (level.exact or not exact)
        ]
        return [*reversed(fit), 0]

    def _averaged(
        self, level: int, window: Window, cell_px: int
    ) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of cells from a level; also return the cells that are bad there."""
        down, origin, scale = (
            self.slide.levels[level].downsample,
            self.frame.origin_px,
            self.frame.scale,
        )
        rows, columns = (
            scale_taps(start, stop, scale[axis] * cell_px / down[axis], origin[axis] / down[axis])
            for axis, (start, stop) in enumerate(
                ((window.row, window.row_stop), (window.column, window.column_stop))
            )
        )
        seen = Window(
            rows.first, columns.first, rows.stop - rows.first, columns.stop - columns.first
        )
        pixels, bad = self.slide.read(level, seen)
        spoilt = [_touched(piece.within(seen), rows, columns, window) for piece in bad]
        return area_average(pixels, rows, columns), [piece for piece in spoilt if piece]


def _touched(piece: Window, rows: Taps, columns: Taps, window: Window) -> Window | None:
    """Return the target pixels that a piece of the source has a share in."""
    spans = []
    for taps, start, stop in (
        (rows, piece.row, piece.row_stop),
        (columns, piece.column, piece.column_stop),
    ):
        inside = (taps.source >= start) & (taps.source < stop) & (taps.weight > 0)
        found = np.flatnonzero(inside.any(axis=0))
        if len(found) == 0:
            return None
        spans.append((int(found[0]), int(found[-1]) + 1))
    (top, low), (left, right) = spans
    return Window(window.row + top, window.column + left, low - top, right - left)

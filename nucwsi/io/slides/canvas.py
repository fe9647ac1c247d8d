"""A slide seen at the working mpp: any window of its canvas, and an overview of the whole."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.slide import Slide
from nucwsi.runtime.allocator import return_freed_memory
from nucwsi.slide.mpp import MppClaim, choose_mpp, contradicting, contradicts_objective
from nucwsi.slide.resample import Taps, area_average, scale_taps

log = logging.getLogger(__name__)

#: Side of the pieces in which an overview is read, in its own pixels.
_PIECE_PX = 64

#: A level may be coarser than the target by this factor, and is then magnified.
_SLACK = 1.01


def level0_claim(
    slide: Slide, *, override: float | None = None, trust_power: bool = False
) -> MppClaim:
    """Choose the size of a slide's pixels from its claims; log where its objective contradicts it.

    Parameters
    ----------
    slide : Slide
        The open slide, with its claims and objective power.
    override : float, optional
        The user's value for level 0, in µm per pixel.
    trust_power : bool
        Whether the objective power stands in where nothing else is known.

    Returns
    -------
    MppClaim
        The claim that `nucwsi.slide.mpp.choose_mpp` chooses.

    Raises
    ------
    SlideError
        If nothing is known of the size of a pixel, or it is implausible.
    """
    power = slide.objective_power
    claim = choose_mpp(
        str(slide.path),
        slide.claims,
        override=override,
        objective_power=power,
        trust_power=trust_power,
    )
    for doubt in claim_doubts(slide, claim):
        log.warning("%s: %s", slide.path, doubt)
    return claim


def claim_doubts(slide: Slide, claim: MppClaim) -> list[str]:
    """Say what contradicts the chosen size of a slide's pixels.

    Parameters
    ----------
    slide : Slide
        The open slide, with its claims and objective power.
    claim : MppClaim
        The chosen claim.

    Returns
    -------
    list of str
        One line for each other claim, and for the objective power, that does not fit.
    """
    others = {
        f"{other.rows:.6g} µm ({other.source})": None
        for other in contradicting(claim, slide.claims)
    }
    said = [
        f"mpp {claim.rows:.6g} µm ({claim.source}) and {other} do not fit each other; the first is"
        " used"
        for other in others
    ]
    if contradicts_objective(claim, slide.objective_power):
        power = slide.objective_power
        said.append(
            f"mpp {claim.rows:g} ({claim.source}) and objective power {power:g} do not fit each"
            " other; mpp is used"
        )
    return said


def canvas_frame(slide: Slide, claim: MppClaim, mpp: float) -> Frame:
    """Lay the canvas over the slide's bounds.

    Parameters
    ----------
    slide : Slide
        The open slide, with its bounds in level-0 pixels.
    claim : MppClaim
        Height and width of its level-0 pixels in µm; they may differ.
    mpp : float
        Working resolution in µm per canvas pixel, along both axes.

    Returns
    -------
    Frame
        Its canvas just covers the bounds, and is at least one pixel high and wide.
    """
    bounds = slide.bounds
    shape = (
        max(1, math.ceil(bounds.height * claim.rows / mpp - 1e-6)),
        max(1, math.ceil(bounds.width * claim.columns / mpp - 1e-6)),
    )
    origin = (float(bounds.row), float(bounds.column))
    return Frame(shape, mpp, (claim.rows, claim.columns), origin, slide.levels[0].shape)


@dataclass(frozen=True)
class SlideCanvas:
    """An open slide and its canvas, whose pixels are averages of the slide's.

    Attributes
    ----------
    slide : Slide
        Where pixels are read from; it stays open as long as the canvas is read.
    frame : Frame
        How the canvas lies on the slide.
    """

    slide: Slide
    frame: Frame

    def read(self, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of the canvas; the value of a pixel does not depend on the window.

        Parameters
        ----------
        window : Window
            In canvas pixels; what lies outside the slide comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
            Red, green and blue, 0 to 255, of the window.
        bad : list of Window
            Parts of the window with unreadable pixels below them, in canvas pixels; white is
            mixed into these parts.
        """
        return self._average(self._levels(1, exact=True)[0], window, 1)

    def overview(
        self, cell_px: int, threads: int = 1, part: Window | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read the whole canvas or a part of it, one pixel for each cell.

        Parameters
        ----------
        cell_px : int
            Side of a cell in canvas pixels.
        threads : int
            Number of pieces that are read at once.
        part : Window, optional
            What is wanted, in cells; all of the canvas by default.

        Returns
        -------
        view : (H, W, 3) ndarray of uint8
            Average red, green and blue, 0 to 255, of each cell.
        unreadable : (H, W) ndarray of bool
            Cells that cannot be read without damage from any level.
        """
        height, width = (-(-side // cell_px) for side in self.frame.shape)
        seen = part or Window(0, 0, height, width)
        view = np.empty((*seen.shape, 3), np.uint8)
        unreadable = np.zeros(seen.shape, bool)

        def _look(window: Window) -> None:
            # A tile that is damaged on one level may well be whole on the next.
            for level in self._levels(cell_px, exact=False):
                view[window.within(seen).slices], bad = self._average(level, window, cell_px)
                if not bad:
                    return
            for spoilt in bad:
                unreadable[spoilt.within(seen).slices] = True

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_look, seen.cut(_PIECE_PX, _PIECE_PX)))
        # Whoever reads on wants other tiles.
        self.slide.forget()
        return_freed_memory()
        return view, unreadable

    def _levels(self, cell_px: int, exact: bool) -> list[int]:
        """List the levels finer than the target, the coarsest first; the last one is level 0."""
        factor = min(self.frame.scale) * cell_px * _SLACK
        fine = [
            number
            for number, level in enumerate(self.slide.levels[1:], start=1)
            if max(level.downsample) <= factor and (level.exact or not exact)
        ]
        return [*reversed(fine), 0]

    def _average(
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
        below = Window(
            rows.first, columns.first, rows.stop - rows.first, columns.stop - columns.first
        )
        pixels, bad = self.slide.read(level, below)
        spoilt = [_cells_above(part.within(below), rows, columns, window) for part in bad]
        return area_average(pixels, rows, columns), [part for part in spoilt if part]


def _cells_above(part: Window, rows: Taps, columns: Taps, window: Window) -> Window | None:
    """Return the cells of `window` in whose average a part of the source has a share."""
    spans = []
    for taps, start, stop in (
        (rows, part.row, part.row_stop),
        (columns, part.column, part.column_stop),
    ):
        inside = (taps.source >= start) & (taps.source < stop) & (taps.weight > 0)
        touched = np.flatnonzero(inside.any(axis=0))
        if len(touched) == 0:
            return None
        spans.append((int(touched[0]), int(touched[-1]) + 1))
    (top, low), (left, right) = spans
    return Window(window.row + top, window.column + left, low - top, right - left)

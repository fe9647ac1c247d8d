"""The levels of a slide that are to be believed: each is compared with the next finer one.

`nucwsi.slide.pyramid` decides; here the levels are read.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import product, zip_longest

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.io.slides.slide_reader import Level, SlideReader
from nucwsi.slide.pyramid import (
    is_evenly_reduced,
    padded_reductions,
    richest_places,
    shows_same,
)
from nucwsi.slide.resample import area_average, scale_taps

log = logging.getLogger(__name__)

#: A patch has at most this side in pixels of the coarser level, and about `_FINE_PX` in those of
#: the finer one.
_PATCH_PX, _LEAST_PATCH_PX, _FINE_PX = 48, 12, 1024

#: The places with most contrast are looked for on a level of at most so many pixels.
_MAP_PX = 4_000_000

#: Number of those places, and of rows and columns of places that are looked at in any case, with
#: and without such a level.
_RICHEST, _GRID, _FINE_GRID = 6, 3, 5

#: So many patches that agree are enough.
_ENOUGH = 8


def believed_levels(reader: SlideReader, name: str) -> list[tuple[int, Level]]:
    """Choose the levels that show what level 0 shows, where level 0 shows it.

    A level whose tiles at the edge were kept whole is rescaled. Levels that are left out are
    logged: the slide is the same without them, and slower to look over.

    Parameters
    ----------
    reader : SlideReader
        The open slide.
    name : str
        Path of the slide, quoted in the log.

    Returns
    -------
    list of (int, Level)
        Place of the level in the reader's list and its description, level 0 first.
    """
    levels = reader.levels
    believed = [(0, levels[0])]
    places = _places(reader)
    for number, level in enumerate(levels[1:], start=1):
        described = _explained(reader, believed[-1], (number, level), places)
        if described is not None:
            believed.append((number, described))
            continue
        log.warning(
            "%s: level %d of %d x %d px is left out: it is no smaller copy of level 0"
            " (%d x %d px); without it the slide takes longer to read",
            name,
            number,
            *level.shape,
            *levels[0].shape,
        )
    return believed


def _explained(
    reader: SlideReader,
    finer: tuple[int, Level],
    coarser: tuple[int, Level],
    places: list[tuple[float, float]],
) -> Level | None:
    """Return the description of a level under which it continues the pyramid; None if none does."""
    number, level = coarser
    full = reader.levels[0].shape
    even = is_evenly_reduced(level.shape, full) and min(level.downsample) > 1
    # Blank levels contradict nothing.
    if even and _same(reader, finer, coarser, places) is not False:
        return level
    for factor in padded_reductions(level.shape, full, level.tile_shape):
        if factor <= max(finer[1].downsample):
            continue
        inside = (-(-full[0] // factor), -(-full[1] // factor))
        described = replace(level, shape=inside, downsample=(float(factor), float(factor)))
        if _same(reader, finer, (number, described), places):
            return described
    return None


def _same(
    reader: SlideReader,
    finer: tuple[int, Level],
    coarser: tuple[int, Level],
    places: list[tuple[float, float]],
) -> bool | None:
    """Compare two levels at some places; None if nothing can be told there.

    What level 0 has no data for says nothing about a coarser level, which may have it.
    """
    shape, down = coarser[1].shape, coarser[1].downsample
    ratio = (down[0] / finer[1].downsample[0], down[1] / finer[1].downsample[1])
    side = min(_PATCH_PX, max(_LEAST_PATCH_PX, int(_FINE_PX / max(ratio))), *shape)
    if side < _LEAST_PATCH_PX:
        return None
    fine: list[NDArray[np.uint8]] = []
    coarse: list[NDArray[np.uint8]] = []
    for place in places:
        top, left = (
            min(max(0, round(share * length) - side // 2), length - side)
            for share, length in zip(place, shape, strict=True)
        )
        rows = scale_taps(top, top + side, ratio[0], 0.0)
        columns = scale_taps(left, left + side, ratio[1], 0.0)
        below = Window(
            rows.first, columns.first, rows.stop - rows.first, columns.stop - columns.first
        )
        if finer[0] == 0 and _touches(below, reader.missing):
            continue
        pixels, unread = reader.read(coarser[0], Window(top, left, side, side))
        source, bad = reader.read(finer[0], below)
        if unread or bad:
            continue
        fine.append(area_average(source, rows, columns))
        coarse.append(pixels)
        if len(fine) == _ENOUGH and shows_same(fine, coarse):
            break
    return shows_same(fine, coarse)


def _touches(window: Window, holes: NDArray[np.int64]) -> bool:
    """Return whether a window lies on one of N holes (row, column, height, width)."""
    row, column, height, width = holes.T
    return bool(
        np.any(
            (row < window.row_stop)
            & (row + height > window.row)
            & (column < window.column_stop)
            & (column + width > window.column)
        )
    )


def _places(reader: SlideReader) -> list[tuple[float, float]]:
    """Choose the places to compare, as shares of height and width, the most telling ones first."""
    small = [
        number
        for number, level in enumerate(reader.levels)
        if level.shape[0] * level.shape[1] <= _MAP_PX and min(level.shape) >= _LEAST_PATCH_PX
    ]
    side = _GRID if small else _FINE_GRID
    middles = [(number + 0.5) / side for number in range(side)]
    grid = list(product(middles, middles))
    if len(reader.levels) == 1 or not small:
        return grid
    # The finest of the small ones: it shows places that are rich on all levels.
    view, _ = reader.read(small[0], Window(0, 0, *reader.levels[small[0]].shape))
    side = max(8, max(view.shape) // 32)
    rich = richest_places(view, side, _RICHEST)
    # By turns: the outlines of two pictures may be alike.
    return [place for pair in zip_longest(rich, grid) for place in pair if place is not None]

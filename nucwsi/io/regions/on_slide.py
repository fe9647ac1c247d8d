"""The user's regions of one slide: read, and refused if they are those of another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nucwsi.composition.regions import Region, shares_outside
from nucwsi.errors import RegionError
from nucwsi.grid import Frame
from nucwsi.io.regions.files import origin_doubt, read_region_files

#: Share of a region's area outside of the slide from which on a user is warned: an outline drawn
#: along the edge of a slide reaches a little beyond it.
_MAX_OUTSIDE = 0.05

#: Number of regions that are warned of one by one.
_LISTED = 10


def regions_of_slide(files: Sequence[Path], frame: Frame, needed: bool = True) -> list[Region]:
    """Read the user's regions of a slide.

    Parameters
    ----------
    files : sequence of pathlib.Path
        As of `read_region_files`.
    frame : Frame
        How the canvas lies on the slide.
    needed : bool
        Whether each file must hold a region.

    Returns
    -------
    list of Region
        In the order of the files; those of a class that begins with ``Ignore`` are among them.

    Raises
    ------
    RegionError
        If a file cannot be read, or a region lies outside the slide.
    """
    user = read_region_files(files, frame.origin_px, needed)
    for region, share in zip(user, shares_outside(user, slide_bounds(frame)), strict=True):
        if share >= 1:
            raise RegionError(
                f"{', '.join(map(str, files))}: {region.name} ({region.id}) lies outside the slide,"
                f" which has {slide_size(frame)}; take this slide's file, in level-0 pixels"
            )
    return user


def region_doubts(user: list[Region], files: Sequence[Path], frame: Frame) -> list[str]:
    """Say what is doubtful about the user's regions.

    Parameters
    ----------
    user : list of Region
        Of `regions_of_slide`.
    files : sequence of pathlib.Path
        Where they come from.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    list of str
        One line for each doubt.
    """
    shares = shares_outside(user, slide_bounds(frame))
    doubtful = np.flatnonzero(shares > _MAX_OUTSIDE).tolist()
    lines = [
        f"{user[index].name} ({user[index].id}): {100 * shares[index]:.0f} % of its area lies"
        f" outside the slide, which has {slide_size(frame)}, and area_mm2 includes that part; check"
        " that the file is of this slide, in level-0 pixels"
        for index in doubtful[:_LISTED]
    ]
    if len(doubtful) > _LISTED:
        lines.append(f"{len(doubtful) - _LISTED} more regions lie partly outside the slide")
    doubt = origin_doubt(files, frame.origin_px)
    return lines if doubt is None else [*lines, doubt]


def slide_bounds(frame: Frame) -> tuple[float, float, float, float]:
    """Return what the canvas covers.

    Parameters
    ----------
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    (float, float, float, float)
        xmin, ymin, xmax, ymax in level-0 pixels.
    """
    corners = frame.to_level0(np.array([(0, 0), frame.shape], np.float64))
    (ymin, xmin), (ymax, xmax) = corners.tolist()
    return xmin, ymin, xmax, ymax


def slide_size(frame: Frame) -> str:
    """Return width and height of what the canvas covers, for messages.

    Parameters
    ----------
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    str
        In level-0 pixels.
    """
    xmin, ymin, xmax, ymax = slide_bounds(frame)
    return f"{xmax - xmin:.0f} x {ymax - ymin:.0f} px"

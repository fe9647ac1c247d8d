"""Outlines of instances along their pixel edges, all of a window at once.

Geometry is in x, y (column, row), as in every geometry library.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.instances import first_pixels

Geometries = NDArray[np.object_]


def _boundary(
    flat: NDArray[np.int32], inside: NDArray[np.int64], steps: tuple[int, int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """List the pixel sides where a label ends: the pixel, and the side's direction of travel."""
    pixels, directions = [], []
    for direction in range(4):
        # Walking clockwise, what lies outside is to the left: the direction before this one.
        beyond = inside + steps[direction - 1]
        found = inside[flat[beyond] != flat[inside]]
        pixels.append(found)
        directions.append(np.full(len(found), direction, np.int8))
    return np.concatenate(pixels), np.concatenate(directions)


def _successors(
    flat: NDArray[np.int32],
    pixel: NDArray[np.int64],
    direction: NDArray[np.int8],
    steps: tuple[int, int, int, int],
) -> NDArray[np.int32]:
    """Give for each side the index of the one that follows it around the same instance."""
    index = np.zeros((4, len(flat)), np.int32)
    index[direction, pixel] = np.arange(len(pixel), dtype=np.int32)
    step = np.array(steps)
    label = flat[pixel]
    ahead = pixel + step[direction]
    open_ahead = flat[ahead] != label
    corner = ahead + step[direction - 1]
    turn_left = ~open_ahead & (flat[corner] == label)
    next_pixel = np.where(open_ahead, pixel, np.where(turn_left, corner, ahead))
    turn = open_ahead.astype(np.int8) - turn_left.astype(np.int8)
    return index[(direction + turn) % 4, next_pixel]


def _places(following: NDArray[np.int32], start: NDArray[np.int32]) -> NDArray[np.int32]:
    """Count the steps from each side to its ring's start; -1 on rings without a start (holes)."""
    jump = following.copy()
    jump[start] = start
    distance = np.ones(len(jump), np.int32)
    distance[start] = 0
    is_start = np.zeros(len(jump), bool)
    is_start[start] = True
    arrived = -1
    # Pointer doubling: after k rounds everything within 2**k steps of a start has arrived.
    while (now := int(np.count_nonzero(is_start[jump]))) > arrived:
        arrived = now
        distance += distance[jump]
        jump = jump[jump]
    return np.where(is_start[jump], distance, -1)


class Outlines(NamedTuple):
    """Outer outlines of N instances.

    Attributes
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Along pixel edges, in window pixels, valid, with corners only.
    perimeter_px : (N,) ndarray of float64
        Length through the midpoints of the pixel edges, times pi (1 + sqrt 2) / 8 (Kulpa,
        Computer Graphics and Image Processing 6, 1977): right on average over all directions,
        5 % off at most, where the staircase of pixel edges is up to 41 % too long.
    """

    polygons: Geometries
    perimeter_px: NDArray[np.float64]


def trace(labels: NDArray[np.int32], count: int) -> Outlines:
    """Trace the outer outline of every instance along its pixel edges.

    Holes are filled. A pixel (r, c) covers [c, c + 1] x [r, r + 1] in x and y.

    Parameters
    ----------
    labels : (H, W) ndarray of int32
        0 is background; each label from 1 to `count` is one 4-connected set of pixels.
    count : int

    Returns
    -------
    Outlines
    """
    if count == 0:
        return Outlines(np.empty(0, object), np.empty(0))
    padded = np.pad(labels, 1)
    width = padded.shape[1]
    flat = padded.ravel()
    steps = (1, width, -1, -width)
    pixel, direction = _boundary(flat, np.flatnonzero(flat > 0), steps)
    following = _successors(flat, pixel, direction, steps)
    # The upper side of the first pixel lies on the outer ring, never on a hole's.
    upper = np.flatnonzero(direction == 0).astype(np.int32)
    start = upper[np.searchsorted(pixel[upper], first_pixels(padded, count))]
    distance = _places(following, start)

    kept = np.flatnonzero(distance >= 0)
    owner = flat[pixel[kept]] - 1
    length = np.bincount(owner, minlength=count)
    offset = np.cumsum(length) - length
    position = offset[owner] + (length[owner] - distance[kept]) % length[owner]
    ordered = np.empty(len(kept), np.int64)
    ordered[position] = kept
    previous = np.arange(len(ordered)) - 1
    previous[offset] = offset + length - 1
    turning = direction[ordered] != direction[ordered[previous]]
    corners = ordered[turning]
    row, column = np.divmod(pixel[corners], width)
    heading = direction[corners]
    x = column - 1 + ((heading == 1) | (heading == 2))
    y = row - 1 + ((heading == 2) | (heading == 3))
    whose = flat[pixel[corners]] - 1
    rings = shapely.linearrings(np.column_stack([x, y]).astype(np.float64), indices=whose)
    turns = np.bincount(whose, minlength=count)
    perimeter_px = (length - turns * (1 - np.sqrt(0.5))) * (np.pi * (1 + np.sqrt(2)) / 8)
    return Outlines(repaired(shapely.polygons(rings)), perimeter_px)


def repaired(polygons: Geometries) -> Geometries:
    """Make valid what is not, filling holes and keeping the largest part.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        The same objects where they were valid. A shape without area becomes an empty polygon.
    """
    broken = np.flatnonzero(~shapely.is_valid(polygons))
    if len(broken) == 0:
        return polygons
    polygons = polygons.copy()
    mended = shapely.make_valid(polygons[broken], method="structure", keep_collapsed=False)
    for place, geometry in zip(broken, mended, strict=True):
        parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
        largest = max(parts, key=lambda part: part.area, default=shapely.Polygon())
        polygons[place] = shapely.Polygon(largest.exterior)
    return polygons


def simplified(polygons: Geometries, tolerance_px: float) -> Geometries:
    """Straighten outlines, never by more than a tolerance.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
    tolerance_px : float
        In the unit of the coordinates; 0 changes nothing.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        Valid.
    """
    if tolerance_px == 0 or len(polygons) == 0:
        return polygons
    return repaired(shapely.simplify(polygons, tolerance_px, preserve_topology=True))


def moved(
    polygons: Geometries,
    offset: tuple[float, float],
    scale: tuple[float, float],
    origin: tuple[float, float],
) -> Geometries:
    """Move outlines from a window to level 0 and round them to 0.01 pixel.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        In window pixels.
    offset : (float, float)
        Row and column of the window on the canvas.
    scale : (float, float)
        Level-0 pixels per canvas pixel, along rows and along columns.
    origin : (float, float)
        Row and column of the canvas on level 0.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        Valid, in level-0 pixels.
    """
    if len(polygons) == 0:
        return polygons
    points = shapely.get_coordinates(polygons)
    shift = np.array(offset[::-1])
    points = (points + shift) * np.array(scale[::-1]) + np.array(origin[::-1])
    return repaired(shapely.set_coordinates(polygons.copy(), np.round(points, 2)))

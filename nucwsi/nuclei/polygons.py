"""Outlines of instances, all of a window at once.

Geometry is in x, y (column, row), as in every geometry library.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.nuclei.pixels import first_places
from nucwsi.nuclei.validity import Geometries, repaired


def _boundary(flat: NDArray[np.int32], width: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """List the pixel sides where a label ends: the pixel, and the side's direction of travel."""
    left = np.flatnonzero(flat[1:] != flat[:-1])
    upper = np.flatnonzero(flat[width:] != flat[:-width])
    # Walking clockwise, what lies outside is to the left.
    pixels = [found[flat[found] > 0] for found in (upper + width, left, upper, left + 1)]
    return np.concatenate(pixels), np.repeat(np.arange(4, dtype=np.int8), [len(p) for p in pixels])


def _successors(
    flat: NDArray[np.int32], pixel: NDArray[np.int64], direction: NDArray[np.int8], width: int
) -> NDArray[np.int64]:
    """Give for each side the index of the one that follows it around the same instance."""
    sides = np.arange(len(pixel))
    # Any number of its own for each pixel; of a whole window only these pages are ever touched.
    number = np.empty(len(flat), np.int64)
    number[pixel] = sides
    index = np.empty((4, len(pixel)), np.int64)
    index[direction, number[pixel]] = sides
    step = np.array([1, width, -1, -width])
    label = flat[pixel]
    ahead = pixel + step[direction]
    open_ahead = flat[ahead] != label
    corner = ahead + step[direction - 1]
    turn_left = ~open_ahead & (flat[corner] == label)
    next_pixel = np.where(open_ahead, pixel, np.where(turn_left, corner, ahead))
    turn = open_ahead.astype(np.int8) - turn_left.astype(np.int8)
    return index[(direction + turn) % 4, number[next_pixel]]


def _places(following: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the steps from each side to its ring's start; -1 on rings without a start (holes)."""
    jump = following.copy()
    jump[start] = start
    distance = np.ones(len(jump), np.int64)
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
        In window pixels, valid.
    perimeter_px : (N,) ndarray of float64
        Their true length, not that of a staircase.
    """

    polygons: Geometries
    perimeter_px: NDArray[np.float64]


class _Sides(NamedTuple):
    """The pixel sides along the outer outlines of N instances, in order of travel, clockwise.

    Attributes
    ----------
    owner : (K,) ndarray of int64
        Instance of each side, from 0, ascending.
    row, column : (K,) ndarray of int64
        The pixel inside.
    direction : (K,) ndarray of int8
        0 its upper side, 1 right, 2 lower, 3 left.
    length : (N,) ndarray of int64
        Sides of each instance.
    """

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    direction: NDArray[np.int8]
    length: NDArray[np.int64]


def _sides(labels: NDArray[np.int32], count: int) -> _Sides:
    padded = np.pad(labels, 1)
    width = padded.shape[1]
    flat = padded.ravel()
    pixel, direction = _boundary(flat, width)
    following = _successors(flat, pixel, direction, width)
    # The upper side of the first pixel lies on the outer ring, never on a hole's.
    upper = pixel[: np.count_nonzero(direction == 0)]
    start = first_places(flat[upper], count)[1:]
    distance = _places(following, start)

    kept = np.flatnonzero(distance >= 0)
    owner = flat[pixel[kept]] - 1
    length = np.bincount(owner, minlength=count)
    offset = np.cumsum(length) - length
    position = offset[owner] + (length[owner] - distance[kept]) % length[owner]
    ordered = np.empty(len(kept), np.int64)
    ordered[position] = kept
    row, column = np.divmod(pixel[ordered], width)
    return _Sides(
        np.repeat(np.arange(count), length), row - 1, column - 1, direction[ordered], length
    )


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
        With corners only. The length is that through the midpoints of the pixel edges, times
        pi (1 + sqrt 2) / 8 (Kulpa, Computer Graphics and Image Processing 6, 1977): right on
        average over all directions, 5 % off at most, where the staircase is up to 41 % too long.
    """
    if count == 0:
        return Outlines(np.empty(0, object), np.empty(0))
    sides = _sides(labels, count)
    first = np.cumsum(sides.length) - sides.length
    previous = np.arange(len(sides.owner)) - 1
    previous[first] = first + sides.length - 1
    turning = sides.direction != sides.direction[previous]
    heading = sides.direction[turning]
    x = sides.column[turning] + ((heading == 1) | (heading == 2))
    y = sides.row[turning] + ((heading == 2) | (heading == 3))
    whose = sides.owner[turning]
    rings = shapely.linearrings(np.column_stack([x, y]).astype(np.float64), indices=whose)
    turns = np.bincount(whose, minlength=count)
    perimeter_px = (sides.length - turns * (1 - np.sqrt(0.5))) * (np.pi * (1 + np.sqrt(2)) / 8)
    return Outlines(repaired(shapely.polygons(rings)), perimeter_px)


def trace_smooth(
    labels: NDArray[np.int32], count: int, np_map: NDArray[np.uint8], np_level: int
) -> Outlines:
    """Trace the outer outline of every instance where the map passes the threshold.

    Between the middle of a pixel inside and that of its neighbour outside the map is taken as
    linear, as in marching squares (Lorensen and Cline, SIGGRAPH 1987, in two dimensions), so the
    outline is finer than the pixels. Where two nuclei touch it is the edge between their pixels.

    Parameters
    ----------
    labels : (H, W) ndarray of int32
        As in `trace`; 0 or another label wherever `np_map` is below `np_level`.
    count : int
    np_map : (H, W) ndarray of uint8
    np_level : int
        Nucleus where `np_map` is at least this.

    Returns
    -------
    Outlines
        One corner for each pixel side, at multiples of 1/64 pixel.
    """
    if count == 0:
        return Outlines(np.empty(0, object), np.empty(0))
    sides = _sides(labels, count)
    down = np.array([-1, 0, 1, 0])[sides.direction]
    right = np.array([0, 1, 0, -1])[sides.direction]
    # Beyond the window nothing is known: its border repeats, and the outline ends at the border.
    seen = np.pad(np_map, 1, mode="edge")
    inside = seen[sides.row + 1, sides.column + 1].astype(np.float64)
    outside = seen[sides.row + 1 + down, sides.column + 1 + right]
    level = np_level - 0.5
    reach = np.full(len(inside), 0.5)
    np.divide(inside - level, inside - outside, out=reach, where=outside < level)
    # Binary fractions stay exact wherever the window lies. No outline shrinks to nothing, and none
    # arrives at the middle of a pixel outside, where it could meet itself: all are valid.
    reach = np.round(reach * 64).clip(4, 63) / 64
    x = sides.column + 0.5 + right * reach
    y = sides.row + 0.5 + down * reach
    polygons = shapely.polygons(shapely.linearrings(np.column_stack([x, y]), indices=sides.owner))
    return Outlines(polygons, np.asarray(shapely.length(polygons), np.float64))


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
    rings = shapely.get_exterior_ring(polygons)
    rings = shapely.simplify(rings, tolerance_px, preserve_topology=False)
    whole = np.flatnonzero(shapely.get_num_coordinates(rings) > 3)
    simple = np.full(len(polygons), shapely.Polygon())
    simple[whole] = shapely.polygons(rings[whole])
    # Looking out for crossings takes ten times as long, and few outlines need it.
    spoilt = np.flatnonzero(shapely.is_empty(simple) | ~shapely.is_valid(simple))
    simple[spoilt] = shapely.simplify(polygons[spoilt], tolerance_px, preserve_topology=True)
    return simple


def window_to_level0(
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

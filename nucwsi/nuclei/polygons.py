"""Outlines as polygons: simplified, and moved between the frames of a slide.

Geometry is shapely's, hence x, y: column, row.
"""

from __future__ import annotations

import numpy as np
import shapely

from nucwsi.grid import Frame
from nucwsi.nuclei.validity import Geometries, repaired


def simplified(polygons: Geometries, tolerance_px: float) -> Geometries:
    """Straighten outlines: leave out vertices, as long as the outline moves by at most a tolerance.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Valid, without holes, in any frame.
    tolerance_px : float
        Largest distance from the original outline, in pixels of that frame; 0 changes nothing.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        Valid, one for one, in the same frame.

    References
    ----------
    Douglas and Peucker, Cartographica 10 (1973).

    Examples
    --------
    >>> step = shapely.Polygon([(0, 0), (9, 0), (9, 9), (5, 9), (5, 8.8), (0, 8.8)])
    >>> [straight] = simplified(np.array([step]), 0.25)
    >>> shapely.get_num_coordinates([step, straight])
    array([7, 5], dtype=int32)
    """
    if tolerance_px == 0 or len(polygons) == 0:
        return polygons
    rings = shapely.get_exterior_ring(polygons)
    rings = shapely.simplify(rings, tolerance_px, preserve_topology=False)
    whole = np.flatnonzero(shapely.get_num_coordinates(rings) > 3)
    simple = np.full(len(polygons), shapely.Polygon())
    simple[whole] = shapely.polygons(rings[whole])
    # GEOS can avoid crossings, but takes ten times as long, and few outlines need it.
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
        x and y in pixels of the window.
    offset : (float, float)
        Row and column of the window's upper left corner, in canvas pixels.
    scale : (float, float)
        Level-0 pixels per canvas pixel, along rows and along columns.
    origin : (float, float)
        Row and column of the canvas' upper left corner, in level-0 pixels.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        x and y in level-0 pixels from the file's upper left corner; valid.
    """
    if len(polygons) == 0:
        return polygons
    points = shapely.get_coordinates(polygons)
    shift = np.array(offset[::-1])
    points = (points + shift) * np.array(scale[::-1]) + np.array(origin[::-1])
    return repaired(shapely.set_coordinates(polygons.copy(), np.round(points, 2)))


def level0_to_canvas(shapes: Geometries, frame: Frame) -> Geometries:
    """Move shapes from level 0 to the canvas.

    Parameters
    ----------
    shapes : (N,) ndarray of shapely.Geometry
        x and y in level-0 pixels from the file's upper left corner.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    (N,) ndarray of shapely.Geometry
        x and y in canvas pixels, neither rounded nor repaired.
    """
    # `Frame` counts rows first, shapely x first.
    return shapely.transform(shapes, lambda xy: frame.from_level0(xy[:, ::-1])[:, ::-1])

"""Polygons that can be relied on: rings that do not cross, vertices on the 0.01 px grid.

Every outline that is made, read or written passes through here. Geometry is shapely's, hence x, y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

Geometries = NDArray[np.object_]

#: Side of the grid that vertices are rounded to, in px of the coordinates' frame: QuPath keeps two
#: decimals.
GRID_PX = 0.01


def make_valid(shapes: Any) -> Any:
    """Rebuild shapes from their rings such that no ring crosses itself or another.

    A part of a shape that its rings surround is inside, whichever way a ring runs around it.

    Parameters
    ----------
    shapes : shapely.Geometry or ndarray of shapely.Geometry
        Any number of polygons or multipolygons, in any frame.

    Returns
    -------
    shapely.Geometry or ndarray of shapely.Geometry
        Valid, one for one. Where a shape falls apart, a multipolygon; what has no area is dropped.

    Examples
    --------
    >>> bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    >>> make_valid(bow).geom_type, make_valid(bow).area
    ('MultiPolygon', 2.0)
    """
    return shapely.make_valid(shapes, method="structure", keep_collapsed=False)


def polygon_parts(shape: Any) -> list[Polygon]:
    """Return the polygons that a shape consists of, without its lines and points.

    Parameters
    ----------
    shape : shapely.Geometry
        E.g. what `make_valid` returns for one polygon.

    Returns
    -------
    list of shapely.Polygon
        In the order of the shape; none if it has no area.
    """
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]


def largest_polygon(shape: Any) -> Polygon:
    """Return the largest polygon of a shape.

    Parameters
    ----------
    shape : shapely.Geometry
        E.g. what `make_valid` returns for one polygon.

    Returns
    -------
    shapely.Polygon
        The first of equals; an empty polygon if the shape has no area.
    """
    return max(polygon_parts(shape), key=lambda part: part.area, default=Polygon())


def repaired(polygons: Geometries) -> Geometries:
    """Return valid outlines of nuclei: where one crosses itself, its largest part without holes.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        In any frame.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        The same objects where they are valid. A shape without area becomes an empty polygon.
    """
    broken = np.flatnonzero(~shapely.is_valid(polygons))
    if len(broken) == 0:
        return polygons
    polygons = polygons.copy()
    for place, shape in zip(broken, make_valid(polygons[broken]), strict=True):
        polygons[place] = Polygon(largest_polygon(shape).exterior)
    return polygons


def on_grid(shapes: Geometries) -> Geometries:
    """Round vertices to 0.01 px, and repair the shapes that rounding breaks.

    Parameters
    ----------
    shapes : (N,) ndarray of shapely.Polygon or shapely.MultiPolygon
        In any frame.

    Returns
    -------
    (N,) ndarray of shapely.Geometry
        Valid, vertices on the grid, holes kept. A repaired shape may be of several parts; one that
        collapses is empty.

    Examples
    --------
    >>> [shape] = on_grid(np.array([shapely.box(0.004, 0, 1.006, 2)]))
    >>> shape.bounds
    (0.0, 0.0, 1.01, 2.0)
    """
    points = np.round(shapely.get_coordinates(shapes), 2)
    shapes = shapely.set_coordinates(shapes.copy(), points)
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    if len(broken):
        # Repair adds vertices where rings cross, and these need not lie on the grid.
        shapes[broken] = shapely.set_precision(make_valid(shapes[broken]), GRID_PX)
    return shapes

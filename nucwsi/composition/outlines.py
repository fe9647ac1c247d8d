"""Outlines that people draw by hand, made into valid areas.

Geometry is shapely's, hence x, y, in any frame.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from nucwsi.nuclei.validity import Geometries, make_valid

#: An outline that crosses itself is repaired if at most this share of its area is in doubt.
_DOUBT = 1e-3

#: Segments of a quarter of an ellipse: its area is right to 0.01 %.
_QUARTER = 64


def ellipse(corners: NDArray[np.float64]) -> Polygon:
    """Return the ellipse that touches the sides of a box.

    Parameters
    ----------
    corners : (V, 2) ndarray of float64
        x and y of points of the box, in any frame; among them one on each side.

    Returns
    -------
    shapely.Polygon
        Of 256 vertices, in the same frame.

    Examples
    --------
    >>> ellipse(np.array([[0.0, 0.0], [4.0, 2.0]])).bounds
    (0.0, 0.0, 4.0, 2.0)
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    disc = shapely.Point(0, 0).buffer(1, quad_segs=_QUARTER)
    return shapely.transform(disc, lambda xy: (low + high) / 2 + xy * (high - low) / 2)


def repaired_area(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Repair an area whose outline crosses itself slightly.

    A hand that closes an outline often crosses it slightly, and that is repaired. Where a crossing
    leaves it open which side is inside, nothing is guessed.

    Parameters
    ----------
    shape : shapely.Polygon or shapely.MultiPolygon
        As it was drawn, in any frame.

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        Valid; the same object if it already was.

    Raises
    ------
    ValueError
        If more than 0.1 % of its area is in doubt; the message says how and where it is invalid.
    """
    if shape.is_valid:
        return shape
    whole = make_valid(shape)
    # A loop that runs the other way counts as negative in the area of the drawn ring.
    if whole.is_empty or abs(whole.area - shape.area) > _DOUBT * whole.area:
        raise ValueError(shapely.is_valid_reason(shape))
    return whole


def with_holes(areas: Geometries, holes: Geometries) -> Geometries:
    """Cut holes out of the areas that they were drawn in.

    Parameters
    ----------
    areas : (A,) ndarray of shapely.Polygon or shapely.MultiPolygon
        Valid, x and y in any frame.
    holes : (H,) ndarray of shapely.Polygon or shapely.MultiPolygon
        Valid, in the same frame. Each is cut out of the smallest area that covers it, so that an
        island within a hole stays; if none covers it, out of all areas that it crosses.

    Returns
    -------
    (A,) ndarray of shapely.Polygon or shapely.MultiPolygon
        In the same order; some may be empty.
    """
    size = shapely.area(areas)
    cut = areas.copy()
    for hole in holes:
        around = np.flatnonzero(shapely.covers(areas, hole))
        if len(around):
            chosen = around[[size[around].argmin()]]
        else:
            chosen = shapely.intersects(areas, hole) & ~shapely.covered_by(areas, hole)
        cut[chosen] = shapely.difference(cut[chosen], hole)
    return cut

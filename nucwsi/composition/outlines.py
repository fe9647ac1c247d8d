"""What people draw by hand, made into sound areas.

Geometry is shapely's, hence x, y.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from nucwsi.nuclei.validity import Geometries, make_valid

#: An outline that crosses itself is mended if no more than this share of its area is in doubt.
_DOUBT = 1e-3

#: Segments of a quarter of an ellipse: its area is right to 0.01 %.
_QUARTER = 64


def ellipse(corners: NDArray[np.float64]) -> Polygon:
    """Return the ellipse that touches the sides of a box.

    Parameters
    ----------
    corners : (V, 2) ndarray of float64
        x and y of any points that reach from end to end of the box.

    Returns
    -------
    shapely.Polygon
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    disc = shapely.Point(0, 0).buffer(1, quad_segs=_QUARTER)
    return shapely.transform(disc, lambda xy: (low + high) / 2 + xy * (high - low) / 2)


def mended(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Return a shape whose outline does not cross itself.

    A hand that closes an outline often crosses it by a hair. That is mended; where it matters
    which side is in, nothing is guessed.

    Parameters
    ----------
    shape : shapely.Polygon or shapely.MultiPolygon

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        The same object if it is valid.

    Raises
    ------
    ValueError
        Where and how it crosses itself, if more than 0.1 % of its area are in doubt.
    """
    if shape.is_valid:
        return shape
    whole = make_valid(shape)
    # Parts that are walked around the other way count as negative in the area of the drawn ring.
    if whole.is_empty or abs(whole.area - shape.area) > _DOUBT * whole.area:
        raise ValueError(shapely.is_valid_reason(shape))
    return whole


def with_holes(areas: Geometries, holes: Geometries) -> Geometries:
    """Cut holes out of the areas that they were drawn in.

    Parameters
    ----------
    areas : (A,) ndarray of shapely.Polygon or shapely.MultiPolygon
    holes : (H,) ndarray of shapely.Polygon or shapely.MultiPolygon
        Each belongs to the smallest area that covers it, so that an island within a hole stays;
        where none does, to all areas that it crosses.

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

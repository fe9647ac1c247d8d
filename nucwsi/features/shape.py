"""Size and form of an outline."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

NAMES = (
    *("area_um2", "perimeter_um", "major_axis_um", "minor_axis_um"),
    *("eccentricity", "circularity", "solidity", "radius_variation"),
)


def shape_features(outlines_um: NDArray[np.object_]) -> NDArray[np.float32]:
    """Measure outlines.

    Parameters
    ----------
    outlines_um : (N,) ndarray of shapely.Geometry
        x and y in µm, of an area above 0. Holes, and all parts but the largest, are not seen.

    Returns
    -------
    (N, F) ndarray of float32
        `NAMES`: area in µm², perimeter and axes of the ellipse of the same second moments in µm;
        eccentricity of that ellipse; 4 pi area / perimeter², at most 1; area over that of the
        convex hull, at most 1; standard deviation of the distance between the centroid and the
        outline over its mean, weighed by length.
    """
    rings = shapely.get_exterior_ring(_largest_parts(outlines_um))
    polygons = shapely.polygons(rings)
    area, perimeter = shapely.area(polygons), shapely.length(polygons)
    hull = shapely.area(shapely.convex_hull(polygons))
    major, minor, variation = _moments(rings, area)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            area,
            perimeter,
            major,
            minor,
            np.sqrt(np.maximum(0, 1 - (minor / major) ** 2)),
            np.minimum(4 * np.pi * area / perimeter**2, 1),
            area / hull,
            variation,
        ]
    return np.nan_to_num(np.column_stack(columns), nan=0, posinf=0).astype(np.float32)


def _largest_parts(outlines: NDArray[np.object_]) -> NDArray[np.object_]:
    parts, owner = shapely.get_parts(outlines, return_index=True)
    order = np.lexsort((-shapely.area(parts), owner))
    first = np.searchsorted(owner[order], np.arange(len(outlines)))
    return parts[order][first]


def _moments(
    rings: NDArray[np.object_], area: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return major and minor axis, and variation of the radius, (N,) each, of closed rings."""
    count = len(rings)
    xy, owner = shapely.get_coordinates(rings, return_index=True)
    centre = shapely.get_coordinates(shapely.centroid(shapely.polygons(rings)))
    # Around the centroid, or the digits that matter would be lost in those of the place.
    xy = xy - centre[owner]
    edge = np.flatnonzero(owner[:-1] == owner[1:])
    owner = owner[edge]
    (x0, y0), (x1, y1) = xy[edge].T, xy[edge + 1].T
    cross = x0 * y1 - x1 * y0

    def integral(values: NDArray[np.float64], divisor: float) -> NDArray[np.float64]:
        return np.bincount(owner, cross * values, count) / divisor

    # Green's theorem; the sign is that of the ring's direction.
    sign = np.sign(np.bincount(owner, cross, count))
    size = np.where(area > 0, area, 1) * np.where(sign == 0, 1, sign)
    xx = integral(x0 * x0 + x0 * x1 + x1 * x1, 12) / size
    yy = integral(y0 * y0 + y0 * y1 + y1 * y1, 12) / size
    cross_moment = integral(x0 * y1 + 2 * (x0 * y0 + x1 * y1) + x1 * y0, 24) / size
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, cross_moment)
    length = np.hypot(x1 - x0, y1 - y0)
    radius = np.hypot((x0 + x1) / 2, (y0 + y1) / 2)
    total = np.maximum(np.bincount(owner, length, count), 1e-12)
    mean = np.bincount(owner, length * radius, count) / total
    square = np.bincount(owner, length * (radius - mean[owner]) ** 2, count) / total
    major, minor = 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))
    return major, minor, np.sqrt(square) / np.maximum(mean, 1e-12)

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

#: No slide has more pixels along one side: at 0.05 µm per pixel they would be half a metre.
MAX_PX = 10_000_000

#: An outline that crosses itself more often was not drawn by a slip of the hand, and to repair it
#: takes a time that grows with the number of crossings.
_MAX_CROSSINGS = 10_000

#: Pairs of edges whose bounding boxes overlap: with more of them, asking whether an outline is
#: valid takes longer than some seconds.
_MAX_PAIRS = 100_000_000

#: Number of edges of an outline from which the number of such pairs is estimated.
_SAMPLE = 128

#: With fewer edges there cannot be too many pairs.
_FEW_EDGES = 10_000


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


def check_points(points: NDArray[np.float64]) -> None:
    """Refuse points that cannot lie on a slide.

    Parameters
    ----------
    points : (V, 2) ndarray of float64
        x and y in level-0 pixels of a slide, from any corner of it.

    Raises
    ------
    ValueError
        If there are none, one is not finite, or one lies beyond `MAX_PX`; the message says which.
    """
    if points.size == 0:
        raise ValueError("it has no points")
    # A comparison with NaN is false.
    wrong = np.flatnonzero(~(np.abs(points) <= MAX_PX).all(axis=1))
    if len(wrong):
        x, y = points[wrong[0]]
        raise ValueError(
            f"point {wrong[0] + 1} at x {x:g}, y {y:g} lies on no slide, expected numbers up to"
            f" {MAX_PX:,} px"
        )


def repaired_area(shape: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Repair an area whose outline crosses itself slightly.

    A hand that closes an outline often crosses it slightly, and that is repaired. Where a crossing
    leaves it open which side is inside, nothing is guessed. An outline that would take long to
    check or to repair is refused instead.

    Parameters
    ----------
    shape : shapely.Polygon or shapely.MultiPolygon
        As it was drawn, in level-0 pixels of a slide, from any corner of it.

    Returns
    -------
    shapely.Polygon or shapely.MultiPolygon
        Valid; the same object if it already was.

    Raises
    ------
    ValueError
        If its points cannot lie on a slide, its edges are too entangled, or more than 0.1 % of its
        area is in doubt; the message says how and where it is invalid.
    """
    check_points(shapely.get_coordinates(shape))
    edges = _edges(shape)
    if _overlapping_pairs(edges) > _MAX_PAIRS:
        raise ValueError(f"its {len(edges):,} edges run too close beside each other to be checked")
    if shape.is_valid:
        return shape
    if _crosses_often(edges):
        raise ValueError(
            f"{shapely.is_valid_reason(shape)}, one of more than {_MAX_CROSSINGS:,} crossings"
        )
    whole = make_valid(shape)
    # A loop that runs the other way counts as negative in the area of the drawn ring.
    if whole.is_empty or abs(whole.area - shape.area) > _DOUBT * whole.area:
        raise ValueError(shapely.is_valid_reason(shape))
    return whole


def _edges(shape: Polygon | MultiPolygon) -> NDArray[np.float64]:
    """Return the ends (E, 2, 2) of all edges of a shape that have a length."""
    rings = shapely.get_rings(shapely.get_parts(shape))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.stack([points[:-1], points[1:]], axis=1)
    return edges[(ring[:-1] == ring[1:]) & (edges[:, 0] != edges[:, 1]).any(axis=1)]


def _overlapping_pairs(edges: NDArray[np.float64]) -> float:
    """Estimate how many pairs of edges (E, 2, 2) have bounding boxes that overlap."""
    n = len(edges)
    if n <= _FEW_EDGES:
        return 0.0
    xmin, ymin = np.minimum(edges[:, 0], edges[:, 1]).T.copy()
    xmax, ymax = np.maximum(edges[:, 0], edges[:, 1]).T.copy()
    found = 0
    # The seed is fixed, so that a file is always accepted or always refused.
    for edge in np.random.default_rng(0).choice(n, _SAMPLE, replace=False):
        across = (xmin <= xmax[edge]) & (xmax >= xmin[edge])
        found += int(np.count_nonzero(across & (ymin <= ymax[edge]) & (ymax >= ymin[edge])))
    # Each edge overlaps itself and its two neighbours.
    return (found / _SAMPLE - 3) * n / 2


def _crosses_often(edges: NDArray[np.float64]) -> bool:
    """Return whether edges (E, 2, 2) meet others than their neighbours too often.

    They are asked in a random order and in groups that double. So a group finds hardly more than
    all before it, and the time is bounded although the number of crossings is not.
    """
    lines = shapely.linestrings(edges)
    tree = shapely.STRtree(lines)
    lines = lines[np.random.default_rng(0).permutation(len(lines))]
    start, size, found = 0, 16, 0
    while start < len(lines):
        group = lines[start : start + size]
        # Each edge meets itself and its two neighbours; a crossing is found from both sides.
        found += tree.query(group, predicate="intersects").shape[1] - 3 * len(group)
        if found > 2 * _MAX_CROSSINGS:
            return True
        start, size = start + size, 2 * size
    return False


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
    tree = shapely.STRtree(areas)
    for hole in holes:
        near = np.sort(tree.query(hole, predicate="intersects"))
        around = near[shapely.covers(areas[near], hole)]
        if len(around):
            chosen = around[[size[around].argmin()]]
        else:
            chosen = near[~shapely.covered_by(areas[near], hole)]
        cut[chosen] = shapely.difference(cut[chosen], hole)
    return cut

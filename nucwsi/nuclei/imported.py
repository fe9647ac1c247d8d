"""Nuclei that another program has outlined, measured as those of the networks are."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Frame
from nucwsi.nuclei.morphometry import shapes
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.validity import Geometries


def second_moment_axes(
    polygons: Geometries,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the axes of the ellipses that have the same second moments as polygons.

    The integrals over the area are sums over the edges, by Green's theorem.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Of an area above 0, in a frame whose pixels are square; holes are taken as filled.

    Returns
    -------
    major, minor : (N,) ndarray of float64
        Length of each axis from end to end, in the unit of the coordinates.

    Examples
    --------
    >>> major, minor = second_moment_axes(np.array([shapely.Point(9, 9).buffer(2, 64)]))
    >>> np.round([major[0], minor[0]], 2).tolist()
    [4.0, 4.0]
    """
    count = len(polygons)
    # Around a point of its own each polygon keeps the digits that matter.
    centre = shapely.get_coordinates(shapely.centroid(polygons))
    points, whose = shapely.get_coordinates(shapely.get_exterior_ring(polygons), return_index=True)
    x, y = (points - centre[whose]).T
    same = whose[1:] == whose[:-1]
    x0, x1, y0, y1 = (side[same] for side in (x[:-1], x[1:], y[:-1], y[1:]))
    whose = whose[1:][same]
    cross = x0 * y1 - x1 * y0

    def _total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(whose, values, count).astype(np.float64)

    area = _total(cross) / 2
    xx = _total(cross * (x0 * x0 + x0 * x1 + x1 * x1)) / (12 * area)
    yy = _total(cross * (y0 * y0 + y0 * y1 + y1 * y1)) / (12 * area)
    xy = _total(cross * (2 * x0 * y0 + x0 * y1 + x1 * y0 + 2 * x1 * y1)) / (24 * area)
    middle, spread = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return 4 * np.sqrt(middle + spread), 4 * np.sqrt(np.maximum(middle - spread, 0))


def unique_ids(centroids: NDArray[np.float64], frame: Frame) -> NDArray[np.int64]:
    """Return numbers of nuclei that a second import gives them again.

    Parameters
    ----------
    centroids : (N, 2) ndarray of float64
        Row and column in level-0 pixels.
    frame : Frame
        The canvas.

    Returns
    -------
    (N,) ndarray of int64
        Flat index of the canvas pixel of each centroid. Of nuclei in one pixel the first has it,
        each other the next free one.
    """
    height, width = frame.shape
    pixels = np.floor(frame.from_level0(centroids)).astype(np.int64)
    row, column = pixels[:, 0].clip(0, height - 1), pixels[:, 1].clip(0, width - 1)
    ids = row * width + column
    order = np.argsort(ids, kind="stable")
    # Each number is at least one more than the one before.
    step = np.arange(len(ids))
    ids[order] = np.maximum.accumulate(ids[order] - step) + step
    return ids


def imported_table(
    polygons: Geometries,
    code: NDArray[np.integer],
    n_classes: int,
    certainty: NDArray[np.floating],
    frame: Frame,
) -> NucleusTable:
    """Measure outlines, and make a table of them.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Valid outlines of an area above 0; x and y in level-0 pixels.
    code : (N,) ndarray of int
        Class of each, from 0.
    n_classes : int
        Number of classes C.
    certainty : (N,) ndarray of float
        Probability that it is a nucleus, 0 to 1; 1 where the program does not say.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    NucleusTable
        One for one; the class of each is taken as certain.
    """
    um = np.array(frame.level0_mpp[::-1])
    in_um = shapely.transform(polygons, lambda xy: xy * um)
    perimeter = shapely.length(shapely.get_exterior_ring(in_um))
    measured = shapes(in_um, perimeter)
    major, minor = second_moment_axes(in_um)
    centroids = shapely.get_coordinates(shapely.centroid(polygons))[:, ::-1]
    bounds = shapely.bounds(polygons)
    height, width = frame.level0_shape
    at_edge = (bounds[:, :2] <= 0).any(axis=1) | (bounds[:, 2:] >= (width, height)).any(axis=1)
    count = len(polygons)
    return NucleusTable(
        id=unique_ids(centroids, frame),
        row=centroids[:, 0],
        column=centroids[:, 1],
        class_code=code.astype(np.uint8),
        class_probabilities=np.eye(n_classes, dtype=np.float32)[code],
        contrasts=np.empty((count, 0), np.float32),
        area_um2=measured.area.astype(np.float32),
        perimeter_um=perimeter.astype(np.float32),
        major_axis_um=major.astype(np.float32),
        minor_axis_um=minor.astype(np.float32),
        circularity=measured.circularity,
        solidity=measured.solidity,
        np_mean=certainty.astype(np.float32),
        at_edge=at_edge,
        escalated=np.zeros(count, bool),
        geometry=shapely.to_wkb(polygons),
        bounds=bounds,
    )

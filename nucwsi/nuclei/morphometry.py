"""What can be measured of each nucleus, all of a window at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.nuclei.pixels import Pixels


class PixelSums(NamedTuple):
    """Sums over the pixels of each nucleus.

    Attributes
    ----------
    area_px : (N,) ndarray of int64
    np_mean : (N,) ndarray of float32
        Mean probability of nucleus, in [0, 1].
    class_probabilities : (N, C) ndarray of float32
        Sums to one; each pixel's class probabilities count by its probability of nucleus.
    contrasts : (N, K) ndarray of float32
        Contrasts between answers, in shares of the nucleus.
    major_axis_px, minor_axis_px : (N,) ndarray of float32
        Axes of the ellipse with the same second moments.
    """

    area_px: NDArray[np.int64]
    np_mean: NDArray[np.float32]
    class_probabilities: NDArray[np.float32]
    contrasts: NDArray[np.float32]
    major_axis_px: NDArray[np.float32]
    minor_axis_px: NDArray[np.float32]


def _axes(
    index: NDArray[np.intp],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    area: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    count = len(area)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(index, values, count) / area

    # Centred first: the squares of far coordinates would swallow the digits that matter.
    dr = row - mean(row.astype(np.float64))[index]
    dc = column - mean(column.astype(np.float64))[index]
    # A pixel is a square, not a point: it adds 1/12 of its side squared.
    rr, cc, rc = mean(dr * dr) + 1 / 12, mean(dc * dc) + 1 / 12, mean(dr * dc)
    spread = np.sqrt(((rr - cc) / 2) ** 2 + rc**2)
    middle = (rr + cc) / 2
    major = 4 * np.sqrt(middle + spread)
    minor = 4 * np.sqrt(np.maximum(middle - spread, 0))
    return major.astype(np.float32), minor.astype(np.float32)


def pixel_sums(
    pixels: Pixels,
    count: int,
    np_map: NDArray[np.uint8],
    tp_map: NDArray[np.uint8],
    contrast_map: NDArray[np.int8],
) -> PixelSums:
    """Sum the maps over each nucleus.

    Parameters
    ----------
    pixels : Pixels
        Labels 1 to `count` all occur.
    count : int
    np_map : (H, W) ndarray of uint8
    tp_map : (C, H, W) ndarray of uint8
    contrast_map : (K, H, W) ndarray of int8

    Returns
    -------
    PixelSums
    """
    shape, where, label = pixels
    index = label - 1
    area = np.bincount(index, minlength=count)
    weight = np_map.ravel()[where].astype(np.float64)
    np_sum = np.bincount(index, weight, count)
    classes = np.column_stack(
        [np.bincount(index, weight * layer.ravel()[where], count) for layer in tp_map]
    ).astype(np.float64)  # whole numbers where there is no pixel
    total = classes.sum(axis=1, keepdims=True)
    shares = np.divide(classes, total, out=np.full_like(classes, 1 / len(tp_map)), where=total > 0)
    apart = np.empty((count, len(contrast_map)), np.float32)
    for number, layer in enumerate(contrast_map):
        found = np.bincount(index, layer.ravel()[where], count) / 127
        apart[:, number] = found / np.maximum(np_sum / 255, 1e-6)
    row, column = np.divmod(where, shape[1])
    major, minor = _axes(index, row, column, area)
    return PixelSums(
        area,
        (np_sum / (255 * area)).astype(np.float32),
        shares.astype(np.float32),
        apart,
        major,
        minor,
    )


class Shapes(NamedTuple):
    """Measures of outlines, in the unit of the outlines.

    Attributes
    ----------
    area : (N,) ndarray of float64
    circularity : (N,) ndarray of float32
        4 pi area / perimeter²: 1 for a circle.
    solidity : (N,) ndarray of float32
        Area over the area of the convex hull.
    """

    area: NDArray[np.float64]
    circularity: NDArray[np.float32]
    solidity: NDArray[np.float32]


def shapes(polygons: NDArray[np.object_], perimeter: NDArray[np.floating]) -> Shapes:
    """Measure outlines.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Each with an area.
    perimeter : (N,) ndarray of float
        In the unit of the outlines.

    Returns
    -------
    Shapes
    """
    area = shapely.area(polygons)
    hull = shapely.area(shapely.convex_hull(polygons))
    # A thin or tiny nucleus of few pixels can come out rounder than a circle.
    circularity = np.minimum(4 * np.pi * area / perimeter**2, 1)
    return Shapes(area, circularity.astype(np.float32), (area / hull).astype(np.float32))

"""Measures of nuclei: classes, size and shape, for all nuclei of a window at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.nuclei.pixels import Pixels


class PixelSums(NamedTuple):
    """What is summed over the pixels of N nuclei; C classes, K contrasts.

    Attributes
    ----------
    area_px : (N,) ndarray of int64
        Number of pixels.
    np_mean : (N,) ndarray of float32
        Mean probability of nucleus, 0 to 1.
    class_probabilities : (N, C) ndarray of float32
        Mean probability of each class over the pixels, weighted by their probability of nucleus;
        each row sums to 1.
    contrasts : (N, K) ndarray of float32
        Contrasts between the answers of an ensemble, in shares of the nucleus.
    major_axis_px, minor_axis_px : (N,) ndarray of float32
        Axes of the ellipse with the same second moments, in pixels.
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
    """Return the axes, (N,) each, of nuclei of `area`, (N,), from all their pixels, (P,) each."""
    count = len(area)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(index, values, count) / area

    # Centred first: in the squares of large coordinates the digits that matter would be lost.
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
    """Sum the maps of a window over the pixels of each nucleus.

    Parameters
    ----------
    pixels : Pixels
        The pixels of the nuclei in the window; labels 1 to `count` all occur.
    count : int
        Number of nuclei.
    np_map : (H, W) ndarray of uint8
        Probability of nucleus, 0 to 1 times 255.
    tp_map : (C, H, W) ndarray of uint8
        Probability of each class, 0 to 1 times 255.
    contrast_map : (K, H, W) ndarray of int8
        Contrasts between the answers of an ensemble, weighed by `np`, -1 to 1 times 127.

    Returns
    -------
    PixelSums
        Row k - 1 is of label k. Where no class has any probability, all classes are equally
        probable.
    """
    shape, where, label = pixels
    index = label - 1
    area = np.bincount(index, minlength=count)
    weight = np_map.ravel()[where].astype(np.float64)
    np_sum = np.bincount(index, weight, count)
    classes = np.column_stack(
        [np.bincount(index, weight * layer.ravel()[where], count) for layer in tp_map]
    ).astype(np.float64)  # without any pixel, `bincount` gives whole numbers
    total = classes.sum(axis=1, keepdims=True)
    shares = np.divide(classes, total, out=np.full_like(classes, 1 / len(tp_map)), where=total > 0)
    contrasts = np.empty((count, len(contrast_map)), np.float32)
    for number, layer in enumerate(contrast_map):
        contrast = np.bincount(index, layer.ravel()[where], count) / 127
        contrasts[:, number] = contrast / np.maximum(np_sum / 255, 1e-6)
    row, column = np.divmod(where, shape[1])
    major, minor = _axes(index, row, column, area)
    return PixelSums(
        area,
        (np_sum / (255 * area)).astype(np.float32),
        shares.astype(np.float32),
        contrasts,
        major,
        minor,
    )


class Shapes(NamedTuple):
    """Measures of N outlines.

    Attributes
    ----------
    area : (N,) ndarray of float64
        In the squared unit of the coordinates.
    circularity : (N,) ndarray of float32
        4 pi area / perimeter², at most 1: a circle.
    solidity : (N,) ndarray of float32
        Area over the area of the convex hull, at most 1.
    """

    area: NDArray[np.float64]
    circularity: NDArray[np.float32]
    solidity: NDArray[np.float32]


def shapes(polygons: NDArray[np.object_], perimeter: NDArray[np.floating]) -> Shapes:
    """Measure the area and the form of outlines.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        Outlines of an area above 0, in a frame whose pixels are square.
    perimeter : (N,) ndarray of float
        Length of each outline in the unit of the coordinates, free of the pixels' staircase.

    Returns
    -------
    Shapes
        One for one.
    """
    area = shapely.area(polygons)
    hull = shapely.area(shapely.convex_hull(polygons))
    # The perimeter is an estimate: a nucleus of few pixels could come out rounder than a circle.
    circularity = np.minimum(4 * np.pi * area / perimeter**2, 1)
    return Shapes(area, circularity.astype(np.float32), (area / hull).astype(np.float32))

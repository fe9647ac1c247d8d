"""Outlines burnt into pixels: label images of any part of the canvas."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from nucwsi.grid import Window


def by_square(
    polygons: NDArray[np.object_], core_px: int
) -> dict[tuple[int, int], NDArray[np.intp]]:
    """List for each square of a grid the outlines that may reach into it.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        x and y in canvas pixels.
    core_px : int
        Side of the squares in canvas pixels.

    Returns
    -------
    dict of (int, int) to (K,) ndarray of int
        Row and column of a square in the grid -> indices of the outlines whose bounding box reaches
        into it, ascending. What lies above or left of the canvas counts in the first square.
    """
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    low = np.maximum(np.floor(bounds[:, :2] / core_px).astype(np.int64), 0)
    high = np.maximum(np.floor(bounds[:, 2:] / core_px).astype(np.int64), 0)
    squares: dict[tuple[int, int], list[int]] = {}
    for index, ((left, top), (right, bottom)) in enumerate(
        zip(low.tolist(), high.tolist(), strict=True)
    ):
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                squares.setdefault((row, column), []).append(index)
    return {square: np.array(indices) for square, indices in squares.items()}


def burn_outlines(
    labels: NDArray[np.uint32],
    polygons: NDArray[np.object_],
    values: NDArray[np.uint32],
    window: Window,
) -> None:
    """Burn outlines into a label image: a pixel gets the value of the first that holds its middle.

    Parameters
    ----------
    labels : (H, W) ndarray of uint32
        Label of each pixel of `window`; changed in place where it is 0.
    polygons : (N,) ndarray of shapely.Polygon
        x and y in canvas pixels; pixel (r, c) covers [c, c + 1] x [r, r + 1].
    values : (N,) ndarray of uint32
        Label of each outline, above 0.
    window : Window
        The part of the canvas that `labels` shows, in canvas pixels.
    """
    # Of shapes that overlap, GDAL keeps the last.
    shapes = zip(polygons[::-1], values[::-1].tolist(), strict=True)
    place = Affine.translation(window.column, window.row)
    painted = rasterize(shapes, window.shape, fill=0, transform=place, dtype="uint32")
    np.copyto(labels, painted, where=labels == 0)

"""Outlines painted into pixels."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from nucwsi.grid import Window


def touched(polygons: NDArray[np.object_], core_px: int) -> dict[tuple[int, int], NDArray[np.intp]]:
    """List which outlines may reach into which square of a grid.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        x and y in pixels of the canvas.
    core_px : int
        Side of the squares.

    Returns
    -------
    dict
        Row and column of a square, none below 0 -> indices of outlines, ascending.
    """
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    low = np.maximum(np.floor(bounds[:, :2] / core_px).astype(np.int64), 0)
    high = np.maximum(np.floor(bounds[:, 2:] / core_px).astype(np.int64), 0)
    found: dict[tuple[int, int], list[int]] = {}
    for index, ((left, top), (right, bottom)) in enumerate(
        zip(low.tolist(), high.tolist(), strict=True)
    ):
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                found.setdefault((row, column), []).append(index)
    return {square: np.array(indices) for square, indices in found.items()}


def paint(
    labels: NDArray[np.uint32],
    polygons: NDArray[np.object_],
    values: NDArray[np.uint32],
    window: Window,
) -> None:
    """Paint outlines over what is still blank: a pixel belongs to the first that holds its middle.

    Parameters
    ----------
    labels : (H, W) ndarray of uint32
        0 is blank; changed in place.
    polygons : (N,) ndarray of shapely.Polygon
        x and y in pixels of the canvas; pixel (r, c) covers [c, c + 1] x [r, r + 1].
    values : (N,) ndarray of uint32
        Above 0.
    window : Window
        What of the canvas `labels` shows.
    """
    # Where shapes overlap, the last one of the list stays.
    shapes = zip(polygons[::-1], values[::-1].tolist(), strict=True)
    place = Affine.translation(window.column, window.row)
    painted = rasterize(shapes, window.shape, fill=0, transform=place, dtype="uint32")
    np.copyto(labels, painted, where=labels == 0)

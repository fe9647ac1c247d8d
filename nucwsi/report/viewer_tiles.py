"""Nuclei as the viewer reads them: a few bytes each, in square tiles of the canvas."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import shapely
from numpy.typing import NDArray

#: Side of a tile of nuclei, in canvas pixels.
TILE_PX = 1024

#: Corners are whole numbers, so many to the canvas pixel.
UNITS = 8


def packed_nuclei(
    ids: NDArray[np.int64],
    class_code: NDArray[np.uint8],
    class_probabilities: NDArray[np.floating],
    area_um2: NDArray[np.floating],
    outlines: NDArray[np.object_],
    tile: tuple[int, int],
) -> str:
    """Pack nuclei of one tile.

    Little-endian, one array after the other: number N of nuclei and V of corners (uint32), ids
    (float64), areas (float32), corners of each nucleus (uint16), the first corner of a nucleus
    from the tile's upper left and the steps from each to the next as x, y (int16), classes
    (uint8), and for each nucleus the probability of every class in 1/255 (uint8). Holes are left
    out.

    Parameters
    ----------
    ids : (N,) ndarray of int64
    class_code : (N,) ndarray of uint8
    class_probabilities : (N, C) ndarray of float
    area_um2 : (N,) ndarray of float
    outlines : (N,) ndarray of shapely.Polygon
        x, y in canvas pixels.
    tile : (int, int)
        Row and column of the tile.

    Returns
    -------
    str
        Compressed (zlib) and written as base64.
    """
    corners, owner = shapely.get_coordinates(shapely.get_exterior_ring(outlines), return_index=True)
    count = np.bincount(owner, minlength=len(outlines))
    ends = np.cumsum(count)
    corners -= np.array([tile[1], tile[0]], np.float64) * TILE_PX
    whole = np.rint(corners * UNITS).clip(-32768, 32767).astype(np.int32)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, 2), np.int32))
    starts = ends - count
    steps[starts] = whole[starts]
    # A ring ends where it began, which goes without saying.
    kept = np.ones(len(steps), bool)
    kept[ends - 1] = False
    parts = [
        np.array([len(ids), int(kept.sum())], "<u4"),
        ids.astype("<f8"),
        area_um2.astype("<f4"),
        (count - 1).astype("<u2"),
        steps[kept].astype("<i2"),
        class_code.astype("u1"),
        np.rint(np.clip(class_probabilities, 0, 1) * 255).astype("u1"),
    ]
    return base64.b64encode(zlib.compress(b"".join(part.tobytes() for part in parts), 6)).decode()

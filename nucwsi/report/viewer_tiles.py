"""The nuclei of the viewer: packed into a few bytes each, in square tiles of the canvas."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Frame
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.nuclei.table import NucleusTable
from nucwsi.report.viewer_features import Feature, feature_levels

#: Side of a tile of nuclei, in canvas pixels.
TILE_PX = 1024

#: Units per canvas pixel; the corners of outlines are whole units.
UNITS = 8


def packed_tiles(
    table: NucleusTable, frame: Frame, features: tuple[Feature, ...] = ()
) -> Iterator[tuple[tuple[int, int], int, str]]:
    """Sort nuclei into tiles by their centroids and pack each tile.

    Parameters
    ----------
    table : NucleusTable
        Some nuclei of a slide.
    frame : Frame
        How the canvas lies on the slide.
    features : tuple of Feature
        By which the nuclei can be coloured.

    Yields
    ------
    tile : (int, int)
        Row and column of a tile that holds some of these nuclei, in raster order.
    count : int
        Number of these nuclei in the tile.
    packed : str
        The nuclei as `pack_nuclei` returns them.
    """
    centroids = frame.from_level0(np.column_stack([table.row, table.column]))
    tiles = np.floor(centroids / TILE_PX).astype(np.int64).clip(0)
    for row, column in np.unique(tiles, axis=0).tolist():
        inside = table.take(np.flatnonzero((tiles == (row, column)).all(axis=1)))
        outlines = level0_to_canvas(shapely.from_wkb(inside.geometry), frame)
        packed = pack_nuclei(
            inside.id,
            inside.class_code,
            inside.class_probabilities,
            inside.area_um2,
            outlines,
            (row, column),
            feature_levels(inside, features, inside.class_probabilities.shape[1]),
        )
        yield (row, column), len(inside), packed


def pack_nuclei(
    ids: NDArray[np.int64],
    class_code: NDArray[np.uint8],
    class_probabilities: NDArray[np.floating],
    area_um2: NDArray[np.floating],
    outlines: NDArray[np.object_],
    tile: tuple[int, int],
    levels: NDArray[np.uint8] | None = None,
) -> str:
    """Pack the nuclei of one tile; ``viewer/worker.js`` unpacks them.

    The bytes are little-endian arrays, one after the other:

    1. the number N of nuclei and the number V of corners (uint32 each),
    2. the ids (N float64),
    3. the areas in µm² (N float32),
    4. the number of corners of each nucleus (N uint16),
    5. the corners as x, y (2 V int16): the first corner of a nucleus counted from the tile's upper
       left, each further one from the corner before it, in units of 1 / `UNITS` canvas pixel,
    6. the class codes (N uint8),
    7. the probability of every class for each nucleus, in 1/255 (N C uint8),
    8. the levels of its features (N F uint8).

    Outlines are their outer rings without the repeated last corner; holes are left out.

    Parameters
    ----------
    ids : (N,) ndarray of int64
        Ids of the nuclei.
    class_code : (N,) ndarray of uint8
        Index of the assigned class.
    class_probabilities : (N, C) ndarray of float
        Probability of every class, 0 to 1.
    area_um2 : (N,) ndarray of float
        Areas in µm².
    outlines : (N,) ndarray of shapely.Polygon
        x and y in canvas pixels.
    tile : (int, int)
        Row and column of the tile in the grid of tiles.
    levels : (N, F) ndarray of uint8, optional
        As `feature_levels` returns them; by default there is no feature.

    Returns
    -------
    str
        The bytes, compressed (zlib) and encoded in base64.
    """
    corners, owner = shapely.get_coordinates(shapely.get_exterior_ring(outlines), return_index=True)
    count = np.bincount(owner, minlength=len(outlines))
    ends = np.cumsum(count)
    corners -= np.array([tile[1], tile[0]], np.float64) * TILE_PX
    whole = np.rint(corners * UNITS).clip(-32768, 32767).astype(np.int32)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, 2), np.int32))
    starts = ends - count
    steps[starts] = whole[starts]
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
        *([] if levels is None else [levels]),
    ]
    return base64.b64encode(zlib.compress(b"".join(part.tobytes() for part in parts), 6)).decode()

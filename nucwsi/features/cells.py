"""Pixels of single nuclei: each in a square cell of its own, so that all are measured at once.

Two outlines may overlap, and what surrounds one nucleus is another. In a label image they would
take pixels from each other, and a feature would depend on which nuclei share a window. In cells of
their own they do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

#: Sides of cells are multiples of this, in pixels.
_STEP_PX = 16

#: Largest side of a cell in pixels; of a larger outline, only the middle is seen.
LARGEST_PX = 512

#: Most pixels of all cells at a time.
_AT_ONCE_PX = 1 << 20


class Cells(NamedTuple):
    """Square cells of one size, each around the outline of one nucleus.

    Attributes
    ----------
    outline : (N,) ndarray of int
        Index of the outline that each cell is around.
    corner : (N, 2) ndarray of int64
        Row and column of the upper left pixel of each cell, in pixels of the frame of the outlines.
    side_px : int
        Side of all of these cells, in pixels.
    """

    outline: NDArray[np.intp]
    corner: NDArray[np.int64]
    side_px: int


class Pixels(NamedTuple):
    """Pixels of N cells that belong to something, in the order of the cells.

    Attributes
    ----------
    n_cells : int
        Number of cells N.
    side_px : int
        Side S of each cell.
    where : (P,) ndarray of int64
        Flat indices in an (N, S, S) array, ascending.
    owner : (P,) ndarray of int64
        The cell of each.
    """

    n_cells: int
    side_px: int
    where: NDArray[np.int64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Pixels:
        """List the pixels of a mask.

        Parameters
        ----------
        mask : (N, S, S) ndarray of bool
            True where a pixel belongs to something.

        Returns
        -------
        Pixels
            P of them.
        """
        count, side, _ = mask.shape
        where = np.flatnonzero(mask)
        return cls(count, side, where, where // side**2)

    @property
    def size(self) -> NDArray[np.int64]:
        """(N,) ndarray: number of pixels in each cell."""
        return np.bincount(self.owner, minlength=self.n_cells)

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Average over the pixels of each cell.

        Parameters
        ----------
        values : (P,) ndarray of float
            One for each pixel.

        Returns
        -------
        (N,) ndarray of float64
            0 where a cell has no pixel.
        """
        return np.bincount(self.owner, values, self.n_cells) / np.maximum(self.size, 1)

    def mean_of(self, layer: NDArray[np.floating]) -> NDArray[np.float64]:
        """Average an image over the pixels of each cell.

        Parameters
        ----------
        layer : (N, S, S) ndarray of float
            Of all cells.

        Returns
        -------
        (N,) ndarray of float64
            0 where a cell has no pixel.
        """
        return self.mean(layer.ravel()[self.where])


def reach(polygons: NDArray[np.object_], margin_px: int) -> NDArray[np.int64]:
    """Find the cell of each outline, whose pixels its features are measured from.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Geometry
        x and y in pixels.
    margin_px : int
        Pixels between an outline and the border of its cell, at least.

    Returns
    -------
    (N, 4) ndarray of int64
        First row and column, and the row and column behind the last.
    """
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    low = np.floor(bounds[:, :2]).astype(np.int64) - margin_px
    high = np.ceil(bounds[:, 2:]).astype(np.int64) + margin_px
    need = (high - low).max(axis=1, initial=1)
    side = np.minimum(-(-need // _STEP_PX) * _STEP_PX, LARGEST_PX)[:, None]
    corner = ((low + high - side) // 2)[:, ::-1]
    return np.concatenate([corner, corner + side], axis=1)


def cells_around(polygons: NDArray[np.object_], margin_px: int) -> Iterator[Cells]:
    """Lay a cell around each outline; those of one size come together, a bounded number at a time.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Geometry
        x and y in pixels.
    margin_px : int
        Pixels between an outline and the border of its cell, at least.

    Yields
    ------
    Cells
        Each outline is in one of them. Its cell depends on nothing but the outline.
    """
    boxes = reach(polygons, margin_px)
    corner, side = boxes[:, :2], boxes[:, 2] - boxes[:, 0]
    for side_px in np.unique(side).tolist():
        index = np.flatnonzero(side == side_px)
        step = max(1, _AT_ONCE_PX // side_px**2)
        for start in range(0, len(index), step):
            some = index[start : start + step]
            yield Cells(some, corner[some], side_px)


def filled(polygons: NDArray[np.object_], cells: Cells) -> NDArray[np.bool_]:
    """Find the pixels whose middle lies within each outline.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Geometry
        One for each cell, x and y in pixels; holes and several parts are allowed.
    cells : Cells
        N cells of S pixels a side.

    Returns
    -------
    (N, S, S) ndarray of bool
        By the even-odd rule.
    """
    count, side = len(polygons), cells.side_px
    xy, owner, same_ring = _edges(polygons, cells)
    y, y_next = xy[:-1, 1], xy[1:, 1]
    # Rows whose middle an edge crosses; an end that lies on a middle counts once.
    first = np.ceil(np.minimum(y, y_next) - 0.5).astype(np.int64)
    stop = np.ceil(np.maximum(y, y_next) - 0.5).astype(np.int64)
    first, stop = np.maximum(first, 0), np.minimum(stop, side)
    times = np.where(same_ring, np.maximum(stop - first, 0), 0)
    edge = np.repeat(np.arange(len(times)), times)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(times) - times, times)
    (x0, y0), (x1, y1) = xy[edge].T, xy[edge + 1].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(x - 0.5), 0, side).astype(np.int64)
    crossed = (owner[edge] * side + row) * (side + 1) + column
    toggles = np.bincount(crossed, minlength=count * side * (side + 1)).astype(np.uint8)
    inside = np.bitwise_xor.accumulate(toggles.reshape(count, side, side + 1) & 1, axis=2)
    return inside[:, :, :side].astype(bool)


def nuclei(polygons: NDArray[np.object_], cells: Cells) -> NDArray[np.bool_]:
    """Find the pixels of each nucleus, at least one.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Geometry
        One for each cell, x and y in pixels; none is empty.
    cells : Cells
        N cells of S pixels a side.

    Returns
    -------
    (N, S, S) ndarray of bool
        As `filled`; an outline too small to hold the middle of a pixel gets the pixel of its
        centroid.
    """
    masks = filled(polygons, cells)
    void = np.flatnonzero(~masks.any(axis=(1, 2)))
    middle = shapely.get_coordinates(shapely.centroid(polygons[void]))[:, ::-1]
    at = np.floor(middle).astype(np.int64) - cells.corner[void]
    masks[void, *np.clip(at, 0, cells.side_px - 1).T] = True
    return masks


def _edges(
    polygons: NDArray[np.object_], cells: Cells
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return all corners (K, 2), x and y within their cells, and of each edge the outline (K - 1,).

    The third array tells whether a corner and the next belong to one ring, and so are an edge.
    """
    parts, part_of = shapely.get_parts(polygons, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    xy, corner_of = shapely.get_coordinates(rings, return_index=True)
    owner = part_of[ring_of][corner_of]
    # Before anything is computed: the same digits wherever the nucleus lies in a window.
    xy = xy - cells.corner[owner][:, ::-1]
    return xy, owner[:-1], corner_of[:-1] == corner_of[1:]


def cut_out(
    image: NDArray[np.uint8], corner: tuple[int, int], cells: Cells
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut the pixels of cells out of an image.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        Red, green and blue, 0 to 255.
    corner : (int, int)
        Row and column of its upper left pixel, in the frame of the cells.
    cells : Cells
        N cells of S pixels a side; they may reach beyond the image.

    Returns
    -------
    pixels : (N, S, S, 3) ndarray of uint8
        Red, green and blue; beyond the image that of its nearest pixel.
    seen : (N, S, S) ndarray of bool
        Whether a pixel lies in the image.
    """
    steps = np.arange(cells.side_px)
    rows, columns = ((cells.corner - corner).T[:, :, None] + steps).astype(np.int64)
    height, width = image.shape[:2]
    seen = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None, :
    ]
    pixels = image[
        np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None, :]
    ]
    return pixels, seen

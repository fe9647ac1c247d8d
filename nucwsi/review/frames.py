"""Frames: squares of a slide in which every nucleus is marked, also those that were missed.

The tissue is cut into the squares of a grid. Some are drawn, with probabilities that grow with the
nuclei found in them; none that holds tissue has a probability of zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

#: Size of a square without nuclei, as a share of the mean number of nuclei in squares that hold
#: some: where nothing was found, all that is there has been missed.
_FLOOR = 0.2


class FrameGrid(NamedTuple):
    """Squares of equal sides, in µm, over a part of a slide.

    Attributes
    ----------
    origin : (float, float)
        x and y of the upper left corner of the first square, in level-0 pixels.
    side_px : (float, float)
        Width and height of a square in level-0 pixels.
    n_columns, n_rows : int
        Number of squares along both axes.
    """

    origin: tuple[float, float]
    side_px: tuple[float, float]
    n_columns: int
    n_rows: int

    @classmethod
    def over(
        cls, bounds: tuple[float, float, float, float], side_px: tuple[float, float]
    ) -> FrameGrid:
        """Return the squares that cover a rectangle.

        Parameters
        ----------
        bounds : (float, float, float, float)
            xmin, ymin, xmax, ymax in level-0 pixels.
        side_px : (float, float)
            Width and height of a square in level-0 pixels.

        Returns
        -------
        FrameGrid
            The last row and column may reach beyond the rectangle.
        """
        xmin, ymin, xmax, ymax = bounds
        columns, rows = np.ceil(((xmax - xmin) / side_px[0], (ymax - ymin) / side_px[1]))
        return cls((xmin, ymin), side_px, max(1, int(columns)), max(1, int(rows)))

    def square_of(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the square that each point lies in.

        Parameters
        ----------
        points : (N, 2) ndarray of float64
            x and y in level-0 pixels, within the grid.

        Returns
        -------
        (N,) ndarray of int64
            Number of the square, row by row. A point on a line belongs to the square to its right
            or below.
        """
        places = ((points - self.origin) / self.side_px).astype(np.int64)
        column = places[:, 0].clip(0, self.n_columns - 1)
        row = places[:, 1].clip(0, self.n_rows - 1)
        return np.asarray(row * self.n_columns + column, np.int64)

    def boxes(self, squares: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the sides of squares.

        Parameters
        ----------
        squares : (F,) ndarray of int64
            Their numbers.

        Returns
        -------
        (F, 4) ndarray of float64
            xmin, ymin, xmax, ymax in level-0 pixels.
        """
        row, column = np.divmod(squares, self.n_columns)
        x, y = (
            start + side * np.stack([place, place + 1])
            for start, side, place in zip(self.origin, self.side_px, (column, row), strict=True)
        )
        return np.stack([x[0], y[0], x[1], y[1]], axis=1)

    def inhabited(self, area: shapely.Geometry, nuclei: NDArray[np.int64]) -> NDArray[np.int64]:
        """List the squares that can hold nuclei.

        Parameters
        ----------
        area : shapely.Geometry
            Where nuclei are looked for: tissue within the chosen regions, in level-0 pixels.
        nuclei : (N,) ndarray of int64
            Square of each nucleus that was found.

        Returns
        -------
        (F,) ndarray of int64
            Numbers of the squares, ascending.
        """
        squares = np.arange(self.n_columns * self.n_rows)
        shapely.prepare(area)
        touched = shapely.intersects(area, shapely.box(*self.boxes(squares).T))
        return np.union1d(squares[touched], nuclei)


def frame_sizes(squares: NDArray[np.int64], nuclei: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return numbers to which the probability of a frame is proportional.

    Parameters
    ----------
    squares : (F,) ndarray of int64
        Numbers of the squares, ascending; from `FrameGrid.inhabited`.
    nuclei : (N,) ndarray of int64
        Square of each nucleus that was found.

    Returns
    -------
    (F,) ndarray of float64
        Above 0; in nuclei.
    """
    found = np.bincount(np.searchsorted(squares, nuclei), minlength=len(squares))
    mean = found[found > 0].mean() if len(nuclei) else 1.0
    return np.asarray(found + _FLOOR * mean, np.float64)

"""Where things are: windows and tiles of a canvas, and its frame on the slide.

The *canvas* is the analysed part of a slide at the working mpp. Everything from `tile` to `stitch`
is in canvas pixels; `Frame` leads from there to level-0 pixels and to µm.

Around a window lies its *halo*: pixels that are read so that the networks' answer inside does not
depend on where the canvas is cut. The member that sees farthest decides its width. The *margin* of
an image is the part of its border that the networks see but do not answer for: the halo, less the
overlap that tiles keep where they may disagree. A member that sees less far is not shown the outer
part of the margin, which is *unseen*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import ConfigError

#: Width of the strips in which cores are visited, in canvas pixels. Wider strips take more memory;
#: narrower ones take more time, because cores at the border of two strips are decoded twice.
STRIP_PX = 3072

#: Side of a cell of the tissue mask and of the overview, in canvas pixels.
CELL_PX = 16


@dataclass(frozen=True)
class Window:
    """A half-open rectangle of pixels: ``row <= r < row_stop``, ``column <= c < column_stop``.

    Attributes
    ----------
    row, column : int
        First row and column, from the origin of the canvas; may be negative.
    height, width : int
        Size in pixels; at least 1.

    Raises
    ------
    ValueError
        If the window would be empty.
    """

    row: int
    column: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"a window must have at least one pixel, got {self.height} x {self.width}"
            )

    @property
    def row_stop(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def column_stop(self) -> int:
        """First column right of the window."""
        return self.column + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array that starts at the canvas' origin."""
        return slice(self.row, self.row_stop), slice(self.column, self.column_stop)

    def grown(self, margin_px: int) -> Window:
        """Return the window with `margin_px` more pixels on each side.

        Parameters
        ----------
        margin_px : int
            Pixels to add on each side; negative ones are taken away.

        Returns
        -------
        Window
            May reach beyond the canvas.
        """
        return Window(
            self.row - margin_px,
            self.column - margin_px,
            self.height + 2 * margin_px,
            self.width + 2 * margin_px,
        )

    def intersection(self, other: Window) -> Window | None:
        """Return the pixels that both windows hold, or None.

        Parameters
        ----------
        other : Window
            In pixels of the same canvas.

        Returns
        -------
        Window or None
            In pixels of the canvas; None where the windows share no pixel.
        """
        row, column = max(self.row, other.row), max(self.column, other.column)
        row_stop = min(self.row_stop, other.row_stop)
        column_stop = min(self.column_stop, other.column_stop)
        if row >= row_stop or column >= column_stop:
            return None
        return Window(row, column, row_stop - row, column_stop - column)

    def cut(self, height: int, width: int) -> Iterator[Window]:
        """Cut the window along a grid that starts at the origin, wherever the window lies.

        Parameters
        ----------
        height, width : int
            Size of the grid's cells in pixels.

        Yields
        ------
        Window
            The pixels that the window shares with a cell, cell by cell in raster order.
        """
        for row in range(self.row // height, -(-self.row_stop // height)):
            top, low = max(self.row, row * height), min(self.row_stop, (row + 1) * height)
            for column in range(self.column // width, -(-self.column_stop // width)):
                left = max(self.column, column * width)
                right = min(self.column_stop, (column + 1) * width)
                yield Window(top, left, low - top, right - left)

    def cells(self, cell_px: int) -> Window:
        """Return the cells that hold a pixel of the window.

        Parameters
        ----------
        cell_px : int
            Side of a cell in pixels; the first one starts at the origin of the canvas.

        Returns
        -------
        Window
            In cells.

        Examples
        --------
        >>> Window(16, 0, 17, 16).cells(16)
        Window(row=1, column=0, height=2, width=1)
        """
        row, column = self.row // cell_px, self.column // cell_px
        row_stop, column_stop = -(-self.row_stop // cell_px), -(-self.column_stop // cell_px)
        return Window(row, column, row_stop - row, column_stop - column)

    def within(self, outer: Window) -> Window:
        """Return the same pixels counted from the origin of `outer`.

        Parameters
        ----------
        outer : Window
            In pixels of the same canvas.

        Returns
        -------
        Window
            In pixels from the upper left corner of `outer`.
        """
        return Window(self.row - outer.row, self.column - outer.column, self.height, self.width)


@dataclass(frozen=True)
class TileGrid:
    """The canvas cut into cores: every pixel lies in exactly one.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    core_px : int
        Side of a core; those at the lower and right edge may be smaller.

    Raises
    ------
    ValueError
        If the canvas or the core is empty.
    """

    shape: tuple[int, int]
    core_px: int

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.core_px < 1:
            raise ValueError(f"a canvas of {self.shape} px has no cores of {self.core_px} px")

    @property
    def n_rows(self) -> int:
        """Rows of cores."""
        return -(-self.shape[0] // self.core_px)

    @property
    def n_columns(self) -> int:
        """Columns of cores."""
        return -(-self.shape[1] // self.core_px)

    @property
    def canvas(self) -> Window:
        """The whole canvas."""
        return Window(0, 0, *self.shape)

    def core(self, row: int, column: int) -> Window:
        """Return the core at a grid position, cut at the canvas' edge.

        Parameters
        ----------
        row, column : int
            Position in the grid, in cores.

        Returns
        -------
        Window
            In pixels of the canvas.

        Raises
        ------
        IndexError
            If the position lies outside the grid.
        """
        if not (0 <= row < self.n_rows and 0 <= column < self.n_columns):
            raise IndexError(f"core ({row}, {column}) of a {self.n_rows} x {self.n_columns} grid")
        top, left = row * self.core_px, column * self.core_px
        height = min(self.core_px, self.shape[0] - top)
        return Window(top, left, height, min(self.core_px, self.shape[1] - left))

    def positions(self, rows: range | None = None) -> Iterator[tuple[int, int]]:
        """Yield grid positions in raster order.

        Parameters
        ----------
        rows : range, optional
            Rows of cores to visit; default all.

        Yields
        ------
        (int, int)
            Row and column in the grid, in cores.
        """
        for row in range(self.n_rows) if rows is None else rows:
            for column in range(self.n_columns):
                yield row, column

    @property
    def strip_columns(self) -> int:
        """Columns of cores that `strips` visits together."""
        return max(1, STRIP_PX // self.core_px)

    def strips(self, rows: range) -> Iterator[tuple[int, int]]:
        """Yield grid positions in strips from top to bottom, each in raster order.

        A reader that needs a margin around each core thus returns to the same cores soon, however
        wide the canvas is.

        Parameters
        ----------
        rows : range
            Rows of cores to visit.

        Yields
        ------
        (int, int)
            Row and column in the grid, in cores.
        """
        for left in range(0, self.n_columns, self.strip_columns):
            for row in rows:
                for column in range(left, min(left + self.strip_columns, self.n_columns)):
                    yield row, column

    def band(self, part: int, parts: int) -> range:
        """Return the rows of cores of one part; the bands of all parts cover the grid once.

        Parameters
        ----------
        part : int
            1 to `parts`.
        parts : int
            How many parts the canvas has.

        Returns
        -------
        range
            Empty if there are more parts than rows of cores.

        Raises
        ------
        ConfigError
            If `part` is not in 1..`parts`.
        """
        if not 1 <= part <= parts:
            raise ConfigError(f"part {part} of {parts}: expected a part from 1 to {parts}")
        return range((part - 1) * self.n_rows // parts, part * self.n_rows // parts)


@dataclass(frozen=True)
class Frame:
    """How a canvas lies on its slide.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    mpp : float
        Working resolution in µm per canvas pixel, the same in rows and columns.
    level0_mpp : (float, float)
        µm per level-0 pixel, along rows (vertically) and along columns.
    origin_px : (float, float)
        Row and column in level-0 pixels of the canvas' upper left corner. It is also the origin
        of the slide's bounds, which QuPath calls (0, 0).
    level0_shape : (int, int)
        Height and width of level 0 in pixels.
    """

    shape: tuple[int, int]
    mpp: float
    level0_mpp: tuple[float, float]
    origin_px: tuple[float, float]
    level0_shape: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Level-0 pixels per canvas pixel, along rows and along columns."""
        return self.mpp / self.level0_mpp[0], self.mpp / self.level0_mpp[1]

    @property
    def level0_pixel_um2(self) -> float:
        """Area of a level-0 pixel in µm²."""
        return self.level0_mpp[0] * self.level0_mpp[1]

    def to_level0(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Move points from the canvas to level 0.

        Parameters
        ----------
        points : (N, 2) ndarray of float
            Row and column in canvas pixels; pixel (r, c) covers [r, r + 1] x [c, c + 1].

        Returns
        -------
        (N, 2) ndarray of float
            Row and column in level-0 pixels.
        """
        return np.asarray(points, np.float64) * self.scale + self.origin_px

    def from_level0(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Move points from level 0 to the canvas: the inverse of `to_level0`.

        Parameters
        ----------
        points : (N, 2) ndarray of float
            Row and column in level-0 pixels.

        Returns
        -------
        (N, 2) ndarray of float
            Row and column in canvas pixels.
        """
        return (np.asarray(points, np.float64) - self.origin_px) / self.scale

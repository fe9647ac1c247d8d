"""Smooth random fields: where the phantom's tissue lies and what it is made of.

A field is known at every point without knowing its neighbours, so any window of a slide can be
painted alone. All of them read textures that wrap around without a seam: white noise, filtered
once, looked up at scaled coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.grid import Window

Coordinates = Any  # a float, or arrays of rows and columns that broadcast against each other

_TEXELS = 512
_SIGMA = 4.0
#: Texels in which a texture of sigma `_SIGMA` rises and falls once.
_WAVE = 16.0

#: Centre and radii of the pieces of tissue as shares of height and width; two are cut by the edge.
_PIECES = (
    ((0.50, 0.40), (0.46, 0.37)),
    ((0.66, 0.96), (0.30, 0.17)),
    ((0.00, 0.90), (0.22, 0.13)),
)


def texture(seed: int, stream: int, sigma: tuple[float, float]) -> NDArray[np.float32]:
    """Make a texture of mean 0 and standard deviation 1 that wraps around without a seam.

    Parameters
    ----------
    seed, stream : int
        Equal numbers give equal textures.
    sigma : (float, float)
        Width of the features along rows and columns, in texels.

    Returns
    -------
    (512, 512) ndarray of float32
    """
    noise = np.random.default_rng((seed, stream)).standard_normal((_TEXELS, _TEXELS))
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)


def look_up(values: NDArray[np.float32], rows: Coordinates, columns: Coordinates) -> Any:
    """Read a texture at the nearest texel.

    Parameters
    ----------
    values : (512, 512) ndarray of float32
    rows, columns : ndarray of float
        In texels, of any size and sign; broadcast against each other.

    Returns
    -------
    ndarray of float32
    """
    row = np.asarray(rows, np.float32).astype(np.int32) % _TEXELS
    return values.ravel()[
        row * _TEXELS + np.asarray(columns, np.float32).astype(np.int32) % _TEXELS
    ]


def _interpolated(values: NDArray[np.float32], rows: Coordinates, columns: Coordinates) -> Any:
    row, column = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    down, right = rows - row, columns - column
    below, beside = (row + 1) % _TEXELS, (column + 1) % _TEXELS
    row, column = row % _TEXELS, column % _TEXELS
    upper = values[row, column] * (1 - right) + values[row, beside] * right
    lower = values[below, column] * (1 - right) + values[below, beside] * right
    return upper * (1 - down) + lower * down


def spread(
    field: Callable[[Coordinates, Coordinates], Any], window: Window, step: int
) -> NDArray[np.float32]:
    """Evaluate a smooth field at every `step`-th pixel and interpolate between.

    The points are multiples of `step`, wherever the window starts, so windows agree to the bit.

    Parameters
    ----------
    field : callable
        Of rows and columns in level-0 pixels.
    window : Window
        Level-0 pixels.
    step : int
        In pixels.

    Returns
    -------
    (height, width) ndarray of float32
    """

    def _axis(first: int, size: int) -> tuple[Any, Any, Any]:
        at = np.arange(first, first + size) / step
        low = np.floor(at).astype(np.int64)
        knots = np.arange(low[0], low[-1] + 2)
        return knots * step, low - low[0], (at - low).astype(np.float32)

    rows, top, down = _axis(window.row, window.height)
    columns, left, right = _axis(window.column, window.width)
    values = np.asarray(field(rows[:, None] + 0.5, columns[None, :] + 0.5), np.float32)
    across = values[:, left] * (1 - right) + values[:, left + 1] * right
    return across[top] * (1 - down[:, None]) + across[top + 1] * down[:, None]


@dataclass(frozen=True)
class Anatomy:
    """The tissue of a phantom; every method takes rows and columns in level-0 pixels.

    Attributes
    ----------
    shape : (int, int)
        Height and width of level 0 in pixels.
    mpp : float
        µm per level-0 pixel.
    seed : int
    sheet : (float, float, float)
        Row, column and radius, in level-0 pixels, of a disc that is tissue without a gap.
    """

    shape: tuple[int, int]
    mpp: float
    seed: int
    sheet: tuple[float, float, float]

    @cached_property
    def _noise(self) -> list[NDArray[np.float32]]:
        return [texture(self.seed, stream, (_SIGMA, _SIGMA)) for stream in range(4)]

    def _wave(self, index: int, wave_um: float, rows: Coordinates, columns: Coordinates) -> Any:
        scale = self.mpp * _WAVE / wave_um
        return _interpolated(
            self._noise[index], np.asarray(rows) * scale, np.asarray(columns) * scale
        )

    def tissue(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return roughly how far inside the tissue a point lies, in µm; negative on glass.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        height, width = self.shape
        side_um = min(self.shape) * self.mpp
        depth = np.max(
            [
                1 - np.hypot((rows / height - row) / tall, (columns / width - column) / wide)
                for (row, column), (tall, wide) in _PIECES
            ],
            axis=0,
        )
        rough = min(1.0, side_um / 600)
        inside = depth * 0.4 * side_um + rough * (
            30 * self._wave(0, 350, rows, columns)
            + 9 * self._wave(1, 80, rows, columns)
            + 3 * self._wave(2, 20, rows, columns)
        )
        lumen = 14 * (1.75 - self._wave(3, 130, rows, columns))
        row, column, radius = self.sheet
        solid = (radius - np.hypot(rows - row, columns - column)) * self.mpp
        return np.maximum(np.minimum(inside, lumen), solid)

    def epithelium(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number that is positive in nests of epithelium, negative in stroma.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        rim = self._wave(3, 130, rows, columns)
        return 0.8 * self._wave(1, 420, rows, columns) + 0.9 * rim - 0.15

    def inflammation(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number that is positive where inflammatory cells crowd.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        return self._wave(2, 500, rows, columns) - 0.5

    def cloud(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number around 0 by which the eosin varies from cell to cell.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        return self._wave(3, 28, rows, columns)

    def across(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return the distance across the fibres in µm: its level lines are the fibres.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        bent = 45 * self._wave(0, 450, rows, columns)
        return self.mpp * (0.82 * np.asarray(rows) - 0.57 * np.asarray(columns)) + bent

    def along(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return the distance along the fibres in µm.

        Parameters
        ----------
        rows, columns : ndarray of float
            Level-0 pixels; broadcast against each other.

        Returns
        -------
        ndarray of float
        """
        return self.mpp * (0.57 * np.asarray(rows) + 0.82 * np.asarray(columns))

    def fibre_angle(self, row: float, column: float) -> float:
        """Return the direction of the fibres at a point, in radians from columns to rows.

        Parameters
        ----------
        row, column : float
            Level-0 pixels.

        Returns
        -------
        float
        """
        step = 8.0
        down = self.across(row + step, column) - self.across(row - step, column)
        right = self.across(row, column + step) - self.across(row, column - step)
        return float(np.arctan2(-right, down))

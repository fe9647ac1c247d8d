"""Smooth random fields over a slide, of which the phantom's tissue is made.

The value of a field at a point depends on no other point, so any window of a slide can be painted
alone. All fields read textures that wrap around without a seam: white noise, filtered once
and looked up at scaled coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.grid import Window

#: A float, or an array of rows or of columns; rows and columns broadcast against each other.
Coordinates = Any

#: Resolution of the textures that a picture is painted with, in µm per texel.
TEXEL_UM = 0.25

#: Side of a texture in texels.
_TEXELS = 512


def texture(seed: int, stream: int, sigma: tuple[float, float]) -> NDArray[np.float32]:
    """Return a texture of mean 0 and standard deviation 1 that wraps around without a seam.

    Parameters
    ----------
    seed, stream : int
        Equal pairs give equal textures; the streams of one seed are independent.
    sigma : (float, float)
        Standard deviation of the Gaussian filter along rows and columns, in texels.

    Returns
    -------
    (512, 512) ndarray of float32
        Rows and columns of texels.
    """
    noise = np.random.default_rng((seed, stream)).standard_normal((_TEXELS, _TEXELS))
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)


def look_up(values: NDArray[np.float32], rows: Coordinates, columns: Coordinates) -> Any:
    """Read a texture without interpolation between its texels.

    Parameters
    ----------
    values : (512, 512) ndarray of float32
        A texture.
    rows, columns : (H, 1) and (1, W) ndarray of float
        In texels, of any size and sign; any two shapes that broadcast against each other.

    Returns
    -------
    (H, W) ndarray of float32
        Values of the texture, which repeats every 512 texels.
    """
    row = np.asarray(rows, np.float32).astype(np.int32) % _TEXELS
    return values.ravel()[
        row * _TEXELS + np.asarray(columns, np.float32).astype(np.int32) % _TEXELS
    ]


def interpolate(values: NDArray[np.float32], rows: Coordinates, columns: Coordinates) -> Any:
    """Read a texture bilinearly between its texels.

    Parameters
    ----------
    values : (512, 512) ndarray of float32
        A texture.
    rows, columns : (H, 1) and (1, W) ndarray of float
        In texels, of any size and sign; any two shapes that broadcast against each other.

    Returns
    -------
    (H, W) ndarray of float
        Values of the texture, which repeats every 512 texels.
    """
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
    """Evaluate a smooth field at every `step`-th pixel and interpolate bilinearly between.

    The evaluated rows and columns are multiples of `step`, wherever the window starts, so that
    overlapping windows agree to the bit.

    Parameters
    ----------
    field : callable
        Takes rows (M, 1) and columns (1, N) in level-0 pixels and returns (M, N) values.
    window : Window
        Level-0 pixels.
    step : int
        Distance between the evaluated points in level-0 pixels.

    Returns
    -------
    (H, W) ndarray of float32
        The field at the centres of the window's pixels.
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

"""Where the phantom's tissue lies, and what it is made of: nests, stroma, infiltrates, fibres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.phantom.textures import Coordinates, interpolate, texture

#: Width of the features of a texture in texels, and how many texels it takes to rise and fall once.
_SIGMA, _WAVE = 4.0, 16.0

#: Centre and radii of each piece of tissue as shares of height and width.
Pieces = tuple[tuple[tuple[float, float], tuple[float, float]], ...]

#: The edge of the slide cuts two of the three.
_PIECES: Pieces = (
    ((0.50, 0.40), (0.46, 0.37)),
    ((0.66, 0.96), (0.30, 0.17)),
    ((0.00, 0.90), (0.22, 0.13)),
)


@dataclass(frozen=True)
class Anatomy:
    """The tissue of a phantom, as fields over the level-0 pixels of the slide.

    Attributes
    ----------
    shape : (int, int)
        Height and width of level 0 in pixels.
    mpp : float
        µm per level-0 pixel.
    seed : int
        Anatomies of equal numbers and an equal seed are equal.
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
        """Read one of four smooth noises at level-0 pixels, stretched to a wavelength in µm."""
        scale = self.mpp * _WAVE / wave_um
        return interpolate(
            self._noise[index], np.asarray(rows) * scale, np.asarray(columns) * scale
        )

    def _pieces(self, pieces: Pieces, rows: Coordinates, columns: Coordinates) -> Any:
        """Return about how far inside rough-edged ellipses points lie, in µm."""
        height, width = self.shape
        side_um = min(self.shape) * self.mpp
        depth = np.max(
            [
                1 - np.hypot((rows / height - row) / tall, (columns / width - column) / wide)
                for (row, column), (tall, wide) in pieces
            ],
            axis=0,
        )
        rough = min(1.0, side_um / 600)
        return depth * 0.4 * side_um + rough * (
            30 * self._wave(0, 350, rows, columns)
            + 9 * self._wave(1, 80, rows, columns)
            + 3 * self._wave(2, 20, rows, columns)
        )

    def tissue(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return about how far inside the tissue points lie, in µm; negative on glass.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm.
        """
        inside = self._pieces(_PIECES, rows, columns)
        lumen = 14 * (1.75 - self._wave(3, 130, rows, columns))
        row, column, radius = self.sheet
        solid = (radius - np.hypot(rows - row, columns - column)) * self.mpp
        return np.maximum(np.minimum(inside, lumen), solid)

    def epithelium(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number that is positive in nests of epithelium, negative in stroma.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            Without a unit: mean -0.15, standard deviation about 1.2.
        """
        rim = self._wave(3, 130, rows, columns)
        return 0.8 * self._wave(1, 420, rows, columns) + 0.9 * rim - 0.15

    def inflammation(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number that is positive where inflammatory cells crowd.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            Without a unit: mean -0.5, standard deviation about 1.
        """
        return self._wave(2, 500, rows, columns) - 0.5

    def cloud(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a number around 0 by which the eosin varies from cell to cell.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            Without a unit: mean 0, standard deviation about 1.
        """
        return self._wave(3, 28, rows, columns)

    def across(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return the distance across the fibres in µm; its contour lines are the fibres.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm, from an arbitrary origin.
        """
        bent = 45 * self._wave(0, 450, rows, columns)
        return self.mpp * (0.82 * np.asarray(rows) - 0.57 * np.asarray(columns)) + bent

    def along(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return the distance along the fibres in µm.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm, from an arbitrary origin.
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
            -π to π; 0 along a row, π/2 along a column.
        """
        step = 8.0
        down = self.across(row + step, column) - self.across(row - step, column)
        right = self.across(row, column + step) - self.across(row, column - step)
        return float(np.arctan2(-right, down))

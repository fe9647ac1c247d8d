"""The anatomy of the scene ``tissue``: organs in a stroma that flows around them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from nucwsi.grid import Window
from nucwsi.phantom.anatomy import Anatomy, Pieces
from nucwsi.phantom.organs import Organs
from nucwsi.phantom.textures import Coordinates

#: The two pieces of tissue, of which the edge of the slide cuts one, and the corner that holds what
#: breaks tiled segmentation.
_PIECES: Pieces = (((0.49, 0.345), (0.47, 0.345)), ((0.08, 0.92), (0.33, 0.20)))
_CORNER: Pieces = (((0.75, 0.85), (0.22, 0.145)),)
#: How deep inside its piece the centre of an organ lies at least, in µm.
_DEEP_UM = 12.0
#: Distance in µm over which the fibres turn to run along an organ.
_TURN_UM = 12.0


class Tissue(Anatomy):
    """Tissue with glands, nests of epithelium, vessels, fat and lymph follicles."""

    @cached_property
    def organs(self) -> Organs:
        """The organs of the slide."""
        return Organs(self.seed, self.mpp, self._kind_at)

    def _kind_at(self, lattice: int, row: float, column: float, share: float) -> str:
        """Return the kind of the organ at a site, or an empty string."""
        if self._pieces(_PIECES, row, column) < _DEEP_UM or self.corner(row, column) > -_DEEP_UM:
            return ""
        fatty = -self._wave(2, 620, row, column) - 1.0
        if lattice == 0:
            return "follicle" if share < 0.45 and fatty < -0.3 else ""
        if lattice == 2:
            return "fat" if fatty > 0 else ""
        if fatty > -0.1:
            return "vessel" if share < 0.15 else ""
        crowd = self._wave(1, 900, row, column)
        if share < 0.10:
            return "vessel"
        if share > (0.97 if crowd > -0.5 else 0.45):
            return ""
        return "nest" if self._wave(0, 1000, row, column) < 0.6 else "gland"

    def corner(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return about how far inside the corner of hard cases points lie, in µm.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm; negative outside.
        """
        return self._pieces(_CORNER, rows, columns)

    def tissue(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return about how far inside the tissue points lie, in µm; see `Anatomy.tissue`.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm; negative on glass.
        """
        return self._pieces(_PIECES + _CORNER, rows, columns)

    def outside(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return how far points lie from the nearest organ.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm; negative inside an organ, and 60 where none is nearer.
        """
        rows, columns = np.asarray(rows, float), np.asarray(columns, float)
        far = np.full(np.broadcast_shapes(rows.shape, columns.shape), 60.0)
        if not far.size:
            return far
        low = np.floor((rows.min(), columns.min())).astype(int)
        high = np.ceil((rows.max(), columns.max())).astype(int)
        window = Window(int(low[0]), int(low[1]), *(int(side) + 1 for side in high - low))
        for organ in self.organs.near(window.grown(round(60 / self.mpp))):
            far = np.minimum(far, organ.reach(rows, columns)[1] * self.mpp)
        return far

    def epithelium(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return a negative number: epithelium is in organs alone, see `Anatomy.epithelium`.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            -1 everywhere.
        """
        return np.full(np.broadcast_shapes(np.shape(rows), np.shape(columns)), -1.0)

    def across(self, rows: Coordinates, columns: Coordinates) -> Any:
        """Return the distance across the fibres, which flow around organs; see `Anatomy.across`.

        Parameters
        ----------
        rows, columns : (H, 1) and (1, W) ndarray of float
            Level-0 pixels; any two shapes that broadcast against each other.

        Returns
        -------
        (H, W) ndarray of float
            µm, from an arbitrary origin.
        """
        near = np.exp(-np.maximum(self.outside(rows, columns), 0) / _TURN_UM)
        wavy = 2.6 * self._wave(1, 38, rows, columns)
        return super().across(rows, columns) + wavy + 24 * near

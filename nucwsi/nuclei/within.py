"""Nuclei of drawn regions alone: which are kept, and which might have looked different.

The network is asked a little beyond the regions. A nucleus is cut out of all that it touches, so
that a clump which goes on beyond what was analysed might be cut otherwise if all of it were seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Frame, Window
from nucwsi.nuclei.pixels import Pixels, touches_end

#: Distance by which the network looks beyond the drawn regions, in µm.
REGION_MARGIN_UM = 64.0


class Within:
    """The only area whose nuclei are kept.

    Parameters
    ----------
    area : shapely.Geometry
        Polygons, x and y in level-0 pixels.
    frame : Frame
        How the canvas lies on the slide.
    """

    def __init__(self, area: Any, frame: Frame) -> None:
        shapely.prepare(area)
        self._area, self._frame = area, frame
        # What ends nearer to the regions ends with the tissue, as in an analysis of all of it.
        self._far_px = REGION_MARGIN_UM / 2 / max(frame.level0_mpp)

    def holds(self, column: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which centroids the area covers, boundary included, as regions own nuclei.

        Parameters
        ----------
        column, row : (N,) ndarray of float64
            Centroids in level-0 pixels.

        Returns
        -------
        (N,) ndarray of bool
            True for nuclei to keep.
        """
        return np.asarray(shapely.intersects_xy(self._area, column, row))

    def cut_off(
        self, components: Pixels, count: int, tissue: NDArray[np.bool_], window: Window
    ) -> NDArray[np.bool_]:
        """Return which clumps go on beyond what was analysed.

        Parameters
        ----------
        components : Pixels
            Clumps of touching nuclei, in pixels of the window.
        count : int
            Number of clumps; all numbers from 1 on occur.
        tissue : (H + 2, W + 2) ndarray of bool
            Where the network was asked, in the window and one pixel around it.
        window : Window
            In canvas pixels.

        Returns
        -------
        (count + 1,) ndarray of bool
            For each number; False for 0, the background.
        """
        cut = np.zeros(count + 1, bool)
        ends = np.flatnonzero(touches_end(components, tissue))
        if len(ends):
            row, column = np.divmod(components.place[ends], window.width)
            middles = np.column_stack([row + window.row, column + window.column]) + 0.5
            y, x = self._frame.to_level0(middles).T
            far = shapely.distance(self._area, shapely.points(x, y)) > self._far_px
            cut[components.label[ends[far]]] = True
        return cut

"""From the nuclei of a window, in canvas pixels, to rows of the table, in level-0 pixels and µm."""

from __future__ import annotations

import numpy as np
import shapely

from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame, Window
from nucwsi.nuclei.morphometry import shapes
from nucwsi.nuclei.polygons import window_to_level0
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.window import Nuclei
from nucwsi.nuclei.within import Within


def on_slide(nuclei: Nuclei, window: Window, frame: Frame, escalated: bool) -> NucleusTable:
    """Convert the nuclei of a window to rows of the slide's table.

    Parameters
    ----------
    nuclei : Nuclei
        In pixels of the window.
    window : Window
        Where they were found, in canvas pixels.
    frame : Frame
        How the canvas lies on the slide.
    escalated : bool
        Whether they could not be cut out as a whole at first; see `NucleusTable`.

    Returns
    -------
    NucleusTable
        One row for each nucleus, in the same order.
    """
    row, column = np.divmod(nuclei.first_px, window.width)
    polygons, perimeter_px = nuclei.outlines
    measured = shapes(polygons, perimeter_px)
    offset = (window.row, window.column)
    outlines = window_to_level0(polygons, offset, frame.scale, frame.origin_px)
    centroids = shapely.get_coordinates(shapely.centroid(outlines))
    return NucleusTable(
        id=(row + window.row) * frame.shape[1] + column + window.column,
        row=centroids[:, 1],
        column=centroids[:, 0],
        class_code=nuclei.class_code,
        class_probabilities=nuclei.class_probabilities,
        contrasts=nuclei.contrasts,
        area_um2=(measured.area * frame.mpp**2).astype(np.float32),
        perimeter_um=(perimeter_px * frame.mpp).astype(np.float32),
        major_axis_um=nuclei.major_axis_px * np.float32(frame.mpp),
        minor_axis_um=nuclei.minor_axis_px * np.float32(frame.mpp),
        circularity=measured.circularity,
        solidity=measured.solidity,
        np_mean=nuclei.np_mean,
        at_edge=nuclei.at_edge,
        escalated=np.full(len(row), escalated),
        geometry=shapely.to_wkb(outlines),
        bounds=shapely.bounds(outlines),
    )


def within_of(facts: SlideFacts) -> Within | None:
    """Return the only area whose nuclei are kept.

    Parameters
    ----------
    facts : SlideFacts
        Those of the maps.

    Returns
    -------
    Within or None
        None where all nuclei are kept.
    """
    if not facts.only_within:
        return None
    return Within(shapely.from_wkb(facts.only_within), facts.frame)

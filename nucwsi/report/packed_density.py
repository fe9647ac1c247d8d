"""Density maps of a slide, small enough to be carried in a page."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Frame
from nucwsi.report.density import density_cell_um, density_maps, tissue_mask


def slide_density(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    class_code: NDArray[np.uint8],
    n_classes: int,
    pieces: NDArray[np.object_],
    frame: Frame,
    max_cells: int,
) -> tuple[NDArray[np.float32], float]:
    """Map the density of each class over a slide.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids in canvas pixels.
    class_code : (N,) ndarray of uint8
    n_classes : int
    pieces : (P,) ndarray of shapely.Polygon
        Tissue; x, y in canvas pixels.
    frame : Frame
    max_cells : int
        Cells along the long side, at most.

    Returns
    -------
    maps : (C, H, W) ndarray of float32
        Nuclei per mm² of tissue; NaN where there is no tissue.
    cell_um : float
        Side of a cell in µm.
    """
    cell_um = density_cell_um(frame.shape, frame.mpp, max_cells)
    cell_px = cell_um / frame.mpp
    height, width = (max(1, -int(-side // cell_px)) for side in frame.shape)
    tissue = tissue_mask(pieces, (height, width), cell_px)
    maps = density_maps(row / cell_px, column / cell_px, class_code, n_classes, tissue, cell_um)
    return maps, cell_um


def packed_density(maps: NDArray[np.floating], cell_um: float) -> dict[str, Any]:
    """Pack density maps.

    Parameters
    ----------
    maps : (C, H, W) ndarray of float
        Nuclei per mm²; NaN where there is no tissue.
    cell_um : float

    Returns
    -------
    dict
        ``cell_um``, ``shape``, ``top`` (the highest density) and ``data``: each cell as a byte, 0
        where there is no tissue, else 1 + 254 * sqrt(density / top); compressed (zlib), base64.
    """
    known = np.isfinite(maps)
    top = float(maps[known].max(initial=1.0))
    level = np.sqrt(np.where(known, maps, 0).clip(0) / top)
    stored = np.where(known, 1 + np.rint(254 * level), 0).astype(np.uint8)
    data = base64.b64encode(zlib.compress(stored.tobytes(), 9)).decode()
    return {"cell_um": cell_um, "shape": list(maps.shape), "top": top, "data": data}


def unpacked_density(packed: dict[str, Any]) -> NDArray[np.float32]:
    """Undo `packed_density`.

    Parameters
    ----------
    packed : dict

    Returns
    -------
    (C, H, W) ndarray of float32
        Nuclei per mm², to within a percent of ``top``; NaN where there is no tissue.
    """
    data = zlib.decompress(base64.b64decode(packed["data"]))
    stored = np.frombuffer(data, np.uint8).reshape(packed["shape"]).astype(np.float32)
    density = np.float32(packed["top"]) * ((stored - 1) / 254) ** 2
    return np.where(stored > 0, density, np.float32(np.nan))

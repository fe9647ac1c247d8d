"""Density maps: nuclei of each class per mm² of tissue, on a coarse grid over the canvas."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.grid import Frame

#: Smallest side of a cell, in µm.
_MIN_CELL_UM = 25.0

#: Standard deviation of the Gaussian that smooths a map: in µm, but at least so many cells.
_SIGMA_UM, _MIN_SIGMA_CELLS = 50.0, 1.5

#: A cell has no density where less than this share of the Gaussian's weight lies on tissue.
_MIN_TISSUE = 0.02


def density_cell_um(shape: tuple[int, int], mpp: float, max_cells: int) -> float:
    """Return the side of a cell for the density maps of a canvas.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    mpp : float
        µm per canvas pixel.
    max_cells : int
        Largest number of cells along the long side of the canvas.

    Returns
    -------
    float
        Side in µm, at least 25.
    """
    return max(_MIN_CELL_UM, max(shape) * mpp / max_cells)


def tissue_mask(
    pieces: NDArray[np.object_], shape: tuple[int, int], cell_px: float
) -> NDArray[np.bool_]:
    """Rasterise the tissue onto a coarse grid.

    Parameters
    ----------
    pieces : (P,) ndarray of shapely.Polygon
        Outlines of the tissue; x and y in canvas pixels.
    shape : (int, int)
        Rows and columns of cells.
    cell_px : float
        Side of a cell in canvas pixels.

    Returns
    -------
    (H, W) ndarray of bool
        Cells whose centre lies on tissue.
    """
    scaled = shapely.transform(pieces, lambda xy: xy / cell_px)
    shapes = [piece for piece in scaled if not piece.is_empty]
    if not shapes:
        return np.zeros(shape, bool)
    # The report draws densities that are counted already, and does without this import.
    from rasterio.features import rasterize

    return rasterize(shapes, out_shape=shape, dtype="uint8") > 0


def density_maps(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    class_code: NDArray[np.uint8],
    n_classes: int,
    tissue: NDArray[np.bool_],
    cell_um: float,
) -> NDArray[np.float32]:
    """Map the density of each class over a grid of cells.

    Counts and tissue are smoothed with the same Gaussian and then divided, so that the density does
    not fall towards the edge of the tissue (normalised convolution: Knutsson and Westin, CVPR
    1993).

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids of the nuclei, in cells.
    class_code : (N,) ndarray of uint8
        Index of each nucleus' class, 0 to C - 1.
    n_classes : int
        Number C of classes.
    tissue : (H, W) ndarray of bool
        Cells that lie on tissue.
    cell_um : float
        Side of a cell in µm.

    Returns
    -------
    (C, H, W) ndarray of float32
        Nuclei per mm² of tissue in each cell; NaN where there is no tissue.
    """
    height, width = tissue.shape
    at_row = np.clip(row, 0, height - 1).astype(np.int64)
    at_column = np.clip(column, 0, width - 1).astype(np.int64)
    index = (class_code * np.int64(height) + at_row) * width + at_column
    counts = np.bincount(index, minlength=n_classes * height * width)
    layers = counts.reshape(n_classes, height, width).astype(np.float32)
    sigma = max(_MIN_SIGMA_CELLS, _SIGMA_UM / cell_um)
    # The outline of the tissue is coarse: a cell that holds nuclei counts as tissue, too.
    covered = tissue | (layers.sum(axis=0) > 0)
    weight = ndimage.gaussian_filter(covered.astype(np.float32), sigma, mode="constant")
    smooth = ndimage.gaussian_filter(layers, (0, sigma, sigma), mode="constant")
    known = covered & (weight > _MIN_TISSUE)
    undefined = np.full(layers.shape, np.nan, np.float32)
    mm2 = (cell_um / 1000) ** 2
    where = np.broadcast_to(known, layers.shape)
    return np.divide(smooth, weight * mm2, out=undefined, where=where)


def slide_density(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    class_code: NDArray[np.uint8],
    n_classes: int,
    pieces: NDArray[np.object_],
    frame: Frame,
    max_cells: int,
) -> tuple[NDArray[np.float32], float]:
    """Map the density of each class over the whole canvas of a slide.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids of the nuclei in canvas pixels.
    class_code : (N,) ndarray of uint8
        Index of each nucleus' class, 0 to C - 1.
    n_classes : int
        Number C of classes.
    pieces : (P,) ndarray of shapely.Polygon
        Outlines of the tissue; x and y in canvas pixels.
    frame : Frame
        Shape and mpp of the canvas.
    max_cells : int
        Largest number of cells along the long side of the canvas.

    Returns
    -------
    maps : (C, H, W) ndarray of float32
        Nuclei per mm² of tissue in each cell; NaN where there is no tissue.
    cell_um : float
        Side of a cell in µm.
    """
    cell_um = density_cell_um(frame.shape, frame.mpp, max_cells)
    cell_px = cell_um / frame.mpp
    height, width = (max(1, -int(-side // cell_px)) for side in frame.shape)
    tissue = tissue_mask(pieces, (height, width), cell_px)
    maps = density_maps(row / cell_px, column / cell_px, class_code, n_classes, tissue, cell_um)
    return maps, cell_um

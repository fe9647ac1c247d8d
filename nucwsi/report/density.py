"""How dense the nuclei of each class lie, as maps."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage

#: Cells of a map are not smaller than this.
_MIN_CELL_UM = 25.0

#: Standard deviation of the Gaussian that smooths a map, in µm and at least so many cells.
_SIGMA_UM, _MIN_SIGMA_CELLS = 50.0, 1.5

#: Where the window holds less tissue than this share, the density is not defined.
_MIN_TISSUE = 0.02


def density_cell_um(shape: tuple[int, int], mpp: float, max_cells: int) -> float:
    """Return the side of the cells that suits a canvas.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the canvas in pixels.
    mpp : float
        µm per canvas pixel.
    max_cells : int
        Cells along the long side, at most.

    Returns
    -------
    float
        In µm.
    """
    return max(_MIN_CELL_UM, max(shape) * mpp / max_cells)


def tissue_mask(
    pieces: NDArray[np.object_], shape: tuple[int, int], cell_px: float
) -> NDArray[np.bool_]:
    """Lay the tissue on a coarse grid.

    Parameters
    ----------
    pieces : (P,) ndarray of shapely.Polygon
        x, y in canvas pixels.
    shape : (int, int)
        Rows and columns of cells.
    cell_px : float
        Side of a cell in canvas pixels.

    Returns
    -------
    (H, W) ndarray of bool
        Cells whose centre is tissue.
    """
    scaled = shapely.transform(pieces, lambda xy: xy / cell_px)
    shapes = [piece for piece in scaled if not piece.is_empty]
    if not shapes:
        return np.zeros(shape, bool)
    return rasterize(shapes, out_shape=shape, dtype="uint8") > 0


def density_maps(
    row: NDArray[np.floating],
    column: NDArray[np.floating],
    class_code: NDArray[np.uint8],
    n_classes: int,
    tissue: NDArray[np.bool_],
    cell_um: float,
) -> NDArray[np.float32]:
    """Map the density of each class.

    Counts and tissue are smoothed alike and then divided, so that the edge of the tissue does not
    look sparse (normalised convolution: Knutsson and Westin, CVPR 1993).

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Centroids, in cells.
    class_code : (N,) ndarray of uint8
    n_classes : int
    tissue : (H, W) ndarray of bool
        Which cells are tissue.
    cell_um : float
        Side of a cell in µm.

    Returns
    -------
    (C, H, W) ndarray of float32
        Nuclei per mm² of tissue; NaN where there is no tissue.
    """
    height, width = tissue.shape
    at_row = np.clip(row, 0, height - 1).astype(np.int64)
    at_column = np.clip(column, 0, width - 1).astype(np.int64)
    index = (class_code * np.int64(height) + at_row) * width + at_column
    counts = np.bincount(index, minlength=n_classes * height * width)
    layers = counts.reshape(n_classes, height, width).astype(np.float32)
    sigma = max(_MIN_SIGMA_CELLS, _SIGMA_UM / cell_um)
    # Nuclei just outside of the rough outline belong to the tissue as well.
    covered = tissue | (layers.sum(axis=0) > 0)
    seen = ndimage.gaussian_filter(covered.astype(np.float32), sigma, mode="constant")
    smooth = ndimage.gaussian_filter(layers, (0, sigma, sigma), mode="constant")
    known = covered & (seen > _MIN_TISSUE)
    undefined = np.full(layers.shape, np.nan, np.float32)
    mm2 = (cell_um / 1000) ** 2
    return np.divide(smooth, seen * mm2, out=undefined, where=np.broadcast_to(known, layers.shape))

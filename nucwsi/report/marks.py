"""What the overview of a slide marks, each with its area; here also which parts are folds."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2hed

from nucwsi.report.assessment import Mark, MarkKind
from nucwsi.report.imagery import svg_path
from nucwsi.slide.blocks import blocks, sampled, without_small

#: A fold lies double: both stains are at least this many times as dense as in the median of the
#: tissue. Dense tumour has more haematoxylin alone, blood and colloid more eosin.
_FOLD = 1.8

#: Colours that are taken apart into stains at once: it takes a hundred bytes for each.
_AT_ONCE = 1 << 18

#: Folds and strokes of a pen are larger than this, in mm²; horn, vessels and dust are smaller.
_MIN_MM2 = 0.02


def fold_mask(overview: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find tissue that lies double.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        The slide in RGB, about 8 µm per pixel.
    tissue : (H, W) ndarray of bool
        Pixels of the overview that are tissue.

    Returns
    -------
    (H, W) ndarray of bool
        Where both stains are about twice as dense as usual on this slide, without single pixels.

    References
    ----------
    Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291 (the stains).
    """
    if not tissue.any():
        return np.zeros_like(tissue)
    usual = _usual_stains(sampled(overview, tissue))
    opened = np.empty_like(tissue)
    for block in blocks(tissue.shape):
        stains = rgb2hed(overview[block.around])[..., :2]
        double = (stains > _FOLD * np.maximum(usual, 0)).all(axis=2) & tissue[block.around]
        opened[block.own] = ndimage.binary_opening(double)[block.within]
    return opened


def _usual_stains(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the medians of both stains, (2,), over colours (N, 3); a part of them at a time."""
    stains = np.empty((len(colours), 2))
    for start in range(0, len(colours), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        stains[part] = rgb2hed(colours[part])[:, :2]
    return np.array([np.median(stain) for stain in stains.T])


def large_parts(mask: NDArray[np.bool_], cell_um: float) -> NDArray[np.bool_]:
    """Leave out the parts of a mask that are too small for a fold or a stroke of a pen.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        Any mask.
    cell_um : float
        Side of a pixel in µm.

    Returns
    -------
    (H, W) ndarray of bool
        Connected parts of at least 0.02 mm².
    """
    return without_small(mask, _MIN_MM2 / (cell_um / 1000) ** 2)


def mark_of(
    kind: MarkKind, mask: NDArray[np.bool_], cell_um: float, thumbnail_mpp: float
) -> Mark | None:
    """Draw a mask over the overview.

    Parameters
    ----------
    kind : str
        What the mask shows.
    mask : (H, W) ndarray of bool
        Cells over the whole canvas, from its upper left corner.
    cell_um : float
        Side of a cell in µm.
    thumbnail_mpp : float
        µm per pixel of the overview.

    Returns
    -------
    Mark or None
        Area and outline; None if the mask is empty.
    """
    if not mask.any():
        return None
    shapes = rasterio.features.shapes(np.ascontiguousarray(mask).view(np.uint8), mask)
    outlines = np.array([shapely.geometry.shape(shape) for shape, _ in shapes], object)
    scale = cell_um / thumbnail_mpp
    return Mark(
        kind=kind,
        area_mm2=float(mask.sum()) * (cell_um / 1000) ** 2,
        d=svg_path(outlines, (scale, scale), (0.0, 0.0)),
    )

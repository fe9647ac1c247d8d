"""Where on a slide the tissue lies, and whether the picture is one of brightfield H&E at all.

All thresholds are fixed: a statistic such as Otsu's finds tissue on bare glass as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray
from scipy import ndimage

#: Optical density of green above the glass from which on something is there; pale eosin has 0.1.
_MIN_DENSITY = 0.06

#: Difference between the densities of two colours, above the glass', from which on it is stained.
_MIN_COLOUR = 0.05

#: Ink that absorbs more red than green, as no stain of H&E does, by this many grey levels.
_INK_CONTRAST = 18

#: Nothing in H&E averages to less than this over a pixel of the overview.
_BLACK = 40


class Piece(NamedTuple):
    """One connected piece of tissue.

    Attributes
    ----------
    area_px : int
        In pixels of the mask.
    outline : shapely.Polygon
        With holes, along pixel edges of the mask; x, y.
    """

    area_px: int
    outline: shapely.Polygon


def looks_fluorescent(overview: NDArray[np.uint8]) -> bool:
    """Tell whether the background is dark.

    Black padding round a brightfield scan does not count: what is not black there is bright.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8

    Returns
    -------
    bool
    """
    brightness = overview.max(axis=2)
    dark = brightness < 60
    return (
        bool(dark.mean() > 0.5 and (brightness[~dark] > 170).mean() < 0.3) if dark.any() else False
    )


def looks_miscoloured(overview: NDArray[np.uint8]) -> bool:
    """Tell whether YCbCr was taken for RGB: then green and blue hover about 128 everywhere.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8

    Returns
    -------
    bool
    """
    _, green, blue = (overview[..., channel].astype(np.int16) for channel in range(3))
    glass = overview.max(axis=2) >= np.quantile(overview.max(axis=2), 0.9)
    near = (np.abs(green - 128) < 24) & (np.abs(blue - 128) < 24)
    return bool(near[glass].mean() > 0.8)


def _glass(overview: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Estimate the colour of glass: bright, nearly grey, and the brightest such there is."""
    flat = overview.reshape(-1, 3).astype(np.int16)
    low, high = flat.min(axis=1), flat.max(axis=1)
    candidates = flat[(low > 190) & (high - low < 26)]
    if len(candidates) < max(16, len(flat) // 1000):
        return np.array([244.0, 244.0, 244.0])
    level = candidates.sum(axis=1)
    return np.median(candidates[level >= np.quantile(level, 0.5)], axis=0)


def find_tissue(overview: NDArray[np.uint8], min_area_px: int) -> NDArray[np.bool_]:
    """Find the tissue on an overview of about 8 µm per pixel.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB; glass and missing data are white.
    min_area_px : int
        Smaller pieces are dust.

    Returns
    -------
    (H, W) ndarray of bool
    """
    density = -np.log((overview.astype(np.float32) + 1) / (_glass(overview).astype(np.float32) + 1))
    red, green, blue = (density[..., channel] for channel in range(3))
    colour = green - np.minimum(red, blue)
    tissue = (green > _MIN_DENSITY) & (colour > _MIN_COLOUR)
    # Dense nuclei are nearly as dark in red as in green.
    tissue |= (green > 4 * _MIN_DENSITY) & (green >= red - 0.05)
    levels = overview.astype(np.int16)
    ink = (levels[..., 1] - levels[..., 0] > _INK_CONTRAST) | (levels.max(axis=2) < _BLACK)
    ink = ndimage.binary_opening(ink)
    tissue &= ~ndimage.binary_dilation(ink, iterations=2)
    tissue = ndimage.binary_closing(np.pad(tissue, 3), iterations=3)[3:-3, 3:-3] | tissue
    tissue &= ~ink
    tissue = ndimage.binary_opening(tissue)
    labels, _ = ndimage.label(tissue, structure=np.ones((3, 3)))
    large = np.bincount(labels.ravel()) >= max(1, min_area_px)
    large[0] = False
    return large[labels]


def grown(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Grow a mask by a square neighbourhood.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
    reach_px : int

    Returns
    -------
    (H, W) ndarray of bool
    """
    if reach_px == 0:
        return mask
    return ndimage.maximum_filter(mask, size=2 * reach_px + 1, mode="constant")


def pieces(mask: NDArray[np.bool_]) -> list[Piece]:
    """Outline the connected pieces of a mask, the largest first.

    Parameters
    ----------
    mask : (H, W) ndarray of bool

    Returns
    -------
    list of Piece
    """
    found = [
        Piece(round(outline.area), outline)
        for geometry, _ in rasterio.features.shapes(mask.astype(np.uint8), mask=mask)
        for outline in [shapely.geometry.shape(geometry)]
    ]
    return sorted(found, key=lambda piece: (-piece.area_px, piece.outline.bounds))

"""Whether outlines of another program lie on the slide as nuclei do, or by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from nucwsi.grid import Frame, Window
from nucwsi.nuclei.validity import Geometries

#: By how many pixels rounding, level by level, may change a side of an image.
_ROUNDING_PX = 2

#: Programs work at a multiple of this many µm per pixel, but for so large a share.
_STEP_UM, _STEP_SHARE = 0.05, 2e-3

#: At most so many nuclei are looked up in the tissue; all of a million would tell the same.
_LOOKED_UP = 20_000

#: How far around an outline its surroundings are looked at, in canvas pixels.
_RING_PX = 6


def image_scale(size_px: tuple[int, int], shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return how many level-0 pixels a pixel of an image has, if it shows the whole slide.

    Parameters
    ----------
    size_px : (int, int)
        Height and width of the image.
    shape : (int, int)
        Height and width of level 0.

    Returns
    -------
    (2,) ndarray of float64, or None
        Along x and y; None if the proportions differ by more than what rounding explains.
    """
    size, whole = np.array(size_px, float), np.array(shape, float)
    low = whole / (size + _ROUNDING_PX)
    high = whole / np.maximum(size - _ROUNDING_PX, 1e-9)
    return (whole / size)[::-1] if low.max() <= high.min() else None


def is_usual_scale(
    size_px: tuple[int, int], levels: Sequence[tuple[int, int]], um_per_px: float
) -> bool:
    """Return whether an image is as large as programs make it of a whole slide.

    Parameters
    ----------
    size_px : (int, int)
        Height and width of the image.
    levels : sequence of (int, int)
        Height and width of each level of the slide.
    um_per_px : float
        What a pixel of the image measures if it shows the whole slide, in µm.

    Returns
    -------
    bool
        Whether it is a level, or one reduced or enlarged by a whole number, or has a round number
        of µm per pixel. A part of a slide hardly ever is, though its proportions may be the same.
    """
    steps = um_per_px / _STEP_UM
    if round(steps) and abs(steps / round(steps) - 1) <= _STEP_SHARE:
        return True
    size = np.array(size_px, float)
    for level in levels:
        for small, large in ((size, np.array(level)), (np.array(level), size)):
            factor = max(1, round(float((large / small).mean())))
            if (np.abs(large / factor - small) <= _ROUNDING_PX).all():
                return True
    return False


class Placement(NamedTuple):
    """How outlines lie on a slide.

    Attributes
    ----------
    median_um2 : float
        Median of their areas, in µm².
    on_glass : float
        Share of them whose centroid is in no tissue, 0 to 1; 0 where no tissue is known.
    tissue_reached : float
        Share of the tissue's area in their common bounding box; 1 where no tissue is known.
    """

    median_um2: float
    on_glass: float
    tissue_reached: float


def placement(polygons: Geometries, tissue: Sequence[shapely.Polygon], frame: Frame) -> Placement:
    """Compare outlines with the tissue and with the size of nuclei.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        At least one outline of an area above 0; x and y in level-0 pixels.
    tissue : sequence of shapely.Polygon
        Pieces of tissue, x and y in level-0 pixels.
    frame : Frame
        Says how large a level-0 pixel is.

    Returns
    -------
    Placement
        Of a sample, where there are many nuclei.
    """
    median = float(np.median(shapely.area(polygons))) * frame.level0_pixel_um2
    if not len(tissue):
        return Placement(median, 0.0, 1.0)
    sample = sampled(polygons, _LOOKED_UP)
    found = shapely.STRtree(list(tissue)).query(shapely.centroid(sample), predicate="intersects")
    box = shapely.box(*shapely.total_bounds(polygons))
    pieces = np.array(tissue, object)
    reached = shapely.area(shapely.intersection(pieces, box)).sum() / shapely.area(pieces).sum()
    return Placement(median, 1 - len(np.unique(found[0])) / len(sample), float(reached))


def sampled(polygons: Geometries, most: int) -> Geometries:
    """Return some of the outlines, evenly spread over their list.

    Parameters
    ----------
    polygons : (N,) ndarray of shapely.Polygon
        At least one.
    most : int
        Largest number to return.

    Returns
    -------
    (K,) ndarray of shapely.Polygon
        All of them where N is at most `most`.
    """
    return polygons[np.unique(np.linspace(0, len(polygons) - 1, most).astype(int))]


def window_around(outline: shapely.Polygon) -> Window:
    """Return the window in which `is_darker` looks.

    Parameters
    ----------
    outline : shapely.Polygon
        x and y in canvas pixels.

    Returns
    -------
    Window
        In canvas pixels; holds the outline and what is close to it, and may reach off the canvas.
    """
    left, top, right, bottom = np.rint(outline.bounds).astype(int).tolist()
    pad = _RING_PX + 2
    return Window(top - pad, left - pad, bottom - top + 2 * pad, right - left + 2 * pad)


def is_darker(rgb: NDArray[np.uint8], window: Window, outline: shapely.Polygon) -> bool:
    """Return whether what an outline holds is darker in red than what is around it.

    Haematoxylin takes red from the light, so that a nucleus is.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        Pixels of `window`.
    window : Window
        In canvas pixels; see `window_around`.
    outline : shapely.Polygon
        x and y in canvas pixels.

    Returns
    -------
    bool
        True for nearly every nucleus, and for about every other outline that lies by chance.
    """
    red = rgb[..., 0].astype(np.float64)
    here = shapely.transform(outline, lambda xy: xy - [window.column, window.row])
    inside = rasterize([here], red.shape, all_touched=True) > 0
    around = (rasterize([here.buffer(_RING_PX)], red.shape) > 0) & ~inside
    return bool(red[inside].mean() < red[around].mean())

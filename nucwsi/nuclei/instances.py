"""From maps to instances: where two nuclei meet, where each begins, and which pixels it owns.

Everything here is local to a connected component of the nucleus mask and made of whole numbers
and fixed constants, so any window that holds a component whole gives it the same instances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation._watershed_cy import watershed_raveled

from nucwsi.nuclei.pixels import Pixels, connected_places, first_places

#: Pixels around a component that its edges depend on: half of the 3x3 Sobel filter.
EDGE_RADIUS_PX = 1

#: Edge strength of an `hv` map that falls by 1 per pixel: 127 grey levels times the Sobel weights.
_PER_SLOPE = 127 * 4 * 2


class Instances(NamedTuple):
    """Nuclei of one window.

    Attributes
    ----------
    pixels : Pixels
        Label k is the k-th nucleus.
    first_px : (N,) ndarray of int64
        For each nucleus the flat index in the window of its owner pixel: the first pixel in raster
        order of its marker, or of its component where that is one nucleus.
    """

    pixels: Pixels
    first_px: NDArray[np.int64]


def _pairs(values: NDArray[np.int16], axis: int, times: int) -> NDArray[np.int16]:
    """Add each pixel to the next along an axis, `times` over: binomial weights."""
    for _ in range(times):
        values = values[1:] + values[:-1] if axis == 0 else values[:, 1:] + values[:, :-1]
    return values


def edge_strength(hv_map: NDArray[np.int8]) -> NDArray[np.int16]:
    """Measure how steeply the position maps fall, which they only do where nuclei meet or end.

    Inside a nucleus the horizontal map rises from left to right and the vertical one from top to
    bottom; from one nucleus to the next they fall back. The 3x3 Sobel response is kept in whole
    numbers and never scaled by anything that the window holds. Wider filters smear the ends of
    short borders, through which small touching nuclei then grow together.

    Parameters
    ----------
    hv_map : (2, H, W) ndarray of int8
        Horizontal and vertical position, times 127.

    Returns
    -------
    (H, W) ndarray of int16
        Steepest fall of both maps, 0 where neither falls; see `slope_limit` for the unit.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.2 and equation 4; there
    the responses are scaled to the minimum and maximum of the tile.
    """
    reach = (EDGE_RADIUS_PX, EDGE_RADIUS_PX)
    padded = np.pad(hv_map, ((0, 0), reach, reach), mode="edge").astype(np.int16)
    # (1, 2, 1) across and (1, 0, -1) along; int16 holds 127 * 4 * 2.
    across = _pairs(padded[0], 0, 2), _pairs(padded[1], 1, 2)
    fall = np.maximum(across[0][:, :-2] - across[0][:, 2:], across[1][:-2] - across[1][2:])
    # Twice as fast as to compare with a number.
    return fall * (fall > 0)


def slope_limit(slope_per_px: float) -> int:
    """Return the edge strength of an `hv` map that falls by `slope_per_px` each pixel.

    Parameters
    ----------
    slope_per_px : float
        Positive for a fall.

    Returns
    -------
    int
    """
    return round(slope_per_px * _PER_SLOPE)


def split_components(
    components: Pixels,
    n_components: int,
    edges: NDArray[np.int16],
    edge_limit: int,
    min_marker_px: int,
    by_marker: bool = False,
) -> Instances:
    """Cut components into nuclei by a watershed from their markers.

    A component without or with one marker is one nucleus and needs no watershed.

    Parameters
    ----------
    components : Pixels
        Connected components (4-neighbours) of the nucleus mask.
    n_components : int
        Largest number in `components`; all from 1 on occur.
    edges : (H, W) ndarray of int16
        Of `edge_strength`.
    edge_limit : int
        Pixels of at least this strength belong to no marker.
    min_marker_px : int
        Smaller markers do not count.
    by_marker : bool
        The window cuts the components: nuclei are owned by their markers alone, and what has no
        marker here is not a nucleus here.

    Returns
    -------
    Instances

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.2.
    """
    shape, where, component = components
    calm = np.flatnonzero(edges.ravel()[where] < edge_limit)
    marker = np.zeros(len(where), np.int64)
    marker[calm], n_markers = connected_places(where[calm], shape[1])
    first = first_places(marker, n_markers)
    component_first = first_places(component, n_components)
    large = np.flatnonzero(np.bincount(marker, minlength=n_markers + 1)[1:] >= min_marker_px) + 1
    host = component[first[large]]
    crowded = (np.bincount(host, minlength=n_components + 1) > 1) | by_marker
    crowded[0] = False
    alone = np.flatnonzero(~crowded[1:]) + 1
    seeds = large[crowded[host]]

    number = np.zeros(n_components + 1, np.int64)
    number[alone] = np.arange(1, len(alone) + 1)
    label = number[component]
    if len(seeds):
        seed_number = np.zeros(n_markers + 1, np.int64)
        seed_number[seeds] = np.arange(1, len(seeds) + 1) + len(alone)
        wet = np.flatnonzero(crowded[component])
        lake = np.cumsum(crowded, dtype=np.int64)
        pixels = Pixels(shape, where[wet], lake[component[wet]])
        label[wet] = _flooded(pixels, int(lake[-1]), edges, seed_number[marker[wet]])
    kept = np.flatnonzero(label)
    first_px = where[np.concatenate([component_first[alone], first[seeds]])]
    return Instances(Pixels(shape, where[kept], label[kept]), first_px)


def _flooded(
    pixels: Pixels, count: int, edges: NDArray[np.int16], seeds: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Flood from the seeds; where pixels are equally steep, the one reached first goes first."""
    place, shape = _side_by_side(pixels, count)
    size, width = shape[0] * shape[1], shape[1]
    height, label, mask = np.zeros(size), np.zeros(size, np.int32), np.zeros(size, np.int8)
    # All seeds enter the queue at once, and those of equal height leave it in an order that depends
    # on the rest of the window. Made lower than everything and unequal, they leave in raster order.
    raster = np.arange(len(place)) - float(len(place))
    height[place] = np.where(seeds > 0, raster, edges.ravel()[pixels.place])
    label[place] = seeds
    mask[place] = 1
    # What `skimage.segmentation.watershed` calls after it has copied all this into a frame; to
    # import that function takes longer than to cut all nuclei of a small slide.
    neighbours = np.array([-width, -1, 1, width])
    strides = np.array([width, 1])
    watershed_raveled(height, np.flatnonzero(label), neighbours, mask, strides, 0, label, False)
    return label[place]


def _side_by_side(pixels: Pixels, count: int) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Move components next to each other, if that takes less room than where they are.

    Returns the place of each pixel in a window with a frame around it, and the window's shape.
    """
    row, column = np.divmod(pixels.place, pixels.shape[1])
    top, left, bottom, right = pixels.boxes(count).T
    stop = np.cumsum(right - left + 1)
    height, width = int((bottom - top).max()) + 2, int(stop[-1]) + 1
    if height * width < pixels.shape[0] * pixels.shape[1]:
        which = pixels.label - 1
        row = row - top[which]
        column = column + (stop - right)[which]
    else:
        height, width = pixels.shape[0] + 2, pixels.shape[1] + 2
        column = column + 1
    return (row + 1) * width + column, (height, width)

"""From maps to instances: where two nuclei meet, where each begins, and which pixels it owns.

Everything here is local to a connected component of the nucleus mask and made of whole numbers
and fixed constants, so any window that holds a component whole gives it the same instances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

#: Pixels around a component that its edges depend on: half of the 5x5 Sobel filter.
EDGE_RADIUS_PX = 2

#: Edge strength of an `hv` map that falls by 1 per pixel: 127 grey levels times the Sobel weights.
_PER_SLOPE = 127 * 16 * 8


class Instances(NamedTuple):
    """Nuclei of one window.

    Attributes
    ----------
    labels : (H, W) ndarray of int32
        0 is background, k the k-th nucleus.
    first_px : (N,) ndarray of int64
        For each nucleus the flat index in the window of its owner pixel: the first pixel in raster
        order of its marker, or of its component where that is one nucleus.
    """

    labels: NDArray[np.int32]
    first_px: NDArray[np.int64]


def _along(values: NDArray[np.int16], axis: int, weights: tuple[int, ...]) -> NDArray[np.int16]:
    """Correlate along one axis; the border is repeated outwards."""
    reach = len(weights) // 2
    padding = [(reach, reach) if a == axis else (0, 0) for a in range(2)]
    padded = np.pad(values, padding, mode="edge")
    size = values.shape[axis]
    total = np.zeros_like(values)
    for offset, weight in enumerate(weights):
        if weight:
            shifted = (
                padded[offset : offset + size] if axis == 0 else padded[:, offset : offset + size]
            )
            total += weight * shifted if weight != 1 else shifted
    return total


def edge_strength(hv_map: NDArray[np.int8]) -> NDArray[np.int16]:
    """Measure how steeply the position maps fall, which they only do where nuclei meet or end.

    Inside a nucleus the horizontal map rises from left to right and the vertical one from top to
    bottom; from one nucleus to the next they fall back. The 5x5 Sobel response is kept in whole
    numbers and never scaled by anything that the window holds.

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
    smooth, derive = (1, 4, 6, 4, 1), (-1, -2, 0, 2, 1)
    horizontal, vertical = hv_map.astype(np.int16)
    # The largest answer is 127 * 16 * 6, which int16 holds.
    fall_h = -_along(_along(horizontal, 0, smooth), 1, derive)
    fall_v = -_along(_along(vertical, 1, smooth), 0, derive)
    return np.maximum(np.maximum(fall_h, fall_v), 0)


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
    components: NDArray[np.int32],
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
    components : (H, W) ndarray of int32
        Connected components (4-neighbours) of the nucleus mask, 0 is background.
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
    markers, n_markers = ndimage.label((components > 0) & (edges < edge_limit))
    sizes = np.bincount(markers.ravel(), minlength=n_markers + 1)
    first = first_pixels(markers, n_markers)
    large = np.flatnonzero(sizes[1:] >= min_marker_px) + 1
    host = components.ravel()[first[large - 1]]
    crowded = (np.bincount(host, minlength=n_components + 1) > 1) | by_marker
    crowded[0] = False
    alone = np.flatnonzero(~crowded[1:]) + 1
    seeds = large[crowded[host]]

    number = np.zeros(n_components + 1, np.int32)
    number[alone] = np.arange(1, len(alone) + 1)
    labels = number[components]
    component_first = first_pixels(components, n_components)
    if len(seeds) == 0:
        return Instances(labels, component_first[alone - 1])
    seed_number = np.zeros(n_markers + 1, np.int32)
    seed_number[seeds] = np.arange(1, len(seeds) + 1) + len(alone)
    labels += _flooded(edges, seed_number[markers], crowded[components])
    return Instances(labels, np.concatenate([component_first[alone - 1], first[seeds - 1]]))


def _flooded(
    edges: NDArray[np.int16], seeds: NDArray[np.int32], mask: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Flood from the seeds; where pixels are equally steep, the one reached first goes first."""
    # All seeds enter the queue at once, and those of equal height leave it in an order that depends
    # on the rest of the window. Made lower than everything and unequal, they leave in raster order.
    height = edges.astype(np.float64)
    where = np.flatnonzero(seeds > 0)
    height.ravel()[where] = where - float(seeds.size)
    return watershed(height, seeds, mask=mask)


def first_pixels(labels: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Find the first pixel of each label in raster order.

    Parameters
    ----------
    labels : (H, W) ndarray of int
        0 is background.
    count : int
        Largest label.

    Returns
    -------
    (count,) ndarray of int64
        Flat index of label 1, 2, ...; -1 for a label that does not occur.
    """
    flat = labels.ravel()
    where = np.flatnonzero(flat > 0)[::-1]
    first = np.full(count + 1, -1, np.int64)
    # The last assignment wins: in reversed order, that of the first pixel.
    first[flat[where]] = where
    return first[1:]

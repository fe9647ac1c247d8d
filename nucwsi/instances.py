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

#: Pixels around a component that its edges depend on: half of the 3x3 Sobel filter.
EDGE_RADIUS_PX = 1

#: Edge strength of an `hv` map that falls by 1 per pixel: 127 grey levels times the Sobel weights.
_PER_SLOPE = 127 * 4 * 2


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
    fall_h = across[0][:, :-2] - across[0][:, 2:]
    fall_v = across[1][:-2] - across[1][2:]
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
    # Nuclei are a small part of most windows: from here on, lists of their pixels.
    where = np.flatnonzero(components > 0)
    marker, component = markers.ravel()[where], components.ravel()[where]
    first = _first(marker, where, n_markers)
    component_first = _first(component, where, n_components)
    large = np.flatnonzero(np.bincount(marker, minlength=n_markers + 1)[1:] >= min_marker_px) + 1
    host = components.ravel()[first[large]]
    crowded = (np.bincount(host, minlength=n_components + 1) > 1) | by_marker
    crowded[0] = False
    alone = np.flatnonzero(~crowded[1:]) + 1
    seeds = large[crowded[host]]

    number = np.zeros(n_components + 1, np.int32)
    number[alone] = np.arange(1, len(alone) + 1)
    label = number[component]
    if len(seeds):
        seed_number = np.zeros(n_markers + 1, np.int32)
        seed_number[seeds] = np.arange(1, len(seeds) + 1) + len(alone)
        wet = crowded[component]
        pixels = _Pixels(*np.divmod(where[wet], components.shape[1]), component[wet])
        label[wet] = _flooded(pixels, edges, seed_number[marker[wet]])
    labels = np.zeros(components.shape, np.int32)
    labels.ravel()[where] = label
    return Instances(labels, np.concatenate([component_first[alone], first[seeds]]))


class _Pixels(NamedTuple):
    """Pixels of some components, in raster order."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    component: NDArray[np.int32]


def _flooded(
    pixels: _Pixels, edges: NDArray[np.int16], seeds: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Flood from the seeds; where pixels are equally steep, the one reached first goes first."""
    row, column, shape = _side_by_side(pixels, edges.shape)
    height, seeded, mask = np.zeros(shape), np.zeros(shape, np.int32), np.zeros(shape, bool)
    # All seeds enter the queue at once, and those of equal height leave it in an order that depends
    # on the rest of the window. Made lower than everything and unequal, they leave in raster order.
    raster = np.arange(len(row)) - float(len(row))
    height[row, column] = np.where(seeds > 0, raster, edges[pixels.row, pixels.column])
    seeded[row, column] = seeds
    mask[row, column] = True
    return watershed(height, seeded, mask=mask)[row, column]


def _side_by_side(
    pixels: _Pixels, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, ...]]:
    """Move components next to each other, if that takes less room than where they are."""
    names, index = np.unique(pixels.component, return_inverse=True)
    top, left = np.full((2, len(names)), max(shape))
    bottom, right = np.zeros((2, len(names)), np.int64)
    np.minimum.at(top, index, pixels.row)
    np.minimum.at(left, index, pixels.column)
    np.maximum.at(bottom, index, pixels.row)
    np.maximum.at(right, index, pixels.column)
    stop = np.cumsum(right - left + 2)
    room = (int((bottom - top).max()) + 1, int(stop[-1]))
    if room[0] * room[1] >= shape[0] * shape[1]:
        return pixels.row, pixels.column, shape
    shift = stop - (right - left + 2) - left
    return pixels.row - top[index], pixels.column + shift[index], room


def _first(labels: NDArray[np.integer], where: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Find the first of the pixels `where` that has each label from 0 to `count`; -1 for none."""
    first = np.full(count + 1, -1, np.int64)
    # The last assignment wins: in reversed order, that of the first pixel.
    first[labels[::-1]] = where[::-1]
    return first


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
    where = np.flatnonzero(labels > 0)
    return _first(labels.ravel()[where], where, count)[1:]


def renumbered(labels: NDArray[np.int32], number: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give every label its new number.

    Parameters
    ----------
    labels : (H, W) ndarray of int32
        0 is background, and stays.
    number : (count + 1,) ndarray of int32
        For each label its new one; 0 takes it away.

    Returns
    -------
    (H, W) ndarray of int32
    """
    answer = np.zeros(labels.shape, np.int32)
    where = np.flatnonzero(labels > 0)
    answer.ravel()[where] = number[labels.ravel()[where]]
    return answer

"""From maps to instances: where two nuclei meet, and which pixels belong to which.

The instances of a connected component of the nucleus mask depend on the maps of that component
alone, by whole numbers and fixed constants. So every window that holds a component whole gives it
the same instances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation._watershed_cy import watershed_raveled

from nucwsi.nuclei.pixels import Pixels, connected_places, first_places

#: Pixels around a component that its edges depend on: the radius of the 3x3 Sobel filter.
EDGE_RADIUS_PX = 1

#: Edge strength of an `hv` map that falls by 1 per pixel: 127 grey levels times the Sobel weights.
_PER_SLOPE = 127 * 4 * 2


class Instances(NamedTuple):
    """N instances of one window.

    Attributes
    ----------
    pixels : Pixels
        The pixels of the instances in the window; label k is the k-th instance.
    first_px : (N,) ndarray of int64
        Flat index in the window of each instance's owner pixel: the first pixel in raster order of
        its marker, or of its component where that is one instance. It gives the nucleus its id.
    """

    pixels: Pixels
    first_px: NDArray[np.int64]


def _pairs(values: NDArray[np.int16], axis: int, times: int) -> NDArray[np.int16]:
    """Add each pixel of (H, W) to the next along an axis, several times: binomial weights."""
    for _ in range(times):
        values = values[1:] + values[:-1] if axis == 0 else values[:, 1:] + values[:, :-1]
    return values


def edge_strength(hv_map: NDArray[np.int8]) -> NDArray[np.int16]:
    """Measure how steeply the `hv` maps fall, which they do only where nuclei meet or end.

    Inside a nucleus the horizontal map rises from left to right and the vertical map from top to
    bottom; from one nucleus to the next they fall back. The 3x3 Sobel response is kept in whole
    numbers and not scaled to the range of the window, so that it is the same in every window. Wider
    filters would smear the ends of short borders, and small touching nuclei would grow together
    there.

    Parameters
    ----------
    hv_map : (2, H, W) ndarray of int8
        Horizontal and vertical position within the nucleus, -1 to 1 times 127.

    Returns
    -------
    (H, W) ndarray of int16
        The steeper fall of the two maps, 0 where neither falls; see `slope_limit` for the unit.

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
    # Twice as fast as `np.maximum(fall, 0)`.
    return fall * (fall > 0)


def slope_limit(slope_per_px: float) -> int:
    """Return the edge strength of an `hv` map that falls at a constant slope.

    Parameters
    ----------
    slope_per_px : float
        How much the map, which runs from -1 to 1, falls from one pixel to the next.

    Returns
    -------
    int
        In the unit of `edge_strength`.

    Examples
    --------
    >>> falling = np.zeros((2, 3, 5), np.int8)
    >>> falling[0] = [100, 90, 80, 70, 60]
    >>> edge_strength(falling)[1].tolist(), slope_limit(10 / 127)
    ([40, 80, 80, 80, 40], 80)
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
    """Cut components into instances by a watershed from their markers.

    A marker is a connected set of a component's pixels whose edges are weak. A component with one
    marker or none is one instance and needs no watershed.

    Parameters
    ----------
    components : Pixels
        The 4-connected components of the nucleus mask in a window.
    n_components : int
        Number of components; all numbers from 1 on occur.
    edges : (H, W) ndarray of int16
        Edge strength at each pixel of the window, as `edge_strength` returns it.
    edge_limit : int
        Pixels of at least this edge strength belong to no marker.
    min_marker_px : int
        Markers of fewer pixels do not count.
    by_marker : bool
        True if the window cuts the components. Then every instance is owned by its marker, and a
        component without a marker in the window is no instance here.

    Returns
    -------
    Instances
        First those that are a whole component, then those cut apart, each in raster order.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.2.

    Examples
    --------
    One component; its edges (``|``) leave two markers, from which the watershed takes the pixels
    between. The owner pixels are the first ones of the markers::

        component   # # # # #      markers   a a | b b      instances   1 1 1 2 2
                    # # # # #                a a | b b                  1 1 1 2 2

    >>> components, count = Pixels.of(np.ones((2, 5), int)), 1
    >>> edges = np.array([[0, 0, 9, 0, 0], [0, 0, 9, 0, 0]], np.int16)
    >>> instances = split_components(components, count, edges, edge_limit=5, min_marker_px=2)
    >>> instances.pixels.image()
    array([[1, 1, 1, 2, 2],
           [1, 1, 1, 2, 2]], dtype=int32)
    >>> instances.first_px.tolist()  # flat indices in the window
    [0, 3]
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
    """Flood components from their seeds; of pixels that are equally steep, the first reached wins.

    `seeds` holds for each of the `pixels`, (P,), the number of its marker or 0; the answer, (P,),
    the number of the marker that it is flooded from.
    """
    place, shape = _side_by_side(pixels, count)
    size, width = shape[0] * shape[1], shape[1]
    height, label, mask = np.zeros(size), np.zeros(size, np.int32), np.zeros(size, np.int8)
    # All seeds enter the queue at once, and seeds of equal height would leave it in an order that
    # depends on the rest of the window. So they are made lower than all other pixels, and unequal:
    # they leave the queue in raster order.
    raster = np.arange(len(place)) - float(len(place))
    height[place] = np.where(seeds > 0, raster, edges.ravel()[pixels.place])
    label[place] = seeds
    mask[place] = 1
    # `skimage.segmentation.watershed` calls this after it has padded and copied its arguments. To
    # import that function takes longer than to cut all nuclei of a small slide.
    neighbours = np.array([-width, -1, 1, width])
    strides = np.array([width, 1])
    watershed_raveled(height, np.flatnonzero(label), neighbours, mask, strides, 0, label, False)
    return label[place]


def _side_by_side(pixels: Pixels, count: int) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Move components next to each other, if that takes less room than their window.

    Returns the flat index of each pixel, (P,), in an image with a free frame, and its shape.
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

"""The nuclei of a window: from its maps to instances, classes, measures and outlines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.grid import Window
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.instances import Instances, edge_strength, split_components
from nucwsi.nuclei.morphometry import pixel_sums
from nucwsi.nuclei.pixels import Pixels, begins_in, touches_end
from nucwsi.nuclei.polygons import simplified
from nucwsi.nuclei.tracing import Outlines, trace, trace_smooth


class WindowMaps(NamedTuple):
    """The maps of a window as they are stored; C classes, K contrasts.

    Attributes
    ----------
    tissue : (H + 2, W + 2) ndarray of bool
        Where the network was run, in the window and one pixel around it; False beyond the canvas.
    np_map : (H, W) ndarray of uint8
        Probability of nucleus, 0 to 1 times 255.
    hv_map : (2, H, W) ndarray of int8
        Horizontal and vertical position within the nucleus, -1 to 1 times 127.
    tp_map : (C, H, W) ndarray of uint8
        Probability of each class, 0 to 1 times 255.
    contrast_map : (K, H, W) ndarray of int8
        Contrasts between the answers of an ensemble, weighed by `np`, -1 to 1 times 127; K is 0 if
        the ensemble gave a single answer.
    """

    tissue: NDArray[np.bool_]
    np_map: NDArray[np.uint8]
    hv_map: NDArray[np.int8]
    tp_map: NDArray[np.uint8]
    contrast_map: NDArray[np.int8] = np.empty((0, 0, 0), np.int8)


class Nuclei(NamedTuple):
    """N nuclei of a window; C classes, K contrasts; positions in pixels of the window.

    Attributes
    ----------
    pixels : Pixels
        The pixels of the nuclei; label k is the k-th nucleus.
    first_px : (N,) ndarray of int64
        Flat index in the window of each nucleus' owner pixel; see `instances.Instances`.
    class_code : (N,) ndarray of uint8
        The most probable class, as index into the classes.
    class_probabilities : (N, C) ndarray of float32
        Probability of each class; each row sums to 1.
    contrasts : (N, K) ndarray of float32
        Contrasts between the answers of an ensemble, in shares of the nucleus.
    np_mean : (N,) ndarray of float32
        Mean `np` over the pixels of the nucleus, 0 to 1.
    major_axis_px, minor_axis_px : (N,) ndarray of float32
        Axes of the ellipse with the same second moments, in pixels.
    at_edge : (N,) ndarray of bool
        Whether the nucleus touches the end of the tissue mask or of the canvas, so that a part of
        it may be missing.
    outlines : Outlines
        Simplified polygons, and the perimeters before they were simplified.
    dropped : (C,) ndarray of int64
        Number of nuclei of each class that were too small or too unsure to keep.
    """

    pixels: Pixels
    first_px: NDArray[np.int64]
    class_code: NDArray[np.uint8]
    class_probabilities: NDArray[np.float32]
    contrasts: NDArray[np.float32]
    np_mean: NDArray[np.float32]
    major_axis_px: NDArray[np.float32]
    minor_axis_px: NDArray[np.float32]
    at_edge: NDArray[np.bool_]
    outlines: Outlines
    dropped: NDArray[np.int64]


def _at_edge(pixels: Pixels, count: int, tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nuclei, (N,), have a 4-neighbour outside of the tissue; see `WindowMaps`."""
    touching = np.zeros(count + 1, bool)
    touching[pixels.label[touches_end(pixels, tissue)]] = True
    return touching[1:]


def nuclei_of(
    maps: WindowMaps,
    components: Pixels,
    count: int,
    constants: PixelConstants,
    block: Window | None = None,
) -> Nuclei:
    """Cut components into nuclei, and measure these.

    Parameters
    ----------
    maps : WindowMaps
        Maps of a window that reaches `instances.EDGE_RADIUS_PX` beyond every component, or to the
        canvas' edge.
    components : Pixels
        The components to work on, in pixels of the window.
    count : int
        Number of components; all numbers from 1 on occur.
    constants : PixelConstants
        Thresholds, in pixels of the maps.
    block : Window, optional
        For components that the window cuts, in pixels of the window. Only nuclei whose marker
        begins here are returned, so that blocks which partition the canvas return each nucleus
        once.

    Returns
    -------
    Nuclei
        Those that are kept, in the order of `split_components`.
    """
    edges = edge_strength(maps.hv_map)
    instances = split_components(
        components,
        count,
        edges,
        constants.edge_limit,
        constants.min_marker_px,
        by_marker=block is not None,
    )
    if block is not None:
        begun = begins_in(instances.first_px, components.shape[1], block)
        instances = Instances(instances.pixels.only(begun), instances.first_px[begun])
    return measured(maps, instances, constants)


def measured(maps: WindowMaps, instances: Instances, constants: PixelConstants) -> Nuclei:
    """Measure instances, drop those too small or too unsure, and trace the outlines of the others.

    Parameters
    ----------
    maps : WindowMaps
        Maps of the window.
    instances : Instances
        Instances of the same window.
    constants : PixelConstants
        Thresholds, in pixels of the maps.

    Returns
    -------
    Nuclei
        Those that are kept, in the order of `instances`.
    """
    pixels, first_px = instances
    sums = pixel_sums(pixels, len(first_px), maps.np_map, maps.tp_map, maps.contrast_map)
    code = most_probable(sums.class_probabilities)
    keep = constants.keeps(sums.area_px, code, sums.np_mean)
    kept = np.flatnonzero(keep)
    pixels = pixels.only(keep)
    labels = pixels.image()
    if constants.smooth:
        outlines = trace_smooth(labels, len(kept), maps.np_map, constants.np_level)
    else:
        outlines = trace(labels, len(kept))
    simple = simplified(outlines.polygons, constants.simplify_px)
    return Nuclei(
        pixels,
        first_px[kept],
        code[kept],
        sums.class_probabilities[kept],
        sums.contrasts[kept],
        sums.np_mean[kept],
        sums.major_axis_px[kept],
        sums.minor_axis_px[kept],
        _at_edge(pixels, len(kept), maps.tissue),
        outlines._replace(polygons=simple),
        np.bincount(code[~keep], minlength=len(constants.min_area_px)),
    )

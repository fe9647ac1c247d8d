"""Nuclei of a window: instances, their classes, measures and outlines, in plain arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.grid import Window
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.instances import Instances, edge_strength, slope_limit, split_components
from nucwsi.nuclei.morphometry import pixel_sums
from nucwsi.nuclei.pixels import Pixels, begins_in
from nucwsi.nuclei.polygons import Outlines, simplified, trace, trace_smooth


class Constants(NamedTuple):
    """The fixed numbers of post-processing, in pixels and stored units.

    Attributes
    ----------
    np_level : int
        Nucleus where the stored `np` is at least this (0 to 255).
    edge_limit : int
        See `instances.slope_limit`.
    min_marker_px : int
        Smaller markers do not start a nucleus.
    min_area_px : (C,) ndarray of int64
        Smallest nucleus of each class.
    min_mean_np : float
        Least mean `np` of a nucleus, in [0, 1].
    smooth : bool
        Whether outlines pass between pixels rather than along their edges.
    simplify_px : float
        Tolerance of the outlines.
    """

    np_level: int
    edge_limit: int
    min_marker_px: int
    min_area_px: NDArray[np.int64]
    min_mean_np: float
    smooth: bool
    simplify_px: float

    def keeps(
        self,
        area_px: NDArray[np.integer],
        class_code: NDArray[np.uint8],
        np_mean: NDArray[np.floating],
    ) -> NDArray[np.bool_]:
        """Tell which nuclei are large enough for their class, and sure enough.

        Parameters
        ----------
        area_px : (N,) ndarray of int
        class_code : (N,) ndarray of uint8
        np_mean : (N,) ndarray of float
            Mean `np` of each.

        Returns
        -------
        (N,) ndarray of bool
        """
        return (area_px >= self.min_area_px[class_code]) & (np_mean >= self.min_mean_np)


def in_pixels(
    fixed: PostProcessing,
    classes: Sequence[str],
    mpp: float,
    *,
    smooth: bool = True,
    simplify_px: float = 0.25,
) -> Constants:
    """Bring the constants of a checkpoint to pixels.

    Parameters
    ----------
    fixed : PostProcessing
    classes : sequence of str
    mpp : float
        µm per pixel of the maps.
    smooth : bool
    simplify_px : float
        See `Constants`.

    Returns
    -------
    Constants
    """
    areas = np.array([fixed.min_area_um2[name] for name in classes]) / mpp**2
    return Constants(
        math.ceil(fixed.np_threshold * 255 - 1e-6),
        slope_limit(fixed.edge_slope * mpp),
        max(1, round(fixed.min_marker_um2 / mpp**2)),
        np.maximum(1, np.ceil(areas - 1e-9)).astype(np.int64),
        fixed.min_mean_np,
        smooth,
        simplify_px,
    )


class WindowMaps(NamedTuple):
    """Stored maps of a window.

    Attributes
    ----------
    tissue : (H + 2, W + 2) ndarray of bool
        Where the network was asked, one pixel farther on each side; False beyond the canvas.
    np_map : (H, W) ndarray of uint8
    hv_map : (2, H, W) ndarray of int8
    tp_map : (C, H, W) ndarray of uint8
    contrast_map : (K, H, W) ndarray of int8
        K is 0 where the ensemble gave a single answer.
    """

    tissue: NDArray[np.bool_]
    np_map: NDArray[np.uint8]
    hv_map: NDArray[np.int8]
    tp_map: NDArray[np.uint8]
    contrast_map: NDArray[np.int8] = np.empty((0, 0, 0), np.int8)


class Nuclei(NamedTuple):
    """N nuclei of a window, C classes; positions in window pixels.

    Attributes
    ----------
    pixels : Pixels
        Label k is the k-th nucleus.
    first_px : (N,) ndarray of int64
        Flat index of the owner pixel in the window.
    class_code : (N,) ndarray of uint8
    class_probabilities : (N, C) ndarray of float32
    contrasts : (N, K) ndarray of float32
    np_mean : (N,) ndarray of float32
    major_axis_px, minor_axis_px : (N,) ndarray of float32
    at_edge : (N,) ndarray of bool
        Touches the end of the tissue mask or of the canvas: part of it may be missing.
    outlines : Outlines
        Their polygons simplified.
    dropped : (C,) ndarray of int64
        Nuclei of each class that were too small or too unsure to keep.
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
    touching = np.zeros(count + 1, bool)
    if not tissue.all():
        around = tissue[:-2, 1:-1] & tissue[2:, 1:-1] & tissue[1:-1, :-2] & tissue[1:-1, 2:]
        touching[pixels.label[~around.ravel()[pixels.place]]] = True
    return touching[1:]


def nuclei_of(
    maps: WindowMaps,
    components: Pixels,
    count: int,
    constants: Constants,
    block: Window | None = None,
) -> Nuclei:
    """Turn components into nuclei.

    Parameters
    ----------
    maps : WindowMaps
        Of a window that reaches `instances.EDGE_RADIUS_PX` beyond every component, or to the
        canvas' edge.
    components : Pixels
        Of the window: the components to work on.
    count : int
        Largest number in `components`; all from 1 on occur.
    constants : Constants
    block : Window, optional
        For components that the window cuts, in pixels of the window. Only nuclei whose marker
        begins here are returned, so that blocks which partition the canvas return each nucleus
        once.

    Returns
    -------
    Nuclei
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


def measured(maps: WindowMaps, instances: Instances, constants: Constants) -> Nuclei:
    """Measure instances and trace their outlines; what is too small or too unsure is dropped.

    Parameters
    ----------
    maps : WindowMaps
        Of the window.
    instances : Instances
    constants : Constants

    Returns
    -------
    Nuclei
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

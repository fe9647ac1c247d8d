"""The constants of post-processing: in µm, as every checkpoint carries its own, and in pixels."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, Strict

from nucwsi.classes import check_known, check_names

#: Largest area in µm² that a constant may name: far above any nucleus, far below any overflow.
_LARGEST_UM2 = 1e6

_Area = Annotated[float, Strict(), Field(ge=0, le=_LARGEST_UM2, allow_inf_nan=False)]
#: An `hv` map falls by at most 2 from one pixel to the next.
_Slope = Annotated[float, Strict(), Field(gt=0, le=100, allow_inf_nan=False)]
_Threshold = Annotated[float, Strict(), Field(gt=0, lt=1, allow_inf_nan=False)]
_LeastMean = Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class PostProcessing:
    """The constants with which a network's maps become nuclei, chosen on validation data.

    The limits of the annotations hold where constants are read: from a checkpoint or an artefact.

    Attributes
    ----------
    np_threshold : float
        A pixel belongs to a nucleus if its `np` is at least this, 0 to 1.
    edge_slope : float
        Two nuclei meet where an `hv` map, which runs from -1 to 1, falls by at least this per µm.
    min_marker_um2 : float
        A marker starts a nucleus if it has at least this area, in µm².
    min_area_um2 : dict of str to float
        Class name -> area of the smallest nucleus that is kept, in µm².
    min_mean_np : float
        A nucleus is kept if its mean `np` is at least this; 0 keeps all.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    np_threshold: _Threshold
    edge_slope: _Slope
    min_marker_um2: _Area
    min_area_um2: dict[str, _Area]
    min_mean_np: _LeastMean = 0.0


def check_classes(
    classes: tuple[str, ...], constants: PostProcessing, count_error: Collection[str]
) -> None:
    """Refuse classes that tables or viewers would mix up, and constants of other classes.

    Parameters
    ----------
    classes : tuple of str
        Class names of an ensemble, in its order.
    constants : PostProcessing
        Its constants, which must name a smallest area for each class and for no other.
    count_error : collection of str
        Classes whose error is known.

    Raises
    ------
    ValueError
        If there is no class, a name stands for two things, or fields name different classes.
    """
    check_names(classes, count_error)
    check_known("post_processing.min_area_um2", constants.min_area_um2, classes)
    lacking = [name for name in classes if name not in constants.min_area_um2]
    if lacking:
        raise ValueError(f"`post_processing.min_area_um2` lacks the class {lacking[0]!r}")


class PixelConstants(NamedTuple):
    """The constants of post-processing, in pixels of the maps and as the maps are stored.

    Attributes
    ----------
    np_level : int
        A pixel belongs to a nucleus if its stored `np` is at least this (0 to 255).
    edge_limit : int
        Two nuclei meet where the edge strength is at least this; see `instances.edge_strength`.
    min_marker_px : int
        A marker starts a nucleus if it has at least so many pixels.
    min_area_px : (C,) ndarray of int64
        Number of pixels of the smallest nucleus that is kept, for each class.
    min_mean_np : float
        A nucleus is kept if its mean `np` is at least this, 0 to 1.
    smooth : bool
        Whether outlines pass between pixels rather than along their edges.
    simplify_px : float
        Tolerance in pixels to which outlines are simplified.
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
        """Return which nuclei are large enough for their class, and sure enough.

        Parameters
        ----------
        area_px : (N,) ndarray of int
            Number of pixels of each nucleus.
        class_code : (N,) ndarray of uint8
            Class of each nucleus, as index into the classes.
        np_mean : (N,) ndarray of float
            Mean `np` over the pixels of each nucleus, 0 to 1.

        Returns
        -------
        (N,) ndarray of bool
            False for those that are dropped.
        """
        return (area_px >= self.min_area_px[class_code]) & (np_mean >= self.min_mean_np)


def in_pixels(
    fixed: PostProcessing,
    classes: Sequence[str],
    mpp: float,
    *,
    smooth: bool = True,
    simplify_px: float = 0.25,
) -> PixelConstants:
    """Convert the constants of a checkpoint to pixels: lengths by mpp, areas by mpp².

    Parameters
    ----------
    fixed : PostProcessing
        The constants in µm.
    classes : sequence of str
        The classes of the ensemble, in the order of its `tp` maps.
    mpp : float
        Size of a pixel of the maps, in µm.
    smooth : bool
        Whether outlines pass between pixels rather than along their edges.
    simplify_px : float
        Tolerance in pixels to which outlines are simplified.

    Returns
    -------
    PixelConstants
        Thresholds are rounded up, so that no pixel or nucleus below one passes it.

    Examples
    --------
    >>> fixed = PostProcessing(0.5, 0.16, 1.0, {"epithelial": 5.0})
    >>> constants = in_pixels(fixed, ["epithelial"], mpp=0.5)
    >>> constants.np_level, constants.min_marker_px, constants.min_area_px.tolist()
    (128, 4, [20])
    """
    # Imported here because it loads scikit-image, which readers of constants do not need.
    from nucwsi.nuclei.instances import slope_limit

    areas = np.array([fixed.min_area_um2[name] for name in classes]) / mpp**2
    return PixelConstants(
        math.ceil(fixed.np_threshold * 255 - 1e-6),
        slope_limit(fixed.edge_slope * mpp),
        max(1, round(fixed.min_marker_um2 / mpp**2)),
        np.maximum(1, np.ceil(areas - 1e-9)).astype(np.int64),
        fixed.min_mean_np,
        smooth,
        simplify_px,
    )

"""Answers as labelled images: what is known of the pixels around nuclei that were judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.grid import Window
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances
from nucwsi.nuclei.raster import burn_outlines

#: What is known of a nucleus instead of its label code: nothing, or that it is none.
UNANSWERED, NO_NUCLEUS = -1, -2


@dataclass(frozen=True)
class Judged:
    """N outlines that a network has drawn, and what somebody has said of each.

    Attributes
    ----------
    outlines : (N,) ndarray of shapely.Polygon
        x and y in canvas pixels.
    code : (N,) ndarray of int64
        Label code, from 1 on; 0 where it is a nucleus of a class without a code; `UNANSWERED` or
        `NO_NUCLEUS`.
    """

    outlines: NDArray[np.object_]
    code: NDArray[np.int64]


def labelled_crop(
    image: NDArray[np.uint8],
    window: Window,
    judged: Judged,
    marks: NDArray[np.object_],
    *,
    whole: bool,
) -> LabelledImage:
    """Label the pixels of a window.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        Red, green and blue of the window.
    window : Window
        In canvas pixels.
    judged : Judged
        All outlines that reach into the window.
    marks : (M,) ndarray of shapely.Geometry
        Where nuclei were missed, in canvas pixels.
    whole : bool
        Whether all of the window was looked through: then every outline that was not said to be
        none is a nucleus, and what is free of outlines and marks is background. Else nothing is
        known but the pixels of outlines with an answer.

    Returns
    -------
    LabelledImage
        With instances; what is not known is `ignored`. How far a missed nucleus reaches is not
        known, so its mark is.
    """
    number = np.zeros(window.shape, np.uint32)
    every = np.arange(1, len(judged.code) + 1, dtype=np.uint32)
    burn_outlines(number, judged.outlines, every, window)
    code = np.concatenate([[UNANSWERED], judged.code])[number]
    free = number == 0
    is_nucleus = ~free & (code != NO_NUCLEUS if whole else code >= 0)
    known = np.full(window.shape, True) if whole else ~free & (code != UNANSWERED)
    missed = np.zeros(window.shape, np.uint32)
    burn_outlines(missed, marks, np.ones(len(marks), np.uint32), window)
    known &= is_nucleus | (missed == 0)
    instances = np.where(is_nucleus, number, 0).astype(np.int32)
    codes = np.maximum(judged.code, 0)
    ignored = None if known.all() else ~known
    return labelled_instances("answers", image, instances, (every, codes), ignored)


def around(
    points: NDArray[np.float64], area_px: NDArray[np.float64], least_px: float
) -> NDArray[np.object_]:
    """Return discs where nuclei were marked because they were missed.

    Parameters
    ----------
    points : (M, 2) ndarray of float64
        x and y in canvas pixels.
    area_px : (M,) ndarray of float64
        Area that was marked, in canvas pixels²; 0 for a point.
    least_px : float
        Least radius of a disc, in canvas pixels.

    Returns
    -------
    (M,) ndarray of shapely.Polygon
        Half as wide again as what was marked: a mark may be drawn too small.
    """
    radius = np.maximum(1.5 * np.sqrt(area_px / np.pi), least_px)
    return shapely.buffer(shapely.points(points.reshape(-1, 2)), radius)

"""Labelled images as training sees them: what each pixel shall be, and may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.labels.labelled_image import LabelledImage
from nucwsi.labels.targets import hv_targets

#: Radius of the disc around a typed point in which the class head is supervised, in µm.
POINT_RADIUS_UM = 1.5

#: Where outlines are known, 98 % or more of the pixels within the one distance of a centroid are
#: nucleus, and at most 0.3 % of those beyond the other from every centroid; in µm.
_INSIDE_UM, _OUTSIDE_UM = 1.0, 8.0

#: As many as `Sample.class_set` has bits.
MAX_CLASSES = 8


@dataclass(frozen=True)
class Sample:
    """One labelled image at its own resolution, with everything the losses need.

    Attributes
    ----------
    name : str
        ``dataset/name`` of the manifest.
    image : (H, W, 3) ndarray of uint8
        RGB.
    scale : float
        Pixels of the image per pixel of the model, along each axis.
    outlined : bool
        Whether the outlines of all nuclei are known; else `instances` is blank and says nothing.
    instances : (H, W) ndarray of int32
        0 is background.
    nucleus, known : (H, W) ndarray of bool
        Which pixels are nucleus, and of which that is known.
    hv_map : (2, H, W) ndarray of float32
        Target of the `hv` head.
    class_set : (H, W) ndarray of uint8
        Bit c is set where class c is allowed; 0 where the class is not supervised.
    owner : (H, W) ndarray of int32
        The nucleus that `class_set` speaks of, 0 where none: `instances`, or discs around points.
    owner_px : (K,) ndarray of int64
        Pixels of each number in `owner`.
    centroids : (N, 2) ndarray of float64
        Row and column of each nucleus, ordered by its number.
    allowed : (N,) ndarray of uint8
        `class_set` of each nucleus.
    licence : str
        Of the image and its labels; empty if unknown.
    """

    name: str
    image: NDArray[np.uint8]
    scale: float
    outlined: bool
    instances: NDArray[np.int32]
    nucleus: NDArray[np.bool_]
    known: NDArray[np.bool_]
    hv_map: NDArray[np.float32]
    class_set: NDArray[np.uint8]
    owner: NDArray[np.int32]
    owner_px: NDArray[np.int64]
    centroids: NDArray[np.float64]
    allowed: NDArray[np.uint8]
    licence: str = ""


def _nearest(
    points: NDArray[np.floating], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Give each pixel the number of the nearest point, from 1 on, and its distance in pixels."""
    where = np.round(points).astype(int).clip(0, np.array(shape) - 1)
    if not len(where):
        return np.zeros(shape, np.int32), np.full(shape, np.inf)
    seeds = np.zeros(shape, np.int32)
    seeds[where[:, 0], where[:, 1]] = np.arange(1, len(where) + 1)
    far, (rows, columns) = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    return seeds[rows, columns], far


def make_sample(
    name: str,
    labelled: LabelledImage,
    sets: dict[int, tuple[str, ...]],
    classes: tuple[str, ...],
    mpp: float,
    target_mpp: float,
) -> Sample:
    """Turn a labelled image into what the losses need.

    Parameters
    ----------
    name : str
        ``dataset/name``.
    labelled : LabelledImage
    sets : dict
        Label code -> the model's classes that it may mean; none says nothing.
    classes : tuple of str
        The model's classes, in order; at most `MAX_CLASSES`.
    mpp, target_mpp : float
        µm per pixel of the image and of the model.

    Returns
    -------
    Sample
    """
    shape = labelled.image.shape[:2]
    outlined = labelled.instances is not None
    instances = np.zeros(shape, np.int32) if labelled.instances is None else labelled.instances
    owner, nucleus, known = instances, instances > 0, np.full(shape, outlined)
    points = labelled.points
    if points is not None:
        nearest, far_px = _nearest(points, shape)
        owner = np.where(far_px <= POINT_RADIUS_UM / mpp, nearest, 0).astype(np.int32)
        nucleus = far_px <= _INSIDE_UM / mpp
        known = nucleus | (far_px > _OUTSIDE_UM / mpp)
    if labelled.ignored is not None:
        known &= ~labelled.ignored
    bits = np.zeros(256, np.uint8)
    for code, names in sets.items():
        bits[code] = sum(1 << classes.index(name) for name in names)
    codes = labelled.codes
    allowed = np.zeros(len(labelled.ids), np.uint8) if codes is None else bits[codes]
    lookup = np.zeros(int(labelled.ids.max(initial=0)) + 1, np.uint8)
    lookup[labelled.ids] = allowed
    if points is None:
        points = np.array(ndimage.center_of_mass(instances > 0, instances, labelled.ids))
    return Sample(
        name,
        labelled.image,
        target_mpp / mpp,
        outlined,
        instances,
        nucleus,
        known,
        hv_targets(instances),
        lookup[owner],
        owner,
        np.bincount(owner.ravel(), minlength=len(lookup)),
        # The middle of pixel (r, c) lies at (r + 0.5, c + 0.5).
        np.asarray(points, np.float64).reshape(-1, 2) + 0.5,
        allowed,
    )

"""Labelled images as training sees them: the targets of every pixel, and where they are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.labels.labelled_image import LabelledImage
from nucwsi.labels.targets import hv_targets

#: Radius of the disc around a typed point in which the class head is supervised, in µm.
POINT_RADIUS_UM = 1.5

#: A pixel nearer to a point than the first distance counts as nucleus, one farther from all points
#: than the second as background, in µm. Where outlines are known, at least 98 % of the former are
#: nucleus and at most 0.3 % of the latter.
_INSIDE_UM, _OUTSIDE_UM = 1.0, 8.0

#: As many as `Sample.class_set` has bits.
MAX_CLASSES = 8

#: Class set (0 to 255) -> its only class, or -1 where it holds none or several.
CLASS_OF_SET = np.full(1 << MAX_CLASSES, -1, np.int64)
CLASS_OF_SET[1 << np.arange(MAX_CLASSES)] = np.arange(MAX_CLASSES)


@dataclass(frozen=True)
class Sample:
    """One labelled image on its own pixels, H by W, with everything the losses need.

    Attributes
    ----------
    name : str
        ``dataset/name`` of the manifest.
    image : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    scale : float
        Pixels of the image per pixel of the model, along each axis.
    outlined : bool
        Whether the outlines of all nuclei are known; else `instances` is blank and says nothing.
    instances : (H, W) ndarray of int32
        0 is background, every other number one nucleus.
    nucleus : (H, W) ndarray of bool
        Which pixels are nucleus, where that is known.
    known : (H, W) ndarray of bool
        Where `nucleus` is known.
    hv_map : (2, H, W) ndarray of float32
        Target of the `hv` head: horizontal and vertical position in the nucleus, -1 to 1.
    class_set : (H, W) ndarray of uint8
        Bit c is set where class c is allowed; 0 where the class is not supervised.
    owner : (H, W) ndarray of int32
        The nucleus that `class_set` speaks of, 0 where none: `instances`, or discs around points.
    owner_px : (K,) ndarray of int64
        Pixels of each number in `owner`.
    centroids : (N, 2) ndarray of float64
        Row and column of each nucleus in pixels of the image, ordered by its number.
    allowed : (N,) ndarray of uint8
        Class set of each nucleus: bit c is set where class c is allowed.
    licence : str
        Licence of the image and its labels; empty if unknown.
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

    @property
    def dataset(self) -> str:
        """Name of the data set that the image belongs to."""
        return self.name.split("/")[0]

    @property
    def class_codes(self) -> NDArray[np.int64]:
        """(N,) ndarray: class of each nucleus, -1 where its label leaves a choice."""
        return CLASS_OF_SET[self.allowed]

    @property
    def fully_classed(self) -> bool:
        """Whether the class of every nucleus, and so the count of every class, is known."""
        return bool((self.class_codes >= 0).all())

    def known_counts(self, n_classes: int) -> NDArray[np.bool_]:
        """Tell of which classes the labels give the count.

        Parameters
        ----------
        n_classes : int
            Classes C of the model.

        Returns
        -------
        (C,) ndarray of bool
            Whether no nucleus may be of the class and of another one as well.
        """
        open_sets = self.allowed[self.class_codes < 0]
        # A set without any class allows all.
        open_sets = np.where(open_sets == 0, (1 << n_classes) - 1, open_sets)
        return ((open_sets[:, None] >> np.arange(n_classes)) & 1 == 0).all(axis=0)

    def class_counts(self, n_classes: int) -> NDArray[np.int64]:
        """Count the nuclei whose label allows a single class.

        Parameters
        ----------
        n_classes : int
            Classes C of the model.

        Returns
        -------
        (C,) ndarray of int64
            Nuclei of each class.
        """
        codes = self.class_codes
        return np.bincount(codes[codes >= 0], minlength=n_classes)


def _nearest(
    points: NDArray[np.floating], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return each pixel's nearest point (H, W), numbered from 1, and its distance in pixels."""
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
        The image with its outlines or points.
    sets : dict
        Label code -> the model's classes that it may mean; a code without any leaves the class
        unsupervised.
    classes : tuple of str
        The model's classes, in order; at most `MAX_CLASSES`.
    mpp, target_mpp : float
        µm per pixel of the image and of the model.

    Returns
    -------
    Sample
        On the pixels of the image.
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

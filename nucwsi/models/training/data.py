"""Labelled images in memory: reading a manifest, and the classes that each label allows."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from nucwsi.errors import ConfigError
from nucwsi.targets import hv_targets

log = logging.getLogger(__name__)

#: Radius of the disc around a typed point in which the class head is supervised, in µm.
POINT_RADIUS_UM = 1.5

#: µm per pixel of images that do not say; most public crops were scanned at 40x.
UNKNOWN_MPP = 0.25


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
    hv_map : (2, H, W) ndarray of float32
        Target of the `hv` head.
    class_set : (H, W) ndarray of uint8
        Bit c is set where class c is allowed; 0 where the class is not supervised.
    """

    name: str
    image: NDArray[np.uint8]
    scale: float
    outlined: bool
    instances: NDArray[np.int32]
    hv_map: NDArray[np.float32]
    class_set: NDArray[np.uint8]


def _paint_classes(
    labels: NDArray[np.int32],
    ids: NDArray[np.integer],
    codes: NDArray[np.integer],
    sets: dict[int, int],
) -> NDArray[np.uint8]:
    lookup = np.zeros(int(max(labels.max(), ids.max(initial=0))) + 1, np.uint8)
    lookup[ids] = [sets.get(int(code), 0) for code in codes]
    return lookup[labels]


def _discs(
    points: NDArray[np.floating], shape: tuple[int, int], radius_px: float
) -> NDArray[np.int32]:
    """Give each pixel within reach of a point the number of the nearest one, from 1 on."""
    where = np.round(points).astype(int).clip(0, np.array(shape) - 1)
    seeds = np.zeros(shape, np.int32)
    seeds[where[:, 0], where[:, 1]] = np.arange(1, len(where) + 1)
    far, (rows, columns) = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    return np.where(far <= radius_px, seeds[rows, columns], 0).astype(np.int32)


def _load(folder: Path, row: dict[str, str], sets: dict[int, int], target_mpp: float) -> Sample:
    stem = folder / row["dataset"] / row["name"]
    image = np.asarray(Image.open(stem.with_suffix(stem.suffix + ".webp")).convert("RGB"))
    labels = np.load(stem.with_suffix(stem.suffix + ".npz"))
    mpp = float(row["mpp"]) if row["mpp"] else UNKNOWN_MPP
    shape = image.shape[:2]
    class_set = np.zeros(shape, np.uint8)
    if "points" in labels:
        instances = np.zeros(shape, np.int32)
        discs = _discs(labels["points"], shape, POINT_RADIUS_UM / mpp)
        ids = np.arange(1, len(labels["points"]) + 1)
        class_set = _paint_classes(discs, ids, labels["classes"], sets)
    else:
        instances = labels["instances"].astype(np.int32)
        if instances.shape != shape:
            raise ConfigError(f"{stem}: the image is {shape} but its instances {instances.shape}")
        if "classes" in labels:
            class_set = _paint_classes(instances, labels["ids"], labels["classes"], sets)
    return Sample(
        f"{row['dataset']}/{row['name']}",
        image,
        target_mpp / mpp,
        "points" not in labels,
        instances,
        hv_targets(instances),
        class_set,
    )


def load_samples(
    manifest: Path,
    split: str,
    label_sets: dict[str, dict[int, tuple[str, ...]]],
    classes: tuple[str, ...],
    target_mpp: float,
) -> list[Sample]:
    """Read one split of a manifest.

    Parameters
    ----------
    manifest : Path
        ``manifest.csv``; the images lie beside it in one folder a data set.
    split : str
        ``train``, ``val`` or ``test``.
    label_sets : dict
        Data set -> label code -> the model's classes that this label may mean. A code that is
        missing says nothing about the class.
    classes : tuple of str
        The model's classes, in order.
    target_mpp : float
        µm per pixel of the model.

    Returns
    -------
    list of Sample

    Raises
    ------
    ConfigError
        If the manifest holds no such split, or an image and its instances differ in size.
    """
    with manifest.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    if not rows:
        raise ConfigError(f"{manifest}: no image of split {split!r}")
    samples = []
    for row in rows:
        sets = {
            code: sum(1 << classes.index(name) for name in names)
            for code, names in label_sets.get(row["dataset"], {}).items()
        }
        samples.append(_load(manifest.parent, row, sets, target_mpp))
    log.info("%d images of split %s from %s", len(samples), split, manifest)
    return samples

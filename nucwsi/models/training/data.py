"""Labelled images in memory: reading a manifest, resampling, and the classes each label allows."""

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

#: Side of the disc around a typed point in which the class head is supervised, in pixels.
POINT_RADIUS_PX = 3


@dataclass(frozen=True)
class Sample:
    """One labelled image with everything the losses need, at the model's mpp.

    Attributes
    ----------
    name : str
        ``dataset/name`` of the manifest.
    image : (3, H, W) ndarray of uint8
        RGB.
    nuclei : (H, W) ndarray of uint8
        1 in a nucleus, 0 outside, 255 where nothing is known (images with points only).
    hv_map : (2, H, W) ndarray of float32
        Target of the `hv` head.
    class_set : (H, W) ndarray of uint8
        Bit c is set where class c is allowed; 0 where the class is not supervised.
    instances : (H, W) ndarray of int32
        For scoring; all zero for images with points only.
    """

    name: str
    image: NDArray[np.uint8]
    nuclei: NDArray[np.uint8]
    hv_map: NDArray[np.float32]
    class_set: NDArray[np.uint8]
    instances: NDArray[np.int32]


def resample(
    image: NDArray[np.uint8], instances: NDArray[np.int32], mpp: float, target_mpp: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Bring an image (area filter) and its instances (nearest) to another mpp.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
    instances : (H, W) ndarray of int32
    mpp : float
        µm per pixel of the input.
    target_mpp : float
        µm per pixel of the output.

    Returns
    -------
    image : (H', W', 3) ndarray of uint8
    instances : (H', W') ndarray of int32
    """
    if abs(mpp / target_mpp - 1) < 0.01:
        return image, instances
    scale = mpp / target_mpp
    height, width = (max(1, round(side * scale)) for side in instances.shape)
    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    rows = ((np.arange(height) + 0.5) / scale).astype(int).clip(0, instances.shape[0] - 1)
    columns = ((np.arange(width) + 0.5) / scale).astype(int).clip(0, instances.shape[1] - 1)
    return small, instances[np.ix_(rows, columns)]


def _paint_classes(
    labels: NDArray[np.int32],
    ids: NDArray[np.integer],
    codes: NDArray[np.integer],
    sets: dict[int, int],
) -> NDArray[np.uint8]:
    lookup = np.zeros(int(max(labels.max(), ids.max(initial=0))) + 1, np.uint8)
    lookup[ids] = [sets.get(int(code), 0) for code in codes]
    return lookup[labels]


def _load(
    folder: Path, row: dict[str, str], sets: dict[int, int], target_mpp: float, default_mpp: float
) -> Sample:
    stem = folder / row["dataset"] / row["name"]
    image = np.asarray(Image.open(stem.with_suffix(stem.suffix + ".webp")).convert("RGB"))
    labels = np.load(stem.with_suffix(stem.suffix + ".npz"))
    try:
        mpp = float(row["mpp"])
    except ValueError:
        mpp = default_mpp
    if "points" in labels:
        points = labels["points"] * (mpp / target_mpp)
        image, empty = resample(image, np.zeros(image.shape[:2], np.int32), mpp, target_mpp)
        where = np.round(points).astype(int).clip(0, np.array(empty.shape) - 1)
        seeds = np.zeros(empty.shape, np.int32)
        seeds[where[:, 0], where[:, 1]] = np.arange(1, len(where) + 1)
        far, (rows, columns) = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
        discs = np.where(far <= POINT_RADIUS_PX, seeds[rows, columns], 0).astype(np.int32)
        class_set = _paint_classes(discs, np.arange(1, len(where) + 1), labels["classes"], sets)
        nuclei = np.full(empty.shape, 255, np.uint8)
        hv_map = np.zeros((2, *empty.shape), np.float32)
        instances = empty
    else:
        full = labels["instances"].astype(np.int32)
        if full.shape != image.shape[:2]:
            raise ConfigError(
                f"{stem}: the image is {image.shape[:2]} but its instances are {full.shape}"
            )
        image, instances = resample(image, full, mpp, target_mpp)
        nuclei = (instances > 0).astype(np.uint8)
        hv_map = hv_targets(instances)
        class_set = np.zeros(instances.shape, np.uint8)
        if "classes" in labels:
            class_set = _paint_classes(instances, labels["ids"], labels["classes"], sets)
    return Sample(
        f"{row['dataset']}/{row['name']}",
        np.ascontiguousarray(image.transpose(2, 0, 1)),
        nuclei,
        hv_map,
        class_set,
        instances,
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
        samples.append(_load(manifest.parent, row, sets, target_mpp, default_mpp=target_mpp))
    log.info("%d images of split %s from %s", len(samples), split, manifest)
    return samples

"""PanNuke (2020): 7,901 patches of 19 organs in three folds of arrays."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from nucwsi.errors import DataError
from nucwsi.io.datasets.source import Entry, Source, find, map_one, open_array
from nucwsi.labels.labelled_image import LabelledImage, outlined, whole_numbers
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "PanNuke's Fold 1/images/fold1/images.npy and Fold 1/masks/fold1/masks.npy"
#: The first of the three published assignments of folds.
_SPLITS = {"fold1": "train", "fold2": "val", "fold3": "test"}
_SIDE_PX = 256
_CLASSES = 5


def read(source: Path) -> Source:
    """List the patches of one or more folds of PanNuke.

    ``images.npy`` is N x 256 x 256 x 3 of float64, 0 to 255; ``masks.npy`` N x 256 x 256 x 6 of
    float64: an instance map for each of neoplastic, inflammatory, connective, dead and epithelial,
    then the background, which is not used. An instance's number counts within its channel. Where
    channels overlap, the later one has the pixel, as in the published evaluation. ``types.npy``,
    beside the images, names each patch's organ. Masks lie beside the images, or where ``masks``
    stands for ``images`` in the path. Patients are not published: patches of one fold may share a
    slide, so whole folds should be held out. 0.25 µm per pixel.

    Parameters
    ----------
    source : pathlib.Path

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If a file is missing or of another shape, or the files of a fold disagree on the number of
        patches.

    References
    ----------
    Gamper et al., arXiv 2003.10778; README of the published folds;
    github.com/TissueImageAnalytics/PanNuke-metrics, run.py and utils.py.
    """
    entries: list[Entry] = []
    for path in find(source, "images.npy", _LAYOUT):
        entries += _fold(path, source)
    return Source(tuple(entries), {"pannuke": LABELS["pannuke"]})


def _fold(path: Path, source: Path) -> list[Entry]:
    beside = path.with_name("masks.npy")
    masks_path = beside if beside.exists() else _swapped(path, source)
    images = open_array(path, (None, _SIDE_PX, _SIDE_PX, 3))
    masks = open_array(masks_path, (None, _SIDE_PX, _SIDE_PX, _CLASSES + 1))
    types_path = path.with_name("types.npy")
    organs = open_array(types_path, (None,)) if types_path.exists() else np.full(len(images), "")
    for other, size in ((masks_path, len(masks)), (types_path, len(organs))):
        if size != len(images):
            raise DataError(f"{other}: has {size} patches; expected {len(images)} as in {path}")
    numbers = re.findall(r"(?:fold|part)[ _-]?(\d)", str(path.relative_to(source.parent)), re.I)
    fold = f"fold{numbers[-1]}" if numbers else ""
    return [
        Entry(
            "pannuke",
            f"{fold or 'patch'}_{index:05d}",
            partial(_patch, path, masks_path, index),
            0.25,
            part=fold,
            split=_SPLITS.get(fold, ""),
            licence="CC BY-NC-SA 4.0",
            note=str(organs[index]),
        )
        for index in range(len(images))
    ]


def _swapped(path: Path, source: Path) -> Path:
    """Find the masks of ``…/images/fold1/images.npy``, in upper or lower case."""
    parts = path.relative_to(source.parent).parts
    for old, new in (("images", "masks"), ("Images", "Masks")):
        if old in parts[:-1]:
            at = len(parts) - 2 - parts[-2::-1].index(old)
            return source.parent.joinpath(*parts[:at], new, *parts[at + 1 : -1], "masks.npy")
    return path.with_name("masks.npy")


def _patch(images: Path, masks: Path, index: int) -> LabelledImage:
    where = f"{masks}, patch {index}"
    layers = whole_numbers(where, "instances", map_one(masks, index)[..., :_CLASSES])
    instances = np.zeros((_SIDE_PX, _SIDE_PX), np.int64)
    codes: list[int] = []
    for layer in range(_CLASSES):
        inside = layers[..., layer] > 0
        ids, owner = np.unique(layers[..., layer][inside], return_inverse=True)
        instances[inside] = len(codes) + 1 + owner
        codes += [layer + 1] * len(ids)
    classes = (np.arange(1, len(codes) + 1), np.array(codes, np.int64))
    return outlined(where, map_one(images, index), instances, classes)

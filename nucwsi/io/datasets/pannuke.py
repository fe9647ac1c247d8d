"""PanNuke (2020): 7,901 patches of 19 organs, stored as arrays in three folds."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from nucwsi.errors import DataError
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.datasets.read_files import find_files, open_array, read_item
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances, whole_numbers
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "PanNuke's Fold 1/images/fold1/images.npy and Fold 1/masks/fold1/masks.npy"
#: The first of the three published assignments of folds.
_SPLITS = {"fold1": "train", "fold2": "val", "fold3": "test"}
_SIDE_PX = 256
_CLASSES = 5


def read(folder: Path) -> Dataset:
    """List the patches of one or more folds of PanNuke.

    ``images.npy`` is N x 256 x 256 x 3 of float64, 0 to 255. ``masks.npy`` is N x 256 x 256 x 6 of
    float64: one instance map each for neoplastic, inflammatory, connective, dead and epithelial,
    then the background, which is not used. An instance's number is unique within its channel only.
    Where channels overlap, the later one gets the pixel, as in the published evaluation.
    ``types.npy``, beside the images, names the organ of each patch. The masks lie beside the images
    or in the same path with ``masks`` in place of ``images``. Patients are not published, and
    patches of one fold may share a slide, so hold out whole folds. Pixels are 0.25 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds one or more folds, in any folders below it.

    Returns
    -------
    Dataset
        One entry a patch, fold by fold in the order of the arrays.

    Raises
    ------
    DataError
        If a file is missing or has another shape, or the files of a fold disagree on the number of
        patches.

    References
    ----------
    Gamper et al., arXiv 2003.10778; README of the published folds;
    github.com/TissueImageAnalytics/PanNuke-metrics, run.py and utils.py.
    """
    entries: list[Entry] = []
    for path in find_files(folder, "images.npy", _LAYOUT):
        entries += _fold(path, folder)
    return Dataset(tuple(entries), {"pannuke": LABELS["pannuke"]})


def _fold(path: Path, folder: Path) -> list[Entry]:
    beside = path.with_name("masks.npy")
    masks_path = beside if beside.exists() else _masks_of(path, folder)
    images = open_array(path, (None, _SIDE_PX, _SIDE_PX, 3))
    masks = open_array(masks_path, (None, _SIDE_PX, _SIDE_PX, _CLASSES + 1))
    types_path = path.with_name("types.npy")
    organs = open_array(types_path, (None,)) if types_path.exists() else np.full(len(images), "")
    for other, size in ((masks_path, len(masks)), (types_path, len(organs))):
        if size != len(images):
            raise DataError(f"{other}: has {size} patches; expected {len(images)} as in {path}")
    numbers = re.findall(r"(?:fold|part)[ _-]?(\d)", str(path.relative_to(folder.parent)), re.I)
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


def _masks_of(path: Path, folder: Path) -> Path:
    """Return the masks of ``…/images/fold1/images.npy``: ``…/masks/fold1/masks.npy``."""
    parts = path.relative_to(folder.parent).parts
    for old, new in (("images", "masks"), ("Images", "Masks")):
        if old in parts[:-1]:
            at = len(parts) - 2 - parts[-2::-1].index(old)
            return folder.parent.joinpath(*parts[:at], new, *parts[at + 1 : -1], "masks.npy")
    return path.with_name("masks.npy")


def _patch(images: Path, masks: Path, index: int) -> LabelledImage:
    where = f"{masks}, patch {index}"
    layers = whole_numbers(where, "instances", read_item(masks, index)[..., :_CLASSES])
    instances = np.zeros((_SIDE_PX, _SIDE_PX), np.int64)
    codes: list[int] = []
    for layer in range(_CLASSES):
        inside = layers[..., layer] > 0
        ids, owner = np.unique(layers[..., layer][inside], return_inverse=True)
        instances[inside] = len(codes) + 1 + owner
        codes += [layer + 1] * len(ids)
    classes = (np.arange(1, len(codes) + 1), np.array(codes, np.int64))
    return labelled_instances(where, read_item(images, index), instances, classes)

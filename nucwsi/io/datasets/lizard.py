"""Lizard (2021): images of colon at 20x, each with a MATLAB file of labels."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from nucwsi.errors import DataError
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.datasets.read_files import by_stem, find_files, list_files, read_image, read_mat
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "Lizard's Lizard_Images1 and 2/*.png and Lizard_Labels/Labels/*.mat"
#: The publication has three folds for cross-validation, and no test set.
_SPLITS = {"split1": "train", "split2": "val", "split3": "test"}


def read(folder: Path) -> Dataset:
    """List the images of a Lizard folder.

    Each ``*.png``, of any size, has a ``*.mat`` of the same name with ``inst_map`` (H x W; 0 is
    background), ``id`` (N x 1: the numbers in that map, in any order) and ``class`` (N x 1, 1 to
    6). ``bbox`` and ``centroid`` follow from the map and are not read. ``info.csv`` (Filename,
    Source, Split), beside the folder of labels, gives each image one of three folds. Class 5 is
    eosinophil; the published README calls it neutrophil by mistake. Pixels are 0.5 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds images and labels, in any folders below it.

    Returns
    -------
    Dataset
        One entry an image, by path of its labels.

    Raises
    ------
    DataError
        If there are no such files, or a file of labels has no image.

    References
    ----------
    Graham et al., Lizard, ICCV Workshops 2021, arXiv 2108.11195; README.txt and read_label.py of
    the published data.
    """
    labels = by_stem(find_files(folder, "*.mat", _LAYOUT), "label")
    images = by_stem(find_files(folder, "*.png", _LAYOUT), "image")
    parts = {name: part for path in list_files(folder, "info.csv") for name, part in _folds(path)}
    entries = []
    for name, path in labels.items():
        if name not in images:
            raise DataError(f"{path}: has no image {name}.png; expected {_LAYOUT}")
        part = parts.get(name, "")
        entries.append(
            Entry(
                "lizard",
                name,
                partial(_image, images[name], path),
                0.5,
                patient=name,
                part=part,
                split=_SPLITS.get(part, ""),
                licence="CC BY-NC-SA 4.0",
            )
        )
    return Dataset(tuple(entries), {"lizard": LABELS["lizard"]})


def _folds(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        if not {"Filename", "Split"} <= set(table.fieldnames or ()):
            raise DataError(f"{path}: expected the columns Filename, Source and Split")
        return [(row["Filename"].removesuffix(".png"), f"split{row['Split']}") for row in table]


def _image(image: Path, label: Path) -> LabelledImage:
    instances, ids, classes = read_mat(label, ("inst_map", "id", "class"))
    return labelled_instances(
        str(label), read_image(image), instances, (ids.ravel(), classes.ravel())
    )

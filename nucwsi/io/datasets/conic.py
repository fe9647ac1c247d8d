"""CoNIC (2022): 4,981 patches of Lizard, stored as two arrays."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from nucwsi.errors import DataError
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.datasets.read_files import open_array, read_item
from nucwsi.labels.labelled_image import (
    LabelledImage,
    labelled_instances,
    majority_classes,
    whole_numbers,
)
from nucwsi.labels.taxonomy import LABELS

_LICENCE = "CC BY-NC-SA 4.0"
_SIDE_PX = 256


def read(folder: Path) -> Dataset:
    """List the patches of a CoNIC folder.

    ``images.npy`` is N x 256 x 256 x 3 of uint8. ``labels.npy`` is N x 256 x 256 x 2: the instance
    map and the class map (0 to 6). ``counts.csv`` has one row a patch: the nuclei of its central
    224 x 224 pixels by class. ``patch_info.csv`` may be missing; it names each patch by its image
    in Lizard and a number, as in ``consep_1-0000``. That image is taken as the patient. Pixels are
    0.5 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with the four files.

    Returns
    -------
    Dataset
        One entry a patch, in the order of the arrays.

    Raises
    ------
    DataError
        If a file is missing or has another shape, or two files disagree on the number of patches.

    References
    ----------
    README.txt of the published data; github.com/TissueImageAnalytics/CoNIC, README.md;
    github.com/vqdang/hover_net, branch conic, generate_split.py for the names of the patches.
    """
    images = open_array(folder / "images.npy", (None, _SIDE_PX, _SIDE_PX, 3))
    labels = open_array(folder / "labels.npy", (None, _SIDE_PX, _SIDE_PX, 2))
    counts, infos = folder / "counts.csv", folder / "patch_info.csv"
    if not counts.is_file():
        raise DataError(f"{counts}: does not exist; expected the counts of the patches")
    names = _rows(infos) if infos.is_file() else [f"{index:04d}" for index in range(len(images))]
    sizes = {
        folder / "labels.npy": len(labels),
        counts: len(_rows(counts)),
        infos: len(names),
    }
    for path, size in sizes.items():
        if size != len(images):
            raise DataError(f"{path}: has {size} patches; expected {len(images)} as in images.npy")
    entries = tuple(
        Entry(
            "conic",
            name,
            partial(_patch, folder, index),
            0.5,
            patient=name.rpartition("-")[0],
            licence=_LICENCE,
        )
        for index, name in enumerate(names)
    )
    return Dataset(entries, {"conic": LABELS["conic"]})


def _rows(path: Path) -> list[str]:
    """Return the first cell of each row below the header."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return [row[0] for row in csv.reader(stream) if row][1:]


def _patch(folder: Path, index: int) -> LabelledImage:
    where = f"{folder / 'labels.npy'}, patch {index}"
    labels = read_item(folder / "labels.npy", index)
    instances = whole_numbers(where, "instances", labels[..., 0])
    classes = whole_numbers(where, "classes", labels[..., 1])
    image = read_item(folder / "images.npy", index)
    return labelled_instances(where, image, instances, majority_classes(instances, classes))

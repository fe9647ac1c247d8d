"""CoNIC (2022): 4,981 patches of Lizard as two arrays."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from nucwsi.errors import DataError
from nucwsi.io.datasets.source import Entry, Source, map_one, open_array
from nucwsi.labels.labelled_image import LabelledImage, majority, outlined, whole_numbers
from nucwsi.labels.taxonomy import LABELS

_LICENCE = "CC BY-NC-SA 4.0"
_SIDE_PX = 256


def read(source: Path) -> Source:
    """List the patches of a CoNIC folder.

    ``images.npy`` is N x 256 x 256 x 3 of uint8; ``labels.npy`` N x 256 x 256 x 2, the instance map
    and the class map (0 to 6). ``counts.csv`` has one row a patch, nuclei of the central 224 x 224
    pixels by class. ``patch_info.csv``, which may be missing, names for each patch the image of
    Lizard and a number, as ``consep_1-0000``; the image stands for the patient. 0.5 µm per pixel.

    Parameters
    ----------
    source : pathlib.Path

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If a file is missing or of another shape, or the files disagree on the number of patches.

    References
    ----------
    README.txt of the published data; github.com/TissueImageAnalytics/CoNIC, README.md;
    github.com/vqdang/hover_net, branch conic, generate_split.py for the names of the patches.
    """
    images = open_array(source / "images.npy", (None, _SIDE_PX, _SIDE_PX, 3))
    labels = open_array(source / "labels.npy", (None, _SIDE_PX, _SIDE_PX, 2))
    counts, infos = source / "counts.csv", source / "patch_info.csv"
    if not counts.is_file():
        raise DataError(f"{counts}: does not exist; expected the counts of the patches")
    names = _rows(infos) if infos.is_file() else [f"{index:04d}" for index in range(len(images))]
    sizes = {
        source / "labels.npy": len(labels),
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
            partial(_patch, source, index),
            0.5,
            patient=name.rpartition("-")[0],
            licence=_LICENCE,
        )
        for index, name in enumerate(names)
    )
    return Source(entries, {"conic": LABELS["conic"]})


def _rows(path: Path) -> list[str]:
    """Return the first column below the header."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return [row[0] for row in csv.reader(stream) if row][1:]


def _patch(source: Path, index: int) -> LabelledImage:
    where = f"{source / 'labels.npy'}, patch {index}"
    labels = map_one(source / "labels.npy", index)
    instances = whole_numbers(where, "instances", labels[..., 0])
    classes = whole_numbers(where, "classes", labels[..., 1])
    image = map_one(source / "images.npy", index)
    return outlined(where, image, instances, majority(instances, classes))

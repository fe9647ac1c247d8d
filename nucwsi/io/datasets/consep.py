"""CoNSeP (2019): 41 tiles of colon at 40x."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nucwsi.errors import DataError
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.datasets.read_files import by_stem, find_files, read_image, read_mat
from nucwsi.labels.labelled_image import (
    LabelledImage,
    labelled_instances,
    majority_classes,
    whole_numbers,
)
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "CoNSeP's Train/Images/*.png and Train/Labels/*.mat, and Test beside Train"


def read(folder: Path) -> Dataset:
    """List the tiles of CoNSeP.

    ``Labels/*.mat`` has ``inst_map`` (H x W; 0 is background) and ``type_map`` (H x W, 0 to 7).
    ``inst_type`` and ``inst_centroid`` repeat their content and are not read. All seven classes are
    kept; the paper merges 3 with 4, and 5 with 6 and 7. The tiles come from 16 patients, but the
    patient of a tile is not published. Pixels are 0.25 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds ``Train`` and ``Test``, or one of these.

    Returns
    -------
    Dataset
        One entry a tile, by path.

    Raises
    ------
    DataError
        If there are no such files, or a file of labels has no image.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019); README.txt of the published data;
    github.com/vqdang/hover_net, dataset.py.
    """
    entries = []
    for path in by_stem(find_files(folder, "*.mat", _LAYOUT), "label").values():
        image = path.parent.parent / "Images" / f"{path.stem}.png"
        half = path.parent.parent.name
        if not image.is_file():
            raise DataError(f"{path}: has no image {image}; expected {_LAYOUT}")
        if half not in {"Train", "Test"}:
            raise DataError(f"{path}: lies in {half!r}; expected {_LAYOUT}")
        entries.append(
            Entry(
                "consep",
                path.stem,
                partial(_tile, image, path),
                0.25,
                part=half,
                split=half.lower(),
                licence="CC BY-NC-SA 4.0",
            )
        )
    return Dataset(tuple(entries), {"consep": LABELS["consep"]})


def _tile(image: Path, label: Path) -> LabelledImage:
    where = str(label)
    maps = read_mat(label, ("inst_map", "type_map"))
    if maps[0].shape != maps[1].shape:
        raise DataError(f"{label}: inst_map and type_map differ in size; expected the same")
    instances, classes = (whole_numbers(where, "labels", values) for values in maps)
    return labelled_instances(
        where, read_image(image), instances, majority_classes(instances, classes)
    )

"""CoNSeP (2019): 41 tiles of colon at 40x."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nucwsi.errors import DataError
from nucwsi.io.datasets.source import Entry, Source, by_stem, find, read_image, read_mat
from nucwsi.labels.labelled_image import LabelledImage, majority, outlined, whole_numbers
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "CoNSeP's Train/Images/*.png and Train/Labels/*.mat, and Test beside Train"


def read(source: Path) -> Source:
    """List the tiles of a CoNSeP folder, or of its half ``Train`` or ``Test``.

    ``Labels/*.mat`` has ``inst_map`` (H x W; 0 is background) and ``type_map`` (H x W, 0 to 7);
    ``inst_type`` and ``inst_centroid`` repeat these and are not read. Seven classes are kept; the
    paper joins 3 with 4 and 5 with 6 and 7. The tiles come from 16 patients, but which from whom is
    not published. 0.25 µm per pixel.

    Parameters
    ----------
    source : pathlib.Path

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If there are no such files, or labels without an image.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019); README.txt of the published data;
    github.com/vqdang/hover_net, dataset.py.
    """
    entries = []
    for path in by_stem(find(source, "*.mat", _LAYOUT), "label").values():
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
    return Source(tuple(entries), {"consep": LABELS["consep"]})


def _tile(image: Path, label: Path) -> LabelledImage:
    where = str(label)
    maps = read_mat(label, ("inst_map", "type_map"))
    if maps[0].shape != maps[1].shape:
        raise DataError(f"{label}: inst_map and type_map differ in size; expected the same")
    instances, classes = (whole_numbers(where, "labels", values) for values in maps)
    return outlined(where, read_image(image), instances, majority(instances, classes))

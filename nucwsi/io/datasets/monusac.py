"""MoNuSAC (2020): crops of four organs at 40x, with outlines of four classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import DataError
from nucwsi.grid import Window
from nucwsi.io.datasets.dataset import Dataset, Entry, tcga_patient
from nucwsi.io.datasets.imagescope import Outline, label_outlines, pairs, read_outlines
from nucwsi.io.datasets.read_files import read_image
from nucwsi.io.slides.slide import open_slide
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances
from nucwsi.labels.taxonomy import LABELS

_LAYOUT = "MoNuSAC's folders of patients with *.svs or *.tif and *.xml"
_AMBIGUOUS = "ambiguous"


def read(folder: Path) -> Dataset:
    """List the crops of a MoNuSAC folder.

    Each patient has a folder. Each crop is a ``*.svs``, a ``*.tif`` made from it and an ImageScope
    ``*.xml``, all of the same name. The XML has one layer a class, named by the layer's first
    attribute: epithelial, lymphocyte, neutrophil or macrophage. The test set, in a folder with
    ``test`` in its name, has a fifth layer of ambiguous areas, which the challenge does not score.
    Pixels are 0.25 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds the folders of patients, at any depth.

    Returns
    -------
    Dataset
        One entry a crop, by path.

    Raises
    ------
    DataError
        If there are no such files, or a file of outlines has no image.

    References
    ----------
    Verma et al., IEEE Transactions on Medical Imaging 40 (2021); github.com/ruchikaverma-iitg/
    MoNuSAC, n-ary_mask_generation.ipynb and PQ_metric.ipynb.
    """
    entries = tuple(
        Entry(
            "monusac",
            name,
            partial(_crop, image, xml),
            0.25,
            patient=tcga_patient(name) or xml.parent.name,
            part=part,
            split=part,
            licence="CC BY-NC-SA 4.0",
        )
        for name, image, xml, part in pairs(folder, (".svs", ".tif"), _LAYOUT)
    )
    return Dataset(entries, {"monusac": LABELS["monusac"]})


def _crop(image: Path, xml: Path) -> LabelledImage:
    pixels = _read_slide(image) if image.suffix == ".svs" else read_image(image)
    shape = pixels.shape[:2]
    code_of = {name: code for code, name in LABELS["monusac"].items()}
    nuclei: list[Outline] = []
    areas: list[Outline] = []
    for outline in read_outlines(xml):
        if outline.name not in {*code_of, _AMBIGUOUS}:
            raise DataError(
                f"{xml}: has a layer {outline.name!r}; expected {', '.join(code_of)} or"
                f" {_AMBIGUOUS}"
            )
        (areas if outline.name == _AMBIGUOUS else nuclei).append(outline)
    instances, painted = label_outlines(str(xml), nuclei, shape)
    codes = np.array([code_of[nuclei[index].name] for index in painted], np.int64)
    ignored = label_outlines(str(xml), areas, shape)[0] > 0 if areas else None
    return labelled_instances(str(xml), pixels, instances, (painted + 1, codes), ignored)


def _read_slide(path: Path) -> NDArray[np.uint8]:
    with open_slide(path) as slide:
        pixels, bad = slide.read(0, Window(0, 0, *slide.levels[0].shape))
    if bad:
        raise DataError(f"{path}: is damaged; copy it again")
    return pixels

"""MoNuSeg (2018): 44 or 51 tiles of several organs at 40x, with outlines but no classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nucwsi.io.datasets.dataset import Dataset, Entry, tcga_patient
from nucwsi.io.datasets.imagescope import label_outlines, pairs, read_outlines
from nucwsi.io.datasets.read_files import read_image
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances

_LAYOUT = (
    "MoNuSeg's Tissue Images/*.tif and Annotations/*.xml (training), or both in MoNuSegTestData"
)


def read(folder: Path) -> Dataset:
    """List the tiles of a MoNuSeg folder.

    Each ``*.tif`` of 1000 x 1000 pixels has an ImageScope ``*.xml`` of the same name with one layer
    and one region a nucleus. Tiles in a folder with ``test`` in its name are the test set. The
    TCGA barcodes name the patients. Pixels are 0.25 µm wide.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that holds tiles and outlines, in any folders below it.

    Returns
    -------
    Dataset
        One entry a tile, by path.

    Raises
    ------
    DataError
        If there are no such files, or a file of outlines has no image.

    References
    ----------
    Kumar et al., IEEE Transactions on Medical Imaging 36 (2017) and 39 (2020);
    github.com/ruchikaverma-iitg/MoNuSeg, he_to_binary_mask_final.m.
    """
    entries = tuple(
        Entry(
            "monuseg",
            name,
            partial(_tile, image, xml),
            0.25,
            patient=tcga_patient(name),
            part=part,
            split=part,
            licence="CC BY-NC-SA 4.0",
        )
        for name, image, xml, part in pairs(folder, (".tif",), _LAYOUT)
    )
    return Dataset(entries, {"monuseg": {}})


def _tile(image: Path, xml: Path) -> LabelledImage:
    pixels = read_image(image)
    instances, _ = label_outlines(str(xml), read_outlines(xml), pixels.shape[:2])
    return labelled_instances(str(xml), pixels, instances)

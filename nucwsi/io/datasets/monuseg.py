"""MoNuSeg (2018): 44 or 51 tiles of several organs at 40x, outlines without classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nucwsi.io.datasets.imagescope import paint, pairs, read_outlines
from nucwsi.io.datasets.source import Entry, Source, read_image, tcga_patient
from nucwsi.labels.labelled_image import LabelledImage, outlined

_LAYOUT = (
    "MoNuSeg's Tissue Images/*.tif and Annotations/*.xml (training), or both in MoNuSegTestData"
)


def read(source: Path) -> Source:
    """List the tiles of a MoNuSeg folder.

    ``*.tif`` of 1000 x 1000 pixels and, of the same name, ImageScope ``*.xml``: one layer, one
    region a nucleus. What lies in a folder with ``test`` in its name is the test set. Patients are
    those of the TCGA barcodes. 0.25 µm per pixel.

    Parameters
    ----------
    source : pathlib.Path

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If there are no such files, or outlines without an image.

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
        for name, image, xml, part in pairs(source, (".tif",), _LAYOUT)
    )
    return Source(entries, {"monuseg": {}})


def _tile(image: Path, xml: Path) -> LabelledImage:
    pixels = read_image(image)
    instances, _ = paint(str(xml), read_outlines(xml), pixels.shape[:2])
    return outlined(str(xml), pixels, instances)

"""What every reader of labelled images returns: a table of contents whose images are read later."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from nucwsi.labels.labelled_image import LabelledImage


@dataclass(frozen=True)
class Entry:
    """One labelled image of a data set, not yet read.

    Attributes
    ----------
    dataset : str
        Short name of the publication, such as ``lizard``.
    name : str
        Name of the image, unique within its data set.
    read : callable
        Reads the image with its labels and checks both.
    mpp : float or None
        µm per pixel of the image; None if nobody says.
    patient : str
        What all crops of one patient share, or of one source image where patients are not
        published; empty if unknown. Splits never cut through it.
    part : str
        Part of the publication that holds the image, such as a fold; empty if there is none.
    split : str
        ``train``, ``val`` or ``test`` as published; empty if the publication has no split.
    licence : str
        Licence of image and labels, such as ``CC BY-NC-SA 4.0``.
    note : str
        Anything else worth keeping, such as the organ.
    """

    dataset: str
    name: str
    read: Callable[[], LabelledImage]
    mpp: float | None
    patient: str = ""
    part: str = ""
    split: str = ""
    licence: str = ""
    note: str = ""


@dataclass(frozen=True)
class Dataset:
    """The table of contents of labelled images on disk.

    Attributes
    ----------
    entries : tuple of Entry
        One for each image; none of them is held in memory.
    labels : dict
        Data set -> label code -> name of the label; no codes where nuclei have no class.
    """

    entries: tuple[Entry, ...]
    labels: dict[str, dict[int, str]]


def tcga_patient(name: str) -> str:
    """Return the patient that a TCGA barcode names.

    Parameters
    ----------
    name : str
        A file name; it may begin with a barcode.

    Returns
    -------
    str
        The first three fields of the barcode, or an empty string if `name` has none.

    Examples
    --------
    >>> tcga_patient("TCGA-18-5592-01Z-00-DX1")
    'TCGA-18-5592'
    >>> tcga_patient("train_1")
    ''
    """
    match = re.match(r"TCGA-\w{2}-\w{4}(?!\w)", name)
    return match[0] if match else ""

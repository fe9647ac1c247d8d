"""Outlines drawn in Aperio ImageScope, the form of MoNuSeg and MoNuSAC."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from nucwsi.errors import DataError, RegionError
from nucwsi.io.datasets.source import by_stem, files, find
from nucwsi.io.regions.xml import read_drawn

log = logging.getLogger(__name__)


class Outline(NamedTuple):
    """One closed outline.

    Attributes
    ----------
    name : str
        First attribute of its layer, in lower case; the class in MoNuSAC.
    vertices : (V, 2) ndarray of float64
        Row and column; pixel (0, 0) reaches from 0 to 1.
    """

    name: str
    vertices: NDArray[np.float64]


def read_outlines(path: Path) -> list[Outline]:
    """Read all outlines of an ImageScope file.

    Parameters
    ----------
    path : pathlib.Path
        ``Annotations`` / ``Annotation`` (a layer: ``Attributes`` / ``Attribute[Name]``) /
        ``Regions`` / ``Region`` / ``Vertices`` / ``Vertex[X, Y]``.

    Returns
    -------
    list of Outline
        At least one, in the order of the file.

    Raises
    ------
    DataError
        If the file is damaged, has another form or no outline.
    """
    try:
        every = read_drawn(path)
    except RegionError as error:
        raise DataError(str(error)) from None
    if not every:
        raise DataError(
            f"{path}: holds no outlines; expected ImageScope's Annotations with Regions"
        )
    return [Outline(drawn.attribute.lower(), drawn.vertices[:, ::-1]) for drawn in every]


def paint(
    where: str, outlines: list[Outline], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Paint outlines as instances: a pixel belongs to the outline that holds its middle.

    Where outlines overlap, the first one has the pixel, as in MoNuSeg's he_to_binary_mask_final.m.
    Coordinates are taken to count from the corner of the first pixel, whose middle is then 0.5.
    That script has its middle at 1 and Python ports at 0, so that published masks lie half a pixel
    up and left, or down and right, of these.

    Parameters
    ----------
    where : str
        File, for the log.
    outlines : list of Outline
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    instances : (H, W) ndarray of int32
        k + 1 is the k-th outline.
    painted : (N,) ndarray of int64
        Which k have a pixel, ascending.
    """
    instances = np.zeros(shape, np.int32)
    for number, outline in enumerate(outlines, start=1):
        middles = outline.vertices - 0.5
        rows, columns = polygon(middles[:, 0], middles[:, 1], shape)
        free = instances[rows, columns] == 0
        instances[rows[free], columns[free]] = number
    painted = np.unique(instances[instances > 0]).astype(np.int64) - 1
    if len(painted) < len(outlines):
        log.info("%s: %d outlines without a pixel", where, len(outlines) - len(painted))
    return instances, painted


def pairs(
    source: Path, suffixes: tuple[str, ...], layout: str
) -> list[tuple[str, Path, Path, str]]:
    """Find the XML files of a data set and the image of each.

    Parameters
    ----------
    source : pathlib.Path
    suffixes : tuple of str
        Of images, in the order of preference.
    layout : str
        For errors.

    Returns
    -------
    list of (name, image, XML file, part)
        The part is ``test`` where a folder's name says so, else ``train``.

    Raises
    ------
    DataError
        If there are no XML files, or one has no image.
    """
    images: dict[str, Path] = {}
    for suffix in reversed(suffixes):
        images |= by_stem(files(source, f"*{suffix}"), "image")
    found = []
    for name, path in by_stem(find(source, "*.xml", layout), "label").items():
        if name not in images:
            wanted = " or ".join(f"{name}{suffix}" for suffix in suffixes)
            raise DataError(f"{path}: has no image {wanted}; expected {layout}")
        folders = path.relative_to(source.parent).parts[:-1]
        test = any("test" in folder.lower() for folder in folders)
        found.append((name, images[name], path, "test" if test else "train"))
    return found

"""Outlines drawn in Aperio ImageScope, as MoNuSeg and MoNuSAC publish them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from nucwsi.errors import DataError, RegionError
from nucwsi.io.datasets.read_files import by_stem, find_files, list_files
from nucwsi.io.regions.xml import read_drawn_outlines

log = logging.getLogger(__name__)


class Outline(NamedTuple):
    """One closed outline.

    Attributes
    ----------
    name : str
        First attribute of its layer, in lower case: the class in MoNuSAC.
    vertices : (V, 2) ndarray of float64
        Row and column in pixels of the image; pixel (0, 0) covers 0 to 1.
    """

    name: str
    vertices: NDArray[np.float64]


class Pair(NamedTuple):
    """An image and the file of its outlines.

    Attributes
    ----------
    name : str
        The name that both files share, without suffix.
    image : pathlib.Path
        The picture or slide.
    outlines : pathlib.Path
        The XML file.
    part : str
        ``test`` where a folder's name says so, else ``train``.
    """

    name: str
    image: Path
    outlines: Path
    part: str


def read_outlines(path: Path) -> list[Outline]:
    """Read all outlines of an ImageScope file.

    Parameters
    ----------
    path : pathlib.Path
        XML of ``Annotations`` / ``Annotation`` (a layer: ``Attributes`` / ``Attribute[Name]``) /
        ``Regions`` / ``Region`` / ``Vertices`` / ``Vertex[X, Y]``.

    Returns
    -------
    list of Outline
        At least one, in the order of the file.

    Raises
    ------
    DataError
        If the file is damaged, is XML of another kind, or holds no outline.
    """
    try:
        drawn = read_drawn_outlines(path)
    except RegionError as error:
        raise DataError(str(error)) from None
    if not drawn:
        raise DataError(
            f"{path}: holds no outlines; expected ImageScope's Annotations with Regions"
        )
    return [Outline(outline.attribute.lower(), outline.vertices[:, ::-1]) for outline in drawn]


def label_outlines(
    where: str, outlines: list[Outline], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Turn outlines into instances: a pixel belongs to the outline that holds its centre.

    Where outlines overlap, the first one gets the pixel, as in MoNuSeg's he_to_binary_mask_final.m.
    Coordinates are taken to count from the corner of the first pixel, whose centre is then at 0.5.
    That script puts this centre at 1, and Python ports of it at 0, so published masks lie half a
    pixel up and left, or down and right, of these.

    Parameters
    ----------
    where : str
        The file of the outlines, for the log.
    outlines : list of Outline
        In pixels of the image.
    shape : (int, int)
        Height and width of the image in pixels.

    Returns
    -------
    instances : (H, W) ndarray of int32
        k + 1 in the pixels of ``outlines[k]``, 0 where there is none.
    painted : (N,) ndarray of int64
        Each k that has a pixel, ascending.
    """
    instances = np.zeros(shape, np.int32)
    for number, outline in enumerate(outlines, start=1):
        centred = outline.vertices - 0.5
        rows, columns = polygon(centred[:, 0], centred[:, 1], shape)
        free = instances[rows, columns] == 0
        instances[rows[free], columns[free]] = number
    painted = np.unique(instances[instances > 0]).astype(np.int64) - 1
    if len(painted) < len(outlines):
        log.info("%s: %d outlines have no pixel", where, len(outlines) - len(painted))
    return instances, painted


def pairs(folder: Path, suffixes: tuple[str, ...], layout: str) -> list[Pair]:
    """List the XML files of a data set, each with its image.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the data set; all folders below it are searched.
    suffixes : tuple of str
        Suffixes of images, the preferred one first.
    layout : str
        How the data set is published: which files lie where. The error quotes it.

    Returns
    -------
    list of Pair
        Sorted by path of the XML file; at least one.

    Raises
    ------
    DataError
        If there are no XML files, or one has no image.
    """
    images: dict[str, Path] = {}
    for suffix in reversed(suffixes):
        images |= by_stem(list_files(folder, f"*{suffix}"), "image")
    matched = []
    for name, path in by_stem(find_files(folder, "*.xml", layout), "label").items():
        if name not in images:
            wanted = " or ".join(f"{name}{suffix}" for suffix in suffixes)
            raise DataError(f"{path}: has no image {wanted}; expected {layout}")
        folders = path.relative_to(folder.parent).parts[:-1]
        test = any("test" in part.lower() for part in folders)
        matched.append(Pair(name, images[name], path, "test" if test else "train"))
    return matched

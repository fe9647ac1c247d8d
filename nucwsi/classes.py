"""The classes of nuclei: the colour that each has everywhere, and which is the most probable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Class name -> RGB. QuPath keeps the first colour that it meets for a name, so these never change.
#: Classes of one checkpoint (CoNIC's, the default's, PanNuke's, MoNuSAC's) differ from each other
#: and from haematoxylin, eosin and glass by a CIEDE2000 of at least 11.8, under normal vision and
#: under the three colour vision deficiencies.
COLOURS: dict[str, tuple[int, int, int]] = {
    "neutrophil": (255, 225, 25),
    "epithelial": (0, 158, 115),
    "lymphocyte": (0, 90, 255),
    "plasma": (110, 220, 255),
    "eosinophil": (220, 50, 0),
    "connective": (60, 60, 60),
    "inflammatory": (0, 90, 255),
    "spindle": (60, 60, 60),
    "other": (255, 225, 25),
    "neoplastic": (220, 50, 0),
    "dead": (255, 225, 25),
    "macrophage": (220, 50, 0),
}

#: Columns of tables for each class, and columns for all classes that begin as they do.
_OF_A_CLASS = (
    *("n_{}", "n_{}_truth", "frac_{}", "{}_per_mm2", "{}_area_um2_median", "expected_{}"),
    *("{}_low", "{}_high"),
)
_TOTALS = ("n_nuclei", "n_unclassified", "n_truth", "n_found")

#: The classes of the CoNIC challenge, in the order of its ``counts.csv``.
CONIC = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")

#: Colours of classes that the table above does not name, in the order of the checkpoint.
_SPARE: tuple[tuple[int, int, int], ...] = (
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (0, 0, 0),
)


def colours(classes: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Return the colour of each class.

    Parameters
    ----------
    classes : tuple of str
        Class names of a checkpoint, in its order.

    Returns
    -------
    dict
        Class name -> (red, green, blue), each 0 to 255.
    """
    strangers = [name for name in classes if name not in COLOURS]
    return {
        name: COLOURS.get(name) or _SPARE[strangers.index(name) % len(_SPARE)] for name in classes
    }


def display_name(name: str) -> str:
    """Return the capitalised name that viewers show, e.g. ``Epithelial``.

    Parameters
    ----------
    name : str
        Class name of a checkpoint, such as ``epithelial``.

    Returns
    -------
    str
        With a capital letter and without underscores.
    """
    return name.replace("_", " ").capitalize()


def column_names(classes: tuple[str, ...]) -> list[str]:
    """Return the columns of ``composition.csv`` and ``images.csv`` that a class could double.

    Parameters
    ----------
    classes : tuple of str
        Class names of a checkpoint, in its order.

    Returns
    -------
    list of str
        Columns named after a class, and those of all classes together that begin alike.
    """
    return [*_TOTALS, *(column.format(name) for name in classes for column in _OF_A_CLASS)]


def most_probable(class_probabilities: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the class of each nucleus: its most probable one, the first of equals.

    Parameters
    ----------
    class_probabilities : (N, C) ndarray of float
        Probability of each of the C classes of a checkpoint, in its order, 0 to 1.

    Returns
    -------
    (N,) ndarray of uint8
        Index of the class.

    Examples
    --------
    >>> most_probable(np.array([[0.2, 0.7], [0.5, 0.5]]))
    array([1, 0], dtype=uint8)
    """
    return class_probabilities.argmax(axis=1).astype(np.uint8)

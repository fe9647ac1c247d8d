"""The classes of nuclei: the colour that each has everywhere, and which is the most probable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Name of a union -> the classes that it is made of, at least two.
Unions: TypeAlias = Mapping[str, tuple[str, ...]]

#: RGB. Bright, because outlines lie on nuclei, most of which are dark. They differ from each other,
#: and from the nuclei and the stroma of real slides, by a CIEDE2000 of at least 12 under normal
#: vision and under protanopia, deuteranopia and tritanopia; mint and ice are not told apart.
_GREEN, _BLUE, _ORANGE, _YELLOW = (33, 196, 148), (17, 106, 255), (244, 139, 12), (245, 250, 66)
_RED, _MINT, _ICE = (215, 11, 46), (190, 255, 220), (215, 247, 215)

#: Class name -> RGB. QuPath keeps the first colour that it meets for a name.
COLOURS: dict[str, tuple[int, int, int]] = {
    "neutrophil": _YELLOW,
    "epithelial": _GREEN,
    "lymphocyte": _BLUE,
    "plasma": _MINT,
    "eosinophil": _RED,
    "connective": _ORANGE,
    "inflammatory": _BLUE,
    "spindle": _ORANGE,
    "other": _YELLOW,
    "neoplastic": _RED,
    "tumour": _RED,
    "tumor": _RED,
    "benign": _GREEN,
    "healthy_epithelial": _GREEN,
    "normal_epithelial": _GREEN,
    "stromal": _ORANGE,
    "dead": _ICE,
    "necrotic": _ICE,
    "macrophage": _RED,
}

#: Colours of classes that the table above does not name, and of those whose colour another class of
#: the same checkpoint has already: the first that no class has.
_SPARE: tuple[tuple[int, int, int], ...] = (
    *(_BLUE, _ORANGE, _YELLOW, _RED, _GREEN, _ICE),
    *((230, 120, 255), (150, 75, 0), (120, 255, 0), (0, 190, 255), (255, 170, 160), (90, 90, 90)),
)

#: Opacity of the black casing on both sides of an outline, on a page: with it outlines are seen on
#: pale nuclei and on glass, too.
CASING_ALPHA = 0.75

#: Columns of tables for each class, and columns for all classes that begin as they do.
_OF_A_CLASS = (
    *("n_{}", "n_{}_truth", "frac_{}", "{}_per_mm2", "{}_area_um2_median", "expected_{}"),
    *("{}_low", "{}_high"),
)
_TOTALS = ("n_nuclei", "n_unclassified", "n_truth", "n_found")

#: The classes of the CoNIC challenge, in the order of its ``counts.csv``.
CONIC = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")


def colours(classes: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Return the colour of each class.

    Parameters
    ----------
    classes : tuple of str
        Class names of a checkpoint, in its order.

    Returns
    -------
    dict
        Class name -> (red, green, blue), each 0 to 255. No two of the first dozen are equal.
    """
    given: dict[str, tuple[int, int, int]] = {}
    for name in sorted(classes, key=lambda name: name not in COLOURS):
        free = [spare for spare in _SPARE if spare not in given.values()] or _SPARE
        own = COLOURS.get(name)
        given[name] = own if own and own not in given.values() else free[0]
    return {name: given[name] for name in classes}


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
        Class names of a checkpoint, in its order, and names of unions.

    Returns
    -------
    list of str
        Columns named after a class, and those of all classes together that begin alike.
    """
    return [*_TOTALS, *(column.format(name) for name in classes for column in _OF_A_CLASS)]


def check_names(classes: tuple[str, ...], count_error: Collection[str]) -> None:
    """Refuse classes that tables or viewers would mix up.

    Parameters
    ----------
    classes : tuple of str
        Class names, in their order.
    count_error : collection of str
        Classes whose error is known.

    Raises
    ------
    ValueError
        If there is no class, a name stands for two things, or an error is of no class.
    """
    shown = [display_name(name).casefold() for name in classes]
    if not classes or len(set(shown)) != len(shown):
        raise ValueError(f"`classes` {classes} must name at least one class, each its own")
    columns = column_names(classes)
    doubled = next((name for name in columns if columns.count(name) > 1), None)
    if doubled:
        raise ValueError(f"`classes` {classes}: two columns of a table would be `{doubled}`")
    check_known("count_error", count_error, classes)


def check_known(field: str, names: Collection[str], classes: tuple[str, ...]) -> None:
    """Refuse what is said of a class that is not there.

    Parameters
    ----------
    field : str
        Where the names stand, for the message of an error.
    names : collection of str
        Classes that it speaks of.
    classes : tuple of str
        Classes that there are.

    Raises
    ------
    ValueError
        If one of the names is none of the classes.
    """
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise ValueError(f"`{field}` names {unknown[0]!r}, which is none of {classes}")


def check_unions(unions: Unions, classes: tuple[str, ...]) -> None:
    """Refuse unions of classes that are not there, or whose columns would be those of a class.

    Parameters
    ----------
    unions : mapping of str to tuple of str
        Name of each union -> classes that it is made of.
    classes : tuple of str
        Classes that there are.

    Raises
    ------
    ValueError
        If a union joins fewer than two of the classes, or its name stands for two things.
    """
    for name, of in unions.items():
        check_known(f"unions.{name}", of, classes)
        if len(set(of)) < max(2, len(of)):
            raise ValueError(f"`unions.{name}`: expected two classes or more, each once, got {of}")
    if not unions:
        return
    try:
        check_names((*classes, *unions), ())
    except ValueError as error:
        raise ValueError(f"`unions` have names that clash with the classes': {error}") from None


def read_unions(lines: Collection[str], classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Read unions as settings name them.

    Parameters
    ----------
    lines : collection of str
        One for each union, such as ``epithelial = neoplastic | healthy epithelial``.
    classes : tuple of str
        Classes that there are.

    Returns
    -------
    dict of str to tuple of str
        Name of each union -> classes that it is made of.

    Raises
    ------
    ValueError
        If a line is no union of these classes.

    Examples
    --------
    >>> read_unions(["epithelial = tumour | benign"], ("tumour", "benign", "other"))
    {'epithelial': ('tumour', 'benign')}
    """
    unions: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, sign, joined = line.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"expected a union such as `all = one | another`, got {line!r}")
        if name.strip() in unions:
            raise ValueError(f"the union {name.strip()!r} is named twice")
        unions[name.strip()] = tuple(part.strip() for part in joined.split("|"))
    check_unions(unions, classes)
    return unions


def unions_within(unions: Unions, classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the unions that other classes leave as they are.

    Parameters
    ----------
    unions : mapping of str to tuple of str
        Of an ensemble.
    classes : tuple of str
        Classes that a classifier gave the nuclei instead.

    Returns
    -------
    dict of str to tuple of str
        Those whose classes there still are, and whose name no class has.
    """
    taken = {display_name(name).casefold() for name in classes}
    return {
        name: of
        for name, of in unions.items()
        if set(of) <= set(classes) and display_name(name).casefold() not in taken
    }


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

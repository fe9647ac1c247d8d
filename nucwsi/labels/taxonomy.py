"""What the labels of the published data sets mean, and what they may mean to a model.

Data sets name cells differently and more or less finely. Every name, of a label as of a class,
stands for a set of kinds of cell; a label may mean each class that shares a kind with it.
"""

from __future__ import annotations

from nucwsi.errors import DataError

_EPITHELIAL = frozenset({"benign epithelium", "malignant epithelium"})
_INFLAMMATORY = frozenset({"neutrophil", "lymphocyte", "plasma", "eosinophil", "macrophage"})
_SPINDLE = frozenset({"fibroblast", "muscle", "endothelial"})
#: `rest` stands for what no data set names: mitoses, nerves, fat, artefacts.
_ALL = _EPITHELIAL | _INFLAMMATORY | _SPINDLE | {"dead", "rest"}

#: Name of a label or of a class -> kinds of cell that it can stand for. Beside a narrower name of
#: the same list a name loses the kinds of that one: `other` is what the others leave, and
#: `epithelial` beside `neoplastic` is benign.
KINDS: dict[str, frozenset[str]] = {
    **{kind: frozenset({kind}) for kind in (*_INFLAMMATORY, *_SPINDLE, "dead")},
    "inflammatory": _INFLAMMATORY,
    "epithelial": _EPITHELIAL,
    "tumour": _EPITHELIAL,
    "neoplastic": frozenset({"malignant epithelium"}),
    "malignant epithelial": frozenset({"malignant epithelium"}),
    "healthy epithelial": frozenset({"benign epithelium"}),
    "connective": _SPINDLE,
    "stromal": _SPINDLE,
    "spindle": _SPINDLE,
    "other": _ALL,
    "miscellaneous": _ALL,
}

_LIZARD = {
    1: "neutrophil",
    2: "epithelial",
    3: "lymphocyte",
    4: "plasma",
    5: "eosinophil",
    6: "connective",
}

#: Data set -> label code -> name, as published; the readers cite the sources. MoNuSAC publishes
#: names only, so its codes are our own. MoNuSeg has no classes.
LABELS: dict[str, dict[int, str]] = {
    "conic": _LIZARD,
    "lizard": _LIZARD,
    "pannuke": {1: "neoplastic", 2: "inflammatory", 3: "connective", 4: "dead", 5: "epithelial"},
    "consep": {
        1: "other",
        2: "inflammatory",
        3: "healthy epithelial",
        4: "malignant epithelial",
        5: "fibroblast",
        6: "muscle",
        7: "endothelial",
    },
    "monuseg": {},
    "monusac": {1: "epithelial", 2: "lymphocyte", 3: "neutrophil", 4: "macrophage"},
}

#: Data set -> label code -> name, for manifests without a table of their own. Here `consep` has the
#: four classes of the HoVer-Net paper, and `pannuke` only separates neoplastic nuclei from others.
UNTABLED: dict[str, dict[int, str]] = {
    "consep": {1: "miscellaneous", 2: "inflammatory", 3: "epithelial", 4: "spindle"},
    "pannuke": {1: "neoplastic", 2: "other"},
    "nucls": {1: "other", 2: "tumour"},
    "brca-m2c": {1: "lymphocyte", 2: "tumour", 3: "stromal"},
}


def kinds(names: list[str]) -> dict[str, frozenset[str]]:
    """Return the kinds of cell that each of a list of names stands for.

    Parameters
    ----------
    names : list of str
        All labels of a data set, or all classes of a model. A name may join several with ``|``.

    Returns
    -------
    dict of str to frozenset of str
        Name -> kinds of cell, none of which a narrower name of the list claims.

    Raises
    ------
    DataError
        If a name is not known.

    Examples
    --------
    >>> sorted(kinds(["lymphocyte", "inflammatory"])["inflammatory"])
    ['eosinophil', 'macrophage', 'neutrophil', 'plasma']
    """
    single = [part for name in names for part in name.split("|")]
    for name in single:
        if name not in KINDS:
            raise DataError(
                f"the label or class {name!r} is not known; expected one of"
                f" {', '.join(sorted(KINDS))}, or several joined by |"
            )
    own = {
        name: KINDS[name].difference(*(KINDS[o] for o in single if KINDS[o] < KINDS[name]))
        for name in single
    }
    return {name: frozenset().union(*(own[part] for part in name.split("|"))) for name in names}


def class_sets(labels: dict[int, str], classes: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Return which of a model's classes each label may mean.

    Parameters
    ----------
    labels : dict of int to str
        Label code -> name, for all labels of a data set.
    classes : tuple of str
        The classes of the model, in its order.

    Returns
    -------
    dict of int to tuple of str
        Label code -> classes, in the model's order; empty where the label says nothing, because it
        fits no class or all of them.

    Raises
    ------
    DataError
        If a name is not known.

    Examples
    --------
    >>> class_sets({1: "other", 2: "tumour"}, ("epithelial", "inflammatory", "other"))
    {1: ('inflammatory', 'other'), 2: ('epithelial',)}
    """
    meant, known = kinds(list(labels.values())), kinds(list(classes))
    sets = {
        code: tuple(c for c in classes if meant[name] & known[c]) for code, name in labels.items()
    }
    return {code: fitting if len(fitting) < len(classes) else () for code, fitting in sets.items()}

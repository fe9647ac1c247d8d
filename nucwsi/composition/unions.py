"""Unions of classes, counted as if the networks did not tell their classes apart.

A network that knows tumour apart from benign epithelium is compared with one that does not by the
number of both together, whose interval is narrower than the sum of theirs: a nucleus that may be
either is epithelial for certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import Unions, column_names
from nucwsi.composition.counts import Columns, Population, composition
from nucwsi.composition.intervals import CountError
from nucwsi.composition.membership import Membership


def union_columns(
    membership: Membership,
    nuclei: Population,
    classes: tuple[str, ...],
    unions: Unions,
    tissue_mm2: NDArray[np.float64],
    error: CountError,
    distance: NDArray[np.float64] | None = None,
) -> Columns:
    """Count the nuclei of each region by unions of classes.

    Parameters
    ----------
    membership, nuclei, classes
        As for `counts.composition`.
    unions : mapping of str to tuple of str
        Name of each union -> classes that it is made of.
    tissue_mm2, error, distance
        As for `counts.composition`.

    Returns
    -------
    dict of str to (R,) ndarray
        For each union the columns that `counts.composition` has for a class of its name.
    """
    columns: Columns = {}
    of_all = column_names(())
    for name, of in unions.items():
        codes = np.array([classes.index(part) for part in of])
        joined = _joined(nuclei, name, codes, classes)
        own = composition(
            membership, joined, (name,), tissue_mm2, joined_error(error, [codes]), distance
        )
        named = (column for column in column_names((name,)) if column not in of_all)
        columns |= {column: own[column] for column in named if column in own}
    return columns


def _joined(
    nuclei: Population, name: str, codes: NDArray[np.int64], classes: tuple[str, ...]
) -> Population:
    """Return nuclei of one class, the union; all others are without a class."""
    apart = list(nuclei.contrasts)
    starts = range(0, len(apart), len(classes))
    share = _sum(nuclei.class_probabilities, [classes[code] for code in codes])
    return Population(
        np.where(np.isin(nuclei.class_code, codes), 0, 1).astype(np.uint8),
        {name: np.minimum(share, 1)},
        nuclei.features,
        {apart[at]: _sum(nuclei.contrasts, [apart[at + code] for code in codes]) for at in starts},
    )


def _sum(columns: Mapping[str, NDArray[np.float32]], names: list[str]) -> NDArray[np.float32]:
    """Add up columns as `joined` does, with one in memory at a time."""
    first, *others = names
    total = columns[first].astype(np.float64)
    for name in others:
        total += columns[name]
    return total.astype(np.float32)


def joined(
    values: NDArray[np.float32], groups: Sequence[NDArray[np.int64]], n_classes: int
) -> NDArray[np.float32]:
    """Add up what nuclei have for each class, group by group.

    Parameters
    ----------
    values : (N, Q · C) ndarray of float32
        Probabilities (Q = 1) or contrasts, by contrast, then class.
    groups : sequence of ndarray of int64
        Indices of the classes of each of G groups.
    n_classes : int
        Number of classes C.

    Returns
    -------
    (N, Q · G) ndarray of float32
        By contrast, then group.
    """
    n_nuclei, n_contrasts = len(values), values.shape[1] // max(1, n_classes)
    each = values.reshape(n_nuclei, n_contrasts, n_classes)
    sums = [each[:, :, codes].sum(axis=2, dtype=np.float64) for codes in groups]
    flat = np.stack(sums, axis=2).reshape(n_nuclei, n_contrasts * len(groups))
    return flat.astype(np.float32)


def joined_error(error: CountError, groups: Sequence[NDArray[np.int64]]) -> CountError:
    """Return the error of groups of classes: of their classes the largest, for none was measured.

    What is confused within a group does not count: `CountError.confusion` scales the nuclei that
    the probabilities of the group expect to be confused.

    Parameters
    ----------
    error : CountError
        Of C classes.
    groups : sequence of ndarray of int64
        Indices of the classes of each of G groups.

    Returns
    -------
    CountError
        Of G groups.
    """
    confusion, share = (
        np.array([values[codes].max() for codes in groups])
        for values in (error.confusion, error.share)
    )
    return error._replace(confusion=confusion, share=share)

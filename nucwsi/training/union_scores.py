"""Scores of networks that tell more classes apart than the labels, or than other networks.

CoNSeP's epithelium may be a tumour's or benign. A network that tells both apart is scored there by
the union of both, with all other classes as they are, so that it is compared with one that does
not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import Unions
from nucwsi.composition.intervals import CountError
from nucwsi.composition.unions import joined, joined_error
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.sample import Sample
from nucwsi.training.scores import ImageScores, dataset_row, score_image


class Classes(NamedTuple):
    """Classes of a network, some of them joined.

    Attributes
    ----------
    names : tuple of str
        The G names, a union in the place of its first class.
    groups : list of ndarray of int64
        Indices of the network's classes that each stands for.
    """

    names: tuple[str, ...]
    groups: list[NDArray[np.int64]]

    @classmethod
    def joined(cls, classes: tuple[str, ...], unions: Unions) -> Classes:
        """Join classes; a union that shares a class with an earlier one is left out.

        Parameters
        ----------
        classes : tuple of str
            The network's C classes.
        unions : mapping of str to tuple of str
            Name of each union -> classes that it is made of.

        Returns
        -------
        Classes
            All classes, each in one group.
        """
        name_of: dict[str, str] = {}
        for name, of in unions.items():
            if not name_of.keys() & set(of):
                name_of |= dict.fromkeys(of, name)
        members: dict[str, list[int]] = {}
        for code, name in enumerate(classes):
            members.setdefault(name_of.get(name, name), []).append(code)
        return cls(tuple(members), [np.array(codes) for codes in members.values()])

    def score(self, one: ImageScores, mpp: float) -> ImageScores:
        """Score an image as if the network knew the joined classes alone.

        Parameters
        ----------
        one : ImageScores
            The image, in the network's classes.
        mpp : float
            µm per pixel of the network.

        Returns
        -------
        ImageScores
            In G classes.
        """
        sample, nuclei = self._sample(one.sample), self._nuclei(one.nuclei)
        return score_image(sample, nuclei, len(self.groups), mpp)

    def _sample(self, sample: Sample) -> Sample:
        """Return what the labels allow of the joined classes."""
        bits = [np.bitwise_or.reduce(1 << codes) for codes in self.groups]
        allowed = np.zeros_like(sample.allowed)
        for group, bit in enumerate(bits):
            allowed |= np.where(sample.allowed & bit, 1 << group, 0).astype(np.uint8)
        return replace(sample, allowed=allowed)

    def _nuclei(self, nuclei: ImageNuclei) -> ImageNuclei:
        n_classes = nuclei.class_probabilities.shape[1]
        group_of = np.zeros(n_classes, np.uint8)
        for group, codes in enumerate(self.groups):
            group_of[codes] = group
        shares = joined(nuclei.class_probabilities, self.groups, n_classes)
        return replace(
            nuclei,
            class_code=group_of[nuclei.class_code],
            class_probabilities=np.minimum(shares, 1),
            contrasts=joined(nuclei.contrasts, self.groups, n_classes),
        )


def tells_apart(images: list[ImageScores], codes: NDArray[np.int64]) -> bool:
    """Return whether labels tell any class of a union from its others.

    Parameters
    ----------
    images : list of ImageScores
        Images of one data set, in the network's classes.
    codes : (K,) ndarray of int64
        Indices of the union's classes.

    Returns
    -------
    bool
        Whether a nucleus may be of one of them and of no other class.
    """
    return any(bool(one.truth_counts[codes].any()) for one in images)


class Comparable(NamedTuple):
    """The images of one data set, scored in the classes that its labels tell apart.

    Attributes
    ----------
    images : list of ImageScores
        In `classes`.
    classes : tuple of str
        The network's, with unions in the place of those that no label tells apart.
    row : dict of str to float
        As `scores.dataset_row`; also with the columns of unions whose classes the labels do tell
        apart.
    """

    images: list[ImageScores]
    classes: tuple[str, ...]
    row: dict[str, float]


def compared(
    images: list[ImageScores],
    classes: tuple[str, ...],
    unions: Unions,
    error: CountError,
    mpp: float,
) -> Comparable:
    """Score the images of one data set so that networks of other classes can be compared.

    Parameters
    ----------
    images : list of ImageScores
        At least one, in the network's classes.
    classes : tuple of str
        Names of these C classes.
    unions : mapping of str to tuple of str
        Name of each union -> classes that it is made of.
    error : CountError
        By how much counts are off beyond chance.
    mpp : float
        µm per pixel of the network.

    Returns
    -------
    Comparable
        Without unions, what `scores.dataset_row` gives.
    """
    told = {
        name: tells_apart(images, np.array([classes.index(part) for part in of]))
        for name, of in unions.items()
    }
    blurred = {name: of for name, of in unions.items() if not told[name]}
    scored, names, own = _scored(images, classes, blurred, error, mpp)
    row = dataset_row(scored, names, own)
    for name in (name for name, apart in told.items() if apart):
        more = dataset_row(*_scored(images, classes, {name: unions[name]}, error, mpp))
        new = (column for column in more if column not in row and column.endswith(f"_{name}"))
        row |= {column: more[column] for column in new}
    return Comparable(scored, names, row)


def _scored(
    images: list[ImageScores],
    classes: tuple[str, ...],
    unions: Unions,
    error: CountError,
    mpp: float,
) -> tuple[list[ImageScores], tuple[str, ...], CountError]:
    """Score images in joined classes; also return the names and the error of these."""
    if not unions:
        return images, classes, error
    how = Classes.joined(classes, unions)
    rescored = [how.score(one, mpp) for one in images]
    return rescored, how.names, joined_error(error, how.groups)

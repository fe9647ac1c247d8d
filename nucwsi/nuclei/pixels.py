"""The labelled pixels of a window, as lists: of most windows they are a small part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window


def first_places(labels: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """Find where each label occurs first in a list.

    Parameters
    ----------
    labels : (P,) ndarray of int
    count : int
        Largest label.

    Returns
    -------
    (count + 1,) ndarray of int64
        Index of label 0, 1, ...; -1 for a label that does not occur.
    """
    first = np.full(count + 1, -1, np.int64)
    # The last assignment wins: in reversed order, that of the first place.
    first[labels[::-1]] = np.arange(len(labels) - 1, -1, -1)
    return first


def begins_in(first_px: NDArray[np.int64], width: int, part: Window) -> NDArray[np.bool_]:
    """Return which sets of pixels have their first pixel in a part of a window.

    Parameters
    ----------
    first_px : (N,) ndarray of int64
        Flat index of the first pixel of each set in the window.
    width : int
        Width of the window in pixels.
    part : Window
        The part, in pixels of the window.

    Returns
    -------
    (N,) ndarray of bool
        Exactly one of several parts that partition the window answers True for a set.
    """
    row, column = np.divmod(first_px, width)
    in_rows = (row >= part.row) & (row < part.row_stop)
    return in_rows & (column >= part.column) & (column < part.column_stop)


class Pixels(NamedTuple):
    """The labelled pixels of a window.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the window.
    place : (P,) ndarray of int64
        Flat index of each pixel in the window, ascending.
    label : (P,) ndarray of int64
        From 1 on; of the type that NumPy takes for an index without a copy.
    """

    shape: tuple[int, ...]
    place: NDArray[np.int64]
    label: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.integer]) -> Pixels:
        """List the labelled pixels of an image.

        Parameters
        ----------
        labels : (H, W) ndarray of int
            0 is background.

        Returns
        -------
        Pixels
        """
        place = np.flatnonzero(labels)
        return cls(labels.shape, place, labels.ravel()[place].astype(np.int64))

    def image(self) -> NDArray[np.int32]:
        """Return the labels as an image, 0 is background.

        Returns
        -------
        (H, W) ndarray of int32
        """
        labels = np.zeros(self.shape, np.int32)
        labels.ravel()[self.place] = self.label
        return labels

    def first(self, count: int) -> NDArray[np.int64]:
        """Find the first pixel of each label.

        Parameters
        ----------
        count : int
            Largest label; all from 1 on occur.

        Returns
        -------
        (count,) ndarray of int64
            Flat index of label 1, 2, ...
        """
        return self.place[first_places(self.label, count)[1:]]

    def boxes(self, count: int) -> NDArray[np.int64]:
        """Give the bounding box of each label.

        Parameters
        ----------
        count : int
            Largest label; all from 1 on occur.

        Returns
        -------
        (count, 4) ndarray of int64
            First row, first column, row stop, column stop, in pixels of the window.
        """
        row, column = np.divmod(self.place, self.shape[1])
        low, high = np.full((2, count + 1), max(self.shape)), np.zeros((2, count + 1), np.int64)
        for axis, at in enumerate((row, column)):
            np.minimum.at(low[axis], self.label, at)
            np.maximum.at(high[axis], self.label, at + 1)
        return np.concatenate([low, high]).T[1:]

    def renumbered(self, number: NDArray[np.int64]) -> Pixels:
        """Give every label its new number.

        Parameters
        ----------
        number : (count + 1,) ndarray of int64
            For each label its new one; 0 takes it away.

        Returns
        -------
        Pixels
        """
        label = number[self.label]
        kept = np.flatnonzero(label)
        return Pixels(self.shape, self.place[kept], label[kept])

    def only(self, chosen: NDArray[np.bool_]) -> Pixels:
        """Keep some labels, and number them anew without gaps.

        Parameters
        ----------
        chosen : (count,) ndarray of bool
            Whether label 1, 2, ... stays.

        Returns
        -------
        Pixels
        """
        return self.renumbered(np.concatenate([[0], np.cumsum(chosen) * chosen]))


def connected(mask: NDArray[np.bool_]) -> tuple[Pixels, int]:
    """Label the 4-connected components of a mask, in raster order of their first pixels.

    Parameters
    ----------
    mask : (H, W) ndarray of bool

    Returns
    -------
    components : Pixels
    count : int
    """
    place = np.flatnonzero(mask)
    label, count = connected_places(place, mask.shape[1])
    return Pixels(mask.shape, place, label), count


def connected_places(place: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], int]:
    """Do the same for a list of pixels.

    Parameters
    ----------
    place : (P,) ndarray of int64
        Flat indices, ascending.
    width : int
        Of the window.

    Returns
    -------
    label : (P,) ndarray of int64
        From 1 on.
    count : int

    References
    ----------
    Runs instead of pixels: He, Chao and Suzuki, IEEE Transactions on Image Processing 17 (2008).
    Pointer jumping: Shiloach and Vishkin, Journal of Algorithms 3 (1982).
    """
    if len(place) == 0:
        return np.empty(0, np.int64), 0
    begins = np.ones(len(place), bool)
    np.not_equal(place[1:], place[:-1] + 1, out=begins[1:])
    rows = np.searchsorted(place, np.arange(0, place[-1] + 1, width))
    begins[rows[rows < len(place)]] = True
    first = np.flatnonzero(begins)
    length = np.diff(first, append=len(place))
    start = place[first]
    stop = start + length
    # Of each run, the runs that touch it in the row above: from `left` on, before `right`.
    left = np.searchsorted(stop, start - width, side="right")
    right = np.searchsorted(start, stop - width, side="left")
    root = np.arange(len(start))
    root = _flattened(np.where(left < right, left, root))
    # One neighbour above is the parent; where there are more, they belong together.
    more = np.maximum(right - left - 1, 0)
    one = np.repeat(np.arange(len(start)), more)
    other = np.arange(len(one)) + np.repeat(left + 1 - np.cumsum(more) + more, more)
    while len(one):
        high, low = np.maximum(root[one], root[other]), np.minimum(root[one], root[other])
        apart = high > low
        one, other = one[apart], other[apart]
        np.minimum.at(root, high[apart], low[apart])
        root = _flattened(root)
    is_root = root == np.arange(len(root))
    number = np.cumsum(is_root)
    return np.repeat(number[root], length), int(number[-1])


def _flattened(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lead from every node of a forest straight to its root."""
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further

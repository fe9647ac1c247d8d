"""The labelled pixels of a window as lists, since in most windows they are a small part of all."""

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
        Labels from 0 to `count`.
    count : int
        Largest label.

    Returns
    -------
    (N + 1,) ndarray of int64
        With N = `count`: index into `labels` of the first 0, 1, ..., N; -1 for a label that does
        not occur.

    Examples
    --------
    >>> first_places(np.array([2, 0, 2, 1]), 3).tolist()
    [1, 3, 0, -1]
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
    """The labelled pixels of a window: a label image without its background.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the window in pixels.
    place : (P,) ndarray of int64
        Flat index of each pixel in the window, ascending.
    label : (P,) ndarray of int64
        Label of each pixel, from 1 on; int64 because NumPy takes it as an index without a copy.
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
            Label of each pixel of the window; 0 is background.

        Returns
        -------
        Pixels
            Those whose label is not 0.
        """
        place = np.flatnonzero(labels)
        return cls(labels.shape, place, labels.ravel()[place].astype(np.int64))

    def image(self) -> NDArray[np.int32]:
        """Return the labels as an image: the inverse of `of`.

        Returns
        -------
        (H, W) ndarray of int32
            Label of each pixel of the window; 0 is background.
        """
        labels = np.zeros(self.shape, np.int32)
        labels.ravel()[self.place] = self.label
        return labels

    def first(self, count: int) -> NDArray[np.int64]:
        """Find the first pixel of each label in raster order.

        Parameters
        ----------
        count : int
            Largest label; all from 1 on occur.

        Returns
        -------
        (N,) ndarray of int64
            Flat index in the window of the first pixel of label 1, 2, ..., `count`.
        """
        return self.place[first_places(self.label, count)[1:]]

    def boxes(self, count: int) -> NDArray[np.int64]:
        """Return the bounding box of each label.

        Parameters
        ----------
        count : int
            Largest label; all from 1 on occur.

        Returns
        -------
        (N, 4) ndarray of int64
            First row, first column, row stop, column stop of label 1, 2, ..., `count`, in pixels of
            the window.
        """
        row, column = np.divmod(self.place, self.shape[1])
        low, high = np.full((2, count + 1), max(self.shape)), np.zeros((2, count + 1), np.int64)
        for axis, at in enumerate((row, column)):
            np.minimum.at(low[axis], self.label, at)
            np.maximum.at(high[axis], self.label, at + 1)
        return np.concatenate([low, high]).T[1:]

    def renumbered(self, number: NDArray[np.int64]) -> Pixels:
        """Give every label a new number.

        Parameters
        ----------
        number : (N + 1,) ndarray of int64
            New number of label 0, 1, ..., N; pixels whose new number is 0 are dropped.

        Returns
        -------
        Pixels
            Of the same window.
        """
        label = number[self.label]
        kept = np.flatnonzero(label)
        return Pixels(self.shape, self.place[kept], label[kept])

    def only(self, chosen: NDArray[np.bool_]) -> Pixels:
        """Keep some labels, numbered anew from 1 without gaps, in their order.

        Parameters
        ----------
        chosen : (N,) ndarray of bool
            Whether label 1, 2, ..., N is kept.

        Returns
        -------
        Pixels
            Of the same window.
        """
        return self.renumbered(np.concatenate([[0], np.cumsum(chosen) * chosen]))


def connected(mask: NDArray[np.bool_]) -> tuple[Pixels, int]:
    """Label the 4-connected components of a mask, in raster order of their first pixels.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        The pixels to connect.

    Returns
    -------
    components : Pixels
        All pixels of the mask, with the number of their component.
    count : int
        Number of components.

    Examples
    --------
    Pixels that touch at a corner only are not connected. The component that begins first is the
    first, wherever the rest of it lies::

        . # . #        . 1 . 2
        # . . #   ->   3 . . 2
        # # # .        3 3 3 .

    >>> mask = np.array([[0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]], bool)
    >>> components, count = connected(mask)
    >>> components.image()
    array([[0, 1, 0, 2],
           [3, 0, 0, 2],
           [3, 3, 3, 0]], dtype=int32)
    """
    place = np.flatnonzero(mask)
    label, count = connected_places(place, mask.shape[1])
    return Pixels(mask.shape, place, label), count


def connected_places(place: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], int]:
    """Label the 4-connected components of a list of pixels, as `connected` does those of a mask.

    Parameters
    ----------
    place : (P,) ndarray of int64
        Flat index of each pixel in the window, ascending.
    width : int
        Width of the window in pixels.

    Returns
    -------
    label : (P,) ndarray of int64
        Number of the component of each pixel, from 1 on.
    count : int
        Number of components.

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
    """Replace every node's parent by its root."""
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further


def touches_end(pixels: Pixels, tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels have a 4-neighbour where the network was not run.

    Parameters
    ----------
    pixels : Pixels
        P pixels of a window.
    tissue : (H + 2, W + 2) ndarray of bool
        True where the network was run: the window and one pixel around it.

    Returns
    -------
    (P,) ndarray of bool
        In the order of `pixels`.
    """
    if tissue.all():
        return np.zeros(len(pixels.place), bool)
    around = tissue[:-2, 1:-1] & tissue[2:, 1:-1] & tissue[1:-1, :-2] & tissue[1:-1, 2:]
    return ~around.ravel()[pixels.place]

"""An overview looked at in blocks, and statistics of its values from counts.

The overview of a large slide has tens of millions of pixels. What is computed of it takes the
memory of a block, wherever pixels far from each other say nothing of one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Window

#: Side of a block, and how far filters see beyond it, in pixels; neither changes a result.
SIDE_PX, REACH_PX = 512, 16

#: Number of pixels whose colours stand for all.
SAMPLE = 1_000_000


class Block(NamedTuple):
    """A block, and the same with what filters see around it; each is an index of arrays.

    Attributes
    ----------
    own : (slice, slice)
        The block in the whole; every pixel lies in one.
    around : (slice, slice)
        The block and up to `REACH_PX` pixels around it, in the whole.
    within : (slice, slice)
        The block in what is ``around``.
    """

    own: tuple[slice, slice]
    around: tuple[slice, slice]
    within: tuple[slice, slice]


def blocks(shape: tuple[int, ...]) -> Iterator[Block]:
    """Cut an array into blocks.

    Parameters
    ----------
    shape : (int, int, ...)
        Its rows and columns, in pixels; what follows is not cut.

    Yields
    ------
    Block
        In raster order.
    """
    if min(shape[:2]) < 1:
        return
    whole = Window(0, 0, *shape[:2])
    for own in whole.cut(SIDE_PX, SIDE_PX):
        around = own.grown(REACH_PX).intersection(whole) or own
        yield Block(own.slices, around.slices, own.within(around).slices)


def counted_median(counts: NDArray[np.int64]) -> float:
    """Return the median of values of which is known how often each occurs.

    Parameters
    ----------
    counts : (N,) ndarray of int64
        How often each whole number from 0 occurs; at least one does.

    Returns
    -------
    float
        As `numpy.median`.
    """
    total = int(counts.sum())
    places = np.searchsorted(counts.cumsum(), [(total - 1) // 2, total // 2], side="right")
    return float(places.mean())


def counted_quantile(counts: NDArray[np.int64], share: float) -> float:
    """Return a quantile of values of which is known how often each occurs.

    Parameters
    ----------
    counts : (N,) ndarray of int64
        How often each whole number from 0 occurs; at least one does.
    share : float
        0 to 1.

    Returns
    -------
    float
        As `numpy.quantile`.
    """
    place = share * (int(counts.sum()) - 1)
    low, high = np.searchsorted(
        counts.cumsum(), [np.floor(place), np.ceil(place)], side="right"
    ).tolist()
    return float(low + (high - low) * (place % 1))


def counts_of(values: NDArray[np.integer], n_values: int = 256) -> NDArray[np.int64]:
    """Count how often each value occurs.

    Parameters
    ----------
    values : ndarray of int
        Whole numbers from 0.
    n_values : int
        The largest value, plus 1.

    Returns
    -------
    (n_values,) ndarray of int64
        One count for each value.
    """
    return np.bincount(values.ravel(), minlength=n_values)


def sampled(overview: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Take the colours of a mask, at most about a million of them, evenly spread.

    Parameters
    ----------
    overview : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    mask : (H, W) ndarray of bool
        Pixels whose colours are wanted.

    Returns
    -------
    (N, 3) ndarray of uint8
        In raster order; all of them where there are less than a million.
    """
    step = 1 + int(mask.sum()) // SAMPLE
    sample, n_seen = [], 0
    for rgb, inside in zip(overview, mask, strict=True):
        colours = rgb[inside]
        sample.append(colours[-n_seen % step :: step])
        n_seen += len(colours)
    return np.concatenate(sample)


def without_small(mask: NDArray[np.bool_], least_px: float) -> NDArray[np.bool_]:
    """Leave out the pieces of a mask that are too small.

    The pieces are those of the runs of pixels in each row, joined where runs of neighbouring rows
    touch, so that memory grows with their number and not with that of the pixels (He, Chao and
    Suzuki, IEEE Transactions on Image Processing 17, 2008).

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        Pixels that touch at a corner are connected.
    least_px : float
        Least number of pixels of a piece that stays.

    Returns
    -------
    (H, W) ndarray of bool
        The mask without its smaller pieces.
    """
    from scipy import sparse

    row, start, stop = _runs(mask)
    # Places in a raster with two columns of room: runs of one row never touch those of the next.
    pitch = mask.shape[1] + 2
    first = np.searchsorted(row * pitch + stop, (row - 1) * pitch + start)
    last = np.searchsorted(row * pitch + start, (row - 1) * pitch + stop, side="right")
    touching = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(row)), touching)
    above = np.arange(len(below)) - np.repeat(touching.cumsum() - touching, touching) + first[below]
    links = sparse.coo_array((np.ones(len(below), bool), (below, above)), shape=(len(row),) * 2)
    _, piece = sparse.csgraph.connected_components(links, directed=False)
    kept = (np.bincount(piece, stop - start) >= least_px)[piece]
    large = np.zeros_like(mask)
    for at, left, right in zip(*(part[kept].tolist() for part in (row, start, stop)), strict=True):
        large[at, left:right] = True
    return large


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return row, first column and column after the last of each run, in raster order."""
    found = []
    for top in range(0, len(mask), SIDE_PX):
        padded = np.pad(mask[top : top + SIDE_PX], ((0, 0), (1, 1)))
        rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
        found.append((rows[::2] + top, columns[::2], columns[1::2]))
    row, start, stop = (np.concatenate(part) for part in zip(*found, strict=True))
    return row, start, stop

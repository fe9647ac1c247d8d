"""The maps that a network learns to predict, computed from an instance map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hv_targets(instances: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return for every pixel of a nucleus where in its nucleus it lies.

    The horizontal (vertical) value is the distance in columns (rows) from the centroid, divided by
    the largest such distance on the same side, so that each nucleus spans [-1, 1] on each axis. The
    centroid is not rounded and no box is cut at the edge of the image, hence the target of a turned
    image is the turned target, for all eight views.

    Parameters
    ----------
    instances : (H, W) ndarray of int
        0 is background, every other number one nucleus.

    Returns
    -------
    (2, H, W) ndarray of float32
        Horizontal, then vertical, each from -1 to 1; 0 in the background.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.1.

    Examples
    --------
    A nucleus of two rows and three columns:

    >>> hv_targets(np.array([[5, 5, 5], [5, 5, 5]]))
    array([[[-1.,  0.,  1.],
            [-1.,  0.,  1.]],
    <BLANKLINE>
           [[-1., -1., -1.],
            [ 1.,  1.,  1.]]], dtype=float32)
    """
    target = np.zeros((2, *instances.shape), np.float32)
    rows, columns = np.nonzero(instances)
    if not rows.size:
        return target
    _, owner = np.unique(instances[rows, columns], return_inverse=True)
    count = np.bincount(owner)
    for channel, position in enumerate((columns, rows)):
        offset = position - (np.bincount(owner, position) / count)[owner]
        # Per nucleus the largest distance below and above the centroid, told apart by the sign.
        side = 2 * owner + (offset > 0)
        largest = np.zeros(2 * count.size)
        np.maximum.at(largest, side, np.abs(offset))
        reach = largest[side]
        target[channel][rows, columns] = np.divide(
            offset, reach, out=np.zeros_like(offset), where=reach > 0
        )
    return target


def published_hv_targets(instances: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the targets of the published code, to measure what their correction is worth.

    There the centroid is rounded and counted from zero while pixels are counted from one, and a
    nucleus within two pixels of the upper or left edge has no target at all.

    Parameters
    ----------
    instances : (H, W) ndarray of int
        0 is background, every other number one nucleus.

    Returns
    -------
    (2, H, W) ndarray of float32
        Horizontal, then vertical; 0 in the background.
    """
    target = np.zeros((2, *instances.shape), np.float32)
    rows, columns = np.nonzero(instances)
    if not rows.size:
        return target
    _, owner = np.unique(instances[rows, columns], return_inverse=True)
    count = np.bincount(owner)
    lost = np.zeros(count.size, bool)
    lost[owner[(rows < 2) | (columns < 2)]] = True
    for channel, position in enumerate((columns, rows)):
        low = np.full(count.size, max(instances.shape))
        np.minimum.at(low, owner, position)
        # The published code works in the nucleus' own box, which begins two pixels earlier.
        start = low - 2
        centre = np.floor(np.bincount(owner, position) / count - start + 0.5)
        offset = position - start[owner] + 1 - centre[owner]
        largest = np.zeros(2 * count.size)
        side = 2 * owner + (offset > 0)
        np.maximum.at(largest, side, np.abs(offset))
        value = np.divide(offset, largest[side], out=np.zeros_like(offset), where=offset != 0)
        target[channel][rows, columns] = np.where(lost[owner], 0, value)
    return target

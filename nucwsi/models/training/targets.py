"""What the network is asked to learn, computed from an instance map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def hv_targets(instances: NDArray[np.integer]) -> NDArray[np.float32]:
    """Give every nucleus pixel its place inside its nucleus.

    The horizontal (vertical) value is the column (row) distance to the nucleus' centroid, divided
    by the largest such distance on the same side, so that each nucleus spans [-1, 1] on each axis.
    The centroid is not rounded and no box is cut at the image edge, hence the target of a turned
    picture is the turned target, for all eight views.

    Parameters
    ----------
    instances : (H, W) ndarray of int
        0 is background, every other number one nucleus.

    Returns
    -------
    (2, H, W) ndarray of float32
        Horizontal, then vertical; 0 in the background.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.1.
    """
    target = np.zeros((2, *instances.shape), np.float32)
    for label, box in enumerate(ndimage.find_objects(instances), start=1):
        if box is None:
            continue
        rows, columns = np.nonzero(instances[box] == label)
        for channel, positions in ((0, columns), (1, rows)):
            offset = positions - positions.mean()
            for side in (offset < 0, offset > 0):
                if side.any():
                    offset[side] /= np.abs(offset[side]).max()
            target[channel][box][rows, columns] = offset
    return target

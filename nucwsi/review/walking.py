"""The order in which somebody walks through the nuclei of a worklist: a short path."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nucwsi.nuclei.hilbert import hilbert_key

#: Longer worklists are walked along the Hilbert curve alone.
_MAX_IMPROVED = 600

#: Rounds of improvement; a path of a hundred points needs about fifty.
_MAX_ROUNDS = 1000


def walking_order(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order points along a short path.

    Parameters
    ----------
    points : (N, 2) ndarray of float64
        x and y in any unit.

    Returns
    -------
    (N,) ndarray of int64
        The points in the order of the walk.

    Notes
    -----
    The path begins along the Hilbert curve; then the part of it whose reversal shortens it most is
    reversed, again and again (2-opt: Croes, A method for solving traveling-salesman problems,
    Operations Research 6 (1958)).
    """
    if len(points) < 3:
        return np.arange(len(points))
    low = points.min(axis=0)
    side = float((points - low).max()) or 1.0
    x, y = (points - low).T
    order = np.argsort(hilbert_key(y, x, side), kind="stable")
    if len(points) > _MAX_IMPROVED:
        return order
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    for _ in range(_MAX_ROUNDS):
        gain = _gains(far[np.ix_(order, order)])
        first, last = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[first, last] <= 1e-9 * side:
            break
        order[first + 1 : last + 1] = order[first + 1 : last + 1][::-1]
    return order


def _gains(far: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much a path (N points, distances N x N) shortens if a part is reversed.

    Row i and column j stand for the part from i + 1 to j.
    """
    n = len(far)
    step = np.append(far[np.arange(n - 1), np.arange(1, n)], 0.0)
    behind = np.zeros_like(far)
    behind[:-1, :-1] = far[1:, 1:]
    gain = np.triu(step[:, None] + step[None] - far - behind, 2)
    # The path is open: nothing follows its last point.
    gain[:-2, -1] = (step - far[:, -1])[:-2]
    return gain

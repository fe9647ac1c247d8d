"""Where a nucleus lies among the others: how many are near, and what they look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

#: Radii in µm: that of touching neighbours, and that of a small structure such as a gland's wall.
NEAR_UM, FAR_UM = 20.0, 50.0

NAMES = (
    "nearest_um",
    f"neighbours_{NEAR_UM:g}um",
    f"neighbours_{FAR_UM:g}um",
    *(f"neighbour_{what}" for what in ("area_um2", "area_sd_um2", "circularity", "solidity")),
)

#: Nuclei whose neighbours are looked up at a time.
_AT_ONCE = 4096


class Surroundings:
    """All nuclei of a slide, by their place.

    Parameters
    ----------
    points_um : (N, 2) ndarray of float64
        Centroids in µm, in any frame.
    area_um2 : (N,) ndarray of float
        Area of each nucleus.
    circularity, solidity : (N,) ndarray of float
        Of each nucleus, 0 to 1.

    Attributes
    ----------
    points_um : (N, 2) ndarray of float64
        Their centroids in µm.
    """

    def __init__(
        self,
        points_um: NDArray[np.float64],
        area_um2: NDArray[np.floating],
        circularity: NDArray[np.floating],
        solidity: NDArray[np.floating],
    ) -> None:
        self.points_um = points_um
        self._tree = cKDTree(points_um)
        self._area = area_um2.astype(np.float64)
        self._circularity = circularity.astype(np.float64)
        self._solidity = solidity.astype(np.float64)

    @property
    def n_nuclei(self) -> int:
        """Number of nuclei N."""
        return len(self.points_um)

    def features(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Describe the surroundings of nuclei.

        Parameters
        ----------
        rows : (M,) ndarray of int
            Which nuclei.

        Returns
        -------
        (M, F) ndarray of float32
            `NAMES`: distance to the nearest other nucleus in µm, at most `FAR_UM`; other nuclei
            within `NEAR_UM` and within `FAR_UM`; mean area and its standard deviation in µm², mean
            circularity and solidity of those within `FAR_UM`, or its own where there is none.
        """
        tables = [
            self._some(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)
        ]
        return np.concatenate(tables or [np.empty((0, len(NAMES)))]).astype(np.float32)

    def _some(self, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        found = self._tree.query_ball_point(self.points_um[rows], FAR_UM, return_sorted=True)
        size = np.array([len(one) for one in found])
        owner = np.repeat(np.arange(len(rows)), size)
        other = np.concatenate([np.asarray(one, np.int64) for one in found])
        # Nobody is a neighbour of itself.
        kept = other != rows[owner]
        owner, other = owner[kept], other[kept]
        far_um = np.hypot(*(self.points_um[other] - self.points_um[rows[owner]]).T)
        nearest = np.full(len(rows), FAR_UM)
        np.minimum.at(nearest, owner, far_um)
        n_far = np.bincount(owner, minlength=len(rows))
        n_near = np.bincount(owner[far_um <= NEAR_UM], minlength=len(rows))

        def mean(values: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
            total = np.bincount(owner, values, len(rows))
            return np.where(n_far > 0, total / np.maximum(n_far, 1), own)

        area = mean(self._area[other], self._area[rows])
        spread = mean((self._area[other] - area[owner]) ** 2, np.zeros(len(rows)))
        return np.column_stack(
            [
                nearest,
                n_near,
                n_far,
                area,
                np.sqrt(spread),
                mean(self._circularity[other], self._circularity[rows]),
                mean(self._solidity[other], self._solidity[rows]),
            ]
        )

"""One table from many parts: its order on disk, and the audit of the seams."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Half-width of the band along a seam in which nuclei are compared, in canvas pixels.
BAND_PX = 16

#: Distance of the control lines from their seam, in canvas pixels.
CONTROL_PX = 64

#: A nucleus ends on a line if its box does to within this many canvas pixels.
ON_LINE_PX = 0.26

_HILBERT_BITS = 16


def hilbert_key(
    row: NDArray[np.floating], column: NDArray[np.floating], extent_px: float
) -> NDArray[np.int64]:
    """Give each point its place along a Hilbert curve, so that neighbours lie together on disk.

    Parameters
    ----------
    row, column : (N,) ndarray of float
        Not negative.
    extent_px : float
        Side of a square that holds all points, in the same unit.

    Returns
    -------
    (N,) ndarray of int64
        0 to ``4**16 - 1``.

    References
    ----------
    Hilbert, Mathematische Annalen 38 (1891); the bitwise form is that of Warren, Hacker's
    Delight, 2nd edition, section 16.
    """
    side = 1 << _HILBERT_BITS
    cells = [
        np.clip(values * (side / extent_px), 0, side - 1).astype(np.int64)
        for values in (column, row)
    ]
    x, y = cells
    key = np.zeros(len(x), np.int64)
    bit = side >> 1
    while bit:
        right, lower = (x & bit) > 0, (y & bit) > 0
        key += bit * bit * ((3 * right) ^ lower)
        # Turn the quadrant so that the curve enters it where it left the one before.
        flip = ~lower & right
        x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
        x, y = np.where(lower, x, y), np.where(lower, y, x)
        bit >>= 1
    return key


class LineCounts(NamedTuple):
    """Nuclei along seams, and along two control lines beside each seam.

    Attributes
    ----------
    n_seam, n_control : int
        Nuclei whose centroid lies within `BAND_PX` of a line.
    area_seam_um2, area_control_um2 : float
        Sum of their areas.
    cut_seam, cut_control : int
        Nuclei whose box ends on a line, as a cut nucleus would.
    """

    n_seam: int = 0
    n_control: int = 0
    area_seam_um2: float = 0.0
    area_control_um2: float = 0.0
    cut_seam: int = 0
    cut_control: int = 0

    def plus(self, other: LineCounts) -> LineCounts:
        """Add the counts of other nuclei.

        Parameters
        ----------
        other : LineCounts

        Returns
        -------
        LineCounts
        """
        return LineCounts._make(one + two for one, two in zip(self, other, strict=True))


def line_counts(
    centroids: NDArray[np.floating],
    boxes: NDArray[np.floating],
    area_um2: NDArray[np.floating],
    shape: tuple[int, int],
    core_px: int,
) -> LineCounts:
    """Count the nuclei at seams and at their control lines.

    The control lines lie `CONTROL_PX` to either side of each seam: near enough to run through the
    same tissue, far enough to have nothing to do with the seam.

    Parameters
    ----------
    centroids : (N, 2) ndarray of float
        Row and column in canvas pixels.
    boxes : (N, 4) ndarray of float
        First row, first column, last row, last column of the outlines, in canvas pixels.
    area_um2 : (N,) ndarray of float
    shape : (int, int)
        Height and width of the canvas.
    core_px : int
        Distance of the seams.

    Returns
    -------
    LineCounts
    """
    near, cut = _along_seams(centroids, boxes, shape, core_px, 0)
    counts = LineCounts(
        n_seam=int(near.sum()), area_seam_um2=float(area_um2[near].sum(dtype=np.float64))
    )
    counts = counts._replace(cut_seam=int(cut.sum()))
    for shift in (-CONTROL_PX, CONTROL_PX):
        near, cut = _along_seams(centroids, boxes, shape, core_px, shift)
        control = LineCounts(
            0, int(near.sum()), 0, float(area_um2[near].sum(dtype=np.float64)), 0, int(cut.sum())
        )
        counts = counts.plus(control)
    return counts


def _along_seams(
    centroids: NDArray[np.floating],
    boxes: NDArray[np.floating],
    shape: tuple[int, int],
    core_px: int,
    shift: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which centroids lie near a line, and which boxes end on one."""
    near, cut = np.zeros(len(centroids), bool), np.zeros(len(centroids), bool)
    for axis in range(2):
        last = (shape[axis] - 1) // core_px
        if last == 0:
            continue

        def gap(values: NDArray[np.floating], last: int = last) -> NDArray[np.floating]:
            nearest = np.round((values - shift) / core_px).clip(1, last)
            return np.abs(values - shift - nearest * core_px)

        near |= gap(centroids[:, axis]) < BAND_PX
        cut |= np.minimum(gap(boxes[:, axis]), gap(boxes[:, axis + 2])) < ON_LINE_PX
    return near, cut


def seam_audit(counts: LineCounts) -> dict[str, float | int | bool | None]:
    """Judge whether the seams can be seen in the result.

    Parameters
    ----------
    counts : LineCounts

    Returns
    -------
    dict
        The counts; ``density_ratio`` and ``area_ratio`` (seam to control, None without nuclei);
        ``density_z`` and ``cut_z``, the differences in standard deviations of Poisson counts;
        ``visible``, whether nuclei are missing, doubled or cut along seams beyond 4 of these.
    """

    def _score(seam: int, control: int) -> float:
        # Two control lines a seam: half of their count, with a quarter of its variance.
        return (seam - control / 2) / max(1.0, float(np.sqrt(seam + control / 4)))

    def _ratio(one: float, other: float) -> float | None:
        return one / other if other else None

    seam_area = _ratio(counts.area_seam_um2, counts.n_seam)
    control_area = _ratio(counts.area_control_um2, counts.n_control)
    density_z = _score(counts.n_seam, counts.n_control)
    cut_z = _score(counts.cut_seam, counts.cut_control)
    return {
        **counts._asdict(),
        "density_ratio": _ratio(counts.n_seam, counts.n_control / 2),
        "area_ratio": seam_area / control_area if seam_area and control_area else None,
        "density_z": density_z,
        "cut_z": cut_z,
        "visible": bool(abs(density_z) > 4 or cut_z > 4),
    }

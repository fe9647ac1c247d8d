"""The audit of the seams: whether the borders between tiles can be seen in the result.

If tiles disagreed, nuclei would be missing, doubled or cut along the seams, which are the borders
between cores. Nuclei near the seams are therefore compared with those near control lines, which lie
`CONTROL_PX` to either side of each seam: near enough to run through the same tissue, far enough to
have nothing to do with the seam. A canvas may end between a seam and its control line, so the
comparison is per area of the bands and per length of the lines that lie on the canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Half-width of the band along a line in which nuclei are counted, in canvas pixels.
BAND_PX = 16

#: Distance of the control lines from their seam, in canvas pixels.
CONTROL_PX = 64

#: A nucleus ends on a line if its box does to within this many canvas pixels.
ON_LINE_PX = 0.26

#: The seams are visible beyond this many standard deviations.
_VISIBLE_Z = 4


class LineCounts(NamedTuple):
    """Nuclei near the seams and near the control lines; counts of several tables can be added.

    Attributes
    ----------
    n_seam, n_control : int
        Nuclei whose centroid lies within `BAND_PX` of a line. Only lines whose whole band lies on
        the canvas count.
    area_seam_um2, area_control_um2 : float
        Sum of the areas of these nuclei, in µm².
    cut_seam, cut_control : int
        Nuclei whose box ends on a line, as that of a cut nucleus would.
    """

    n_seam: int = 0
    n_control: int = 0
    area_seam_um2: float = 0.0
    area_control_um2: float = 0.0
    cut_seam: int = 0
    cut_control: int = 0

    def plus(self, other: LineCounts) -> LineCounts:
        """Add the counts of other nuclei of the same canvas.

        Parameters
        ----------
        other : LineCounts
            Counts along the same lines.

        Returns
        -------
        LineCounts
            The sum of both, field by field.
        """
        return LineCounts._make(one + two for one, two in zip(self, other, strict=True))


def _lines(size_px: int, core_px: int, shift_px: int, room_px: int) -> NDArray[np.int64]:
    """List the shifted seams across one axis of a canvas, in canvas pixels.

    Those less than `room_px` from either end of the canvas are left out.
    """
    lines = np.arange(core_px, size_px, core_px) + shift_px
    return lines[(lines >= room_px) & (lines <= size_px - room_px)]


def _gap(
    values: NDArray[np.floating], lines: NDArray[np.int64], core_px: int
) -> NDArray[np.floating]:
    """Return the distance of each value, (N,), from the nearest line; infinite if there is none."""
    if not len(lines):
        return np.full(len(values), np.inf)
    nearest = np.round((values - lines[0]) / core_px).clip(0, len(lines) - 1)
    return np.abs(values - lines[0] - nearest * core_px)


def line_counts(
    centroids: NDArray[np.floating],
    boxes: NDArray[np.floating],
    area_um2: NDArray[np.floating],
    shape: tuple[int, int],
    core_px: int,
) -> LineCounts:
    """Count the nuclei at seams and at their control lines.

    Parameters
    ----------
    centroids : (N, 2) ndarray of float
        Row and column in canvas pixels.
    boxes : (N, 4) ndarray of float
        First row, first column, last row, last column of the outlines, in canvas pixels.
    area_um2 : (N,) ndarray of float
        Area of each nucleus in µm².
    shape : (int, int)
        Height and width of the canvas in pixels.
    core_px : int
        Distance of the seams in canvas pixels.

    Returns
    -------
    LineCounts
        A nucleus near two lines of one kind (a crossing) counts once.

    Raises
    ------
    ValueError
        If cores are too small to hold the control lines beside their seams.
    """
    if core_px <= CONTROL_PX + BAND_PX:
        raise ValueError(
            f"cores of {core_px} px leave no room for control lines: expected more than"
            f" {CONTROL_PX + BAND_PX} px"
        )
    near, cut = _along(centroids, boxes, shape, core_px, 0)
    counts = LineCounts(
        n_seam=int(near.sum()),
        area_seam_um2=float(area_um2[near].sum(dtype=np.float64)),
        cut_seam=int(cut.sum()),
    )
    for shift_px in (-CONTROL_PX, CONTROL_PX):
        near, cut = _along(centroids, boxes, shape, core_px, shift_px)
        control = LineCounts(
            n_control=int(near.sum()),
            area_control_um2=float(area_um2[near].sum(dtype=np.float64)),
            cut_control=int(cut.sum()),
        )
        counts = counts.plus(control)
    return counts


def _along(
    centroids: NDArray[np.floating],
    boxes: NDArray[np.floating],
    shape: tuple[int, int],
    core_px: int,
    shift_px: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which centroids lie in the band of a line, and which boxes end on one; (N,) each."""
    near, cut = np.zeros((2, len(centroids)), bool)
    for axis, size_px in enumerate(shape):
        lines = _lines(size_px, core_px, shift_px, BAND_PX)
        near |= _gap(centroids[:, axis], lines, core_px) < BAND_PX
        lines = _lines(size_px, core_px, shift_px, 1)
        cut |= _gap(boxes[:, axis], lines, core_px) < ON_LINE_PX
        cut |= _gap(boxes[:, axis + 2], lines, core_px) < ON_LINE_PX
    return near, cut


def _band_area(shape: tuple[int, int], core_px: int, shift_px: int) -> float:
    """Return the share of the canvas that the bands of `line_counts` cover, crossings once."""
    free = [
        1 - len(_lines(size_px, core_px, shift_px, BAND_PX)) * 2 * BAND_PX / size_px
        for size_px in shape
    ]
    return 1 - free[0] * free[1]


def _line_length(shape: tuple[int, int], core_px: int, shift_px: int) -> int:
    """Return the length of all lines on the canvas, in canvas pixels."""
    rows, columns = (len(_lines(size_px, core_px, shift_px, 1)) for size_px in shape)
    return rows * shape[1] + columns * shape[0]


def _seam_share(
    extent: Callable[[tuple[int, int], int, int], float], shape: tuple[int, int], core_px: int
) -> float:
    """Return the extent of the seams divided by that of both control lines; 0 if there are none."""
    control = sum(extent(shape, core_px, shift_px) for shift_px in (-CONTROL_PX, CONTROL_PX))
    return extent(shape, core_px, 0) / control if control else 0.0


def _z(seam: int, control: int, share: float) -> float:
    """Return a Poisson count less the one expected from another, in standard deviations."""
    return (seam - control * share) / max(1.0, float(np.sqrt(seam + control * share**2)))


def _quotient(one: float, other: float) -> float | None:
    return one / other if other else None


def seam_audit(
    counts: LineCounts, shape: tuple[int, int], core_px: int
) -> dict[str, float | int | bool | None]:
    """Judge whether the seams can be seen in the result.

    Parameters
    ----------
    counts : LineCounts
        Of all nuclei of the canvas.
    shape : (int, int)
        Height and width of the canvas in pixels.
    core_px : int
        Distance of the seams in canvas pixels.

    Returns
    -------
    dict
        The fields of `counts`; ``n_expected`` and ``cut_expected``, the ``n_seam`` and ``cut_seam``
        that the control lines predict; ``density_ratio`` and ``area_ratio`` (seam to control, None
        without nuclei); ``density_z`` and ``cut_z``, the differences from the prediction in
        standard deviations of Poisson counts; ``visible``, whether a difference exceeds 4 of these:
        then nuclei are missing, doubled or cut along the seams.
    """
    band_share = _seam_share(_band_area, shape, core_px)
    line_share = _seam_share(_line_length, shape, core_px)
    density_z = _z(counts.n_seam, counts.n_control, band_share)
    cut_z = _z(counts.cut_seam, counts.cut_control, line_share)
    seam_area = _quotient(counts.area_seam_um2, counts.n_seam)
    control_area = _quotient(counts.area_control_um2, counts.n_control)
    return {
        **counts._asdict(),
        "n_expected": counts.n_control * band_share,
        "cut_expected": counts.cut_control * line_share,
        "density_ratio": _quotient(counts.n_seam, counts.n_control * band_share),
        "area_ratio": seam_area / control_area if seam_area and control_area else None,
        "density_z": density_z,
        "cut_z": cut_z,
        "visible": bool(abs(density_z) > _VISIBLE_Z or cut_z > _VISIBLE_Z),
    }

"""Measurements on arrays that tell how far a slide and its nuclei can be trusted.

`report.checks` turns them into verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Usual range of `typical_diameter` in µm: the middle 95 % of 131 labelled images of known mpp, of
#: five data sets and eight organs (MoNuSeg, CoNSeP, TNBC, NuCLS, PanNuke).
DIAMETER_UM = (4.0, 9.1)

#: A field counts as out of focus above this blur, measured at `BLUR_MPP`. None of 236 labelled
#: images of six data sets exceeds it; after a Gaussian blur of 1 µm (sigma), 98 % do.
MAX_BLUR = 0.45

#: From this share of fields above `MAX_BLUR` on, the slide is blurred, not patches of it.
BLURRED_SHARE = 0.2

#: Resolution at which blur is measured, in µm per pixel.
BLUR_MPP = 0.5

#: Modified z-score above which a value is an outlier, and the fewest values that allow one.
_MAX_Z, _MIN_VALUES = 3.5, 5

#: The median deviation counts as at least this share of the median.
_MIN_DEVIATION = 0.02


def typical_diameter(area_um2: NDArray[np.floating]) -> float:
    """Return the nuclear diameter below which half of the total nuclear area lies.

    If the mpp of a slide is wrong by a factor of two, so is this diameter. The plain median is not:
    a network that sees nuclei too large finds many small fragments in them.

    Parameters
    ----------
    area_um2 : (N,) ndarray of float
        Areas of the nuclei in µm².

    Returns
    -------
    float
        Diameter of the circle of that area, in µm; NaN without nuclei.
    """
    if not len(area_um2):
        return float("nan")
    ordered = np.sort(np.asarray(area_um2, np.float64))
    total = np.cumsum(ordered)
    return float(2 * np.sqrt(ordered[np.searchsorted(total, total[-1] / 2)] / np.pi))


def blurred_share(blurs: Sequence[float]) -> float:
    """Return the share of fields that are out of focus.

    Parameters
    ----------
    blurs : sequence of float
        `blur` of each field that was measured.

    Returns
    -------
    float
        0 to 1; NaN without fields.
    """
    return float(np.mean(np.array(blurs) > MAX_BLUR)) if blurs else float("nan")


def outliers(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Find the slides of a run that differ from the others.

    Parameters
    ----------
    values : (N,) ndarray of float
        One value for each slide; NaN is never an outlier.

    Returns
    -------
    (N,) ndarray of bool
        Whether the modified z-score exceeds 3.5. All False for fewer than five values.

    References
    ----------
    Iglewicz and Hoaglin, How to detect and handle outliers (1993).
    """
    known = np.isfinite(values)
    if known.sum() < _MIN_VALUES:
        return np.zeros(len(values), bool)
    centre = np.median(values[known])
    # Where most values agree, the deviation is almost 0 and any difference would be an outlier.
    deviation = max(np.median(np.abs(values[known] - centre)), _MIN_DEVIATION * abs(centre), 1e-12)
    score = 0.6745 * np.abs(values - centre) / deviation
    return known & (score > _MAX_Z)

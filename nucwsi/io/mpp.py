"""How large a pixel is: who says so, whom to believe, and when to refuse."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from nucwsi.errors import SlideError

log = logging.getLogger(__name__)

#: Plausible µm per pixel of a light-microscopy slide at level 0.
PLAUSIBLE_UM = (0.05, 5.0)

#: µm per pixel of 72 and 96 dots per inch: what programs write that know nothing of the slide.
_SCREEN_UM = (25400 / 72, 25400 / 96)


@dataclass(frozen=True)
class MppClaim:
    """One statement about the size of a level-0 pixel.

    Attributes
    ----------
    rows, columns : float
        µm per pixel along rows (vertically) and along columns.
    source : str
        ``override``, ``vendor``, ``ome``, ``tiff`` or ``objective power``.
    """

    rows: float
    columns: float
    source: str


def choose_mpp(
    slide: str,
    claims: list[MppClaim],
    *,
    override: float | None = None,
    objective_power: float | None = None,
    trust_power: bool = False,
) -> MppClaim:
    """Choose the most trustworthy statement, and refuse rather than guess.

    Parameters
    ----------
    slide : str
        Name for the error.
    claims : list of MppClaim
        From the most to the least trustworthy.
    override : float, optional
        The user's own value, in µm; wins over all.
    objective_power : float, optional
        For example 40.
    trust_power : bool
        Fall back on 10 / `objective_power`.

    Returns
    -------
    MppClaim

    Raises
    ------
    SlideError
        If nothing is known, or the value makes no sense.
    """
    if override is not None:
        chosen = MppClaim(override, override, "override")
    elif claims:
        chosen = claims[0]
    elif objective_power and trust_power:
        chosen = MppClaim(10 / objective_power, 10 / objective_power, "objective power")
    else:
        known = f" (its objective power is {objective_power:g})" if objective_power else ""
        raise SlideError(f"{slide}: does not say how large its pixels are{known}; {_WAY_OUT}")
    low, high = PLAUSIBLE_UM
    for value in (chosen.rows, chosen.columns):
        if not (math.isfinite(value) and low <= value <= high):
            screen = any(abs(value / dots - 1) < 0.01 for dots in _SCREEN_UM)
            why = "a screen's resolution" if screen else f"expected {low} to {high}"
            raise SlideError(
                f"{slide}: mpp {value:g} µm from {chosen.source} is not believable ({why});"
                f" {_WAY_OUT}"
            )
    if abs(chosen.rows / chosen.columns - 1) > 0.02:
        raise SlideError(
            f"{slide}: pixels of {chosen.rows:g} x {chosen.columns:g} µm ({chosen.source}) are not"
            f" square; {_WAY_OUT}"
        )
    if objective_power and abs(math.log(chosen.rows * objective_power / 10)) > math.log(1.3):
        log.warning(
            "%s: mpp %g (%s) and objective power %g do not fit each other; mpp is used",
            slide,
            chosen.rows,
            chosen.source,
            objective_power,
        )
    return chosen


_WAY_OUT = (
    "say so in a column `mpp` of the slide sheet (for example 0.25 for a usual 40x scan),"
    " or on the command line with --mpp 0.25"
)

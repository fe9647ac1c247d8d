"""The size of a slide's pixels: which claim to believe, and when to refuse.

`nucwsi.io.slides` collects what a file claims; here one claim is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nucwsi.errors import SlideError

#: Smallest and largest plausible size of a level-0 pixel in light microscopy, in µm.
PLAUSIBLE_UM = (0.05, 5.0)

#: µm per pixel at 72 and at 96 dots per inch, which programs write that do not know the slide.
_SCREEN_UM = (25400 / 72, 25400 / 96)

#: Height and width of a pixel may differ by this share.
_MAX_ANISOTROPY = 0.02

#: Two claims may differ by this share: what is rounded by the programs that write them.
_MAX_ROUNDING = 0.02

#: mpp and 10 µm / objective power may differ by this factor.
_MAX_DISAGREEMENT = 1.3


@dataclass(frozen=True)
class MppClaim:
    """One statement about the size of a level-0 pixel.

    Attributes
    ----------
    rows : float
        Height of a pixel in µm: mpp along rows, vertically.
    columns : float
        Width of a pixel in µm: mpp along columns, horizontally.
    source : str
        Who says so: ``override`` (the user), ``vendor``, ``ome``, ``imagej``, ``tiff``, ``png``,
        ``jpeg``, ``webp``, ``bmp`` or ``objective power``.
    """

    rows: float
    columns: float
    source: str


def choose_mpp(
    slide: str,
    claims: Sequence[MppClaim],
    *,
    override: float | None = None,
    objective_power: float | None = None,
    trust_power: bool = False,
) -> MppClaim:
    """Choose the most trustworthy claim about the size of a pixel; refuse rather than guess.

    The order is: the user's value, the claims of the file, and only if `trust_power` the objective
    power. An implausible claim is refused; it does not give way to the next one.

    Parameters
    ----------
    slide : str
        Path of the slide, quoted in the error.
    claims : sequence of MppClaim
        What the file says, the most trustworthy claim first.
    override : float, optional
        The user's value for level 0, in µm per pixel.
    objective_power : float, optional
        Magnification of the objective, such as 40. Ignored unless it is positive and finite.
    trust_power : bool
        Whether 10 µm / `objective_power` stands in where nothing else is known.

    Returns
    -------
    MppClaim
        The chosen claim. Both sides lie within `PLAUSIBLE_UM` and differ by at most 2 %.

    Raises
    ------
    SlideError
        If there is no claim, or the chosen one is implausible. The message holds the line to add
        to the slide sheet.
    """
    power = _usable(objective_power)
    if override is not None:
        chosen = MppClaim(override, override, "override")
    elif claims:
        chosen = claims[0]
    elif power and trust_power:
        chosen = MppClaim(10 / power, 10 / power, "objective power")
    else:
        known = f" (only its objective power, {power:g})" if power else ""
        raise SlideError(
            f"{slide}: does not say how large its pixels are{known}; {_way_out(slide, power)}"
        )
    _refuse_implausible(slide, chosen, power)
    return chosen


def contradicting(chosen: MppClaim, claims: Sequence[MppClaim]) -> list[MppClaim]:
    """List the claims that another size of a pixel follows from.

    Implausible ones, such as the resolution of a screen, are no evidence against the chosen one.

    Parameters
    ----------
    chosen : MppClaim
        The claim that is believed.
    claims : sequence of MppClaim
        All that the file says, the most trustworthy claim first.

    Returns
    -------
    list of MppClaim
        Those that are plausible, and along rows or columns more than 2 % from the chosen one.
    """
    low, high = PLAUSIBLE_UM
    return [
        claim
        for claim in claims
        if all(low <= side <= high for side in (claim.rows, claim.columns))
        and max(abs(claim.rows / chosen.rows - 1), abs(claim.columns / chosen.columns - 1))
        > _MAX_ROUNDING
    ]


def contradicts_objective(claim: MppClaim, objective_power: float | None) -> bool:
    """Return whether a claim and the objective power differ by more than a factor of 1.3.

    Parameters
    ----------
    claim : MppClaim
        The chosen claim.
    objective_power : float or None
        Magnification of the objective; 40 goes with about 0.25 µm per pixel.

    Returns
    -------
    bool
        False if the objective power is unknown.
    """
    power = _usable(objective_power)
    return bool(power and abs(math.log(claim.rows * power / 10)) > math.log(_MAX_DISAGREEMENT))


def _usable(power: float | None) -> float | None:
    return power if power and 0 < power < math.inf else None


def _refuse_implausible(slide: str, chosen: MppClaim, power: float | None) -> None:
    low, high = PLAUSIBLE_UM
    for value in (chosen.rows, chosen.columns):
        if low <= value <= high:
            continue
        why = f"expected {low:g} to {high:g}"
        if any(abs(value / dots - 1) < 0.01 for dots in _SCREEN_UM):
            why = "the resolution of a screen"
        elif high < value < math.inf:
            why = f"coarser than {high:g}: nuclei cannot be seen"
        raise SlideError(
            f"{slide}: mpp {value:g} µm ({chosen.source}) is not usable, {why};"
            f" {_way_out(slide, power)}"
        )
    if abs(chosen.rows / chosen.columns - 1) > _MAX_ANISOTROPY:
        raise SlideError(
            f"{slide}: pixels of {chosen.rows:g} x {chosen.columns:g} µm ({chosen.source}) are not"
            f" square; {_way_out(slide, power)}"
        )


def _way_out(slide: str, power: float | None) -> str:
    mpp = f"{10 / power:.4g}" if power else "0.25"
    why = "as its objective power suggests" if power else "usual for a 40x scan"
    return (
        f"if you know better, give the slide sheet a column `mpp` and the line"
        f" `NAME<tab>{slide}<tab>{mpp}` ({mpp} is {why}), or add --mpp {mpp} on the command line"
    )

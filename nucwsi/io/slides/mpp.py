"""How large a pixel is: who says so, whom to believe, and when to refuse."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from nucwsi.errors import SlideError

log = logging.getLogger(__name__)

#: Plausible µm per pixel of a light-microscopy slide at level 0.
PLAUSIBLE_UM = (0.05, 5.0)

#: µm per pixel of 72 and 96 dots per inch: what programs write that know nothing of the slide.
_SCREEN_UM = (25400 / 72, 25400 / 96)

#: Rows and columns may differ by this share, and mpp and objective power by this factor.
_MAX_ANISOTROPY, _MAX_DISAGREEMENT = 0.02, 1.3

_OME_UNITS_UM = {"µm": 1.0, "um": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}

#: µm of TIFF's units, inch and centimetre; 1 stands for none.
_TIFF_UNITS_UM = {2: 25400.0, 3: 10000.0}


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


def number(text: str | None) -> float | None:
    """Read a number of a file's metadata, which may have a decimal comma.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    float or None
        None if it is none.
    """
    try:
        return float(text.replace(",", ".")) if text is not None else None
    except ValueError:
        return None


def aperio_claim(description: str) -> MppClaim | None:
    """Read the size of a pixel from Aperio's description of an image.

    Parameters
    ----------
    description : str
        ``…|AppMag = 20|MPP = 0.4990|…``

    Returns
    -------
    MppClaim or None
    """
    found = re.search(r"\|\s*MPP\s*=\s*([^|\s]+)", description)
    mpp = number(found.group(1)) if found else None
    return None if mpp is None else MppClaim(mpp, mpp, "vendor")


def ome_claim(xml: str, shape: tuple[int, int]) -> MppClaim | None:
    """Read the size of a pixel from OME-XML.

    Parameters
    ----------
    xml : str
    shape : (int, int)
        Height and width of the image that is meant, in pixels; others may be described as well.

    Returns
    -------
    MppClaim or None
    """
    try:
        elements = list(ElementTree.fromstring(xml).iter())
    except (ElementTree.ParseError, DefusedXmlException):
        return None
    for values in (dict(item.attrib) for item in elements if item.tag.endswith("}Pixels")):
        if (values.get("SizeY"), values.get("SizeX")) != (str(shape[0]), str(shape[1])):
            continue
        rows, columns = (
            _um(values.get(f"PhysicalSize{axis}"), values.get(f"PhysicalSize{axis}Unit", "µm"))
            for axis in "YX"
        )
        if rows is not None and columns is not None:
            return MppClaim(rows, columns, "ome")
    return None


def _um(size: str | None, unit: str) -> float | None:
    value, factor = number(size), _OME_UNITS_UM.get(unit)
    return None if value is None or factor is None else value * factor


def resolution_claim(rows: Any, columns: Any, unit: Any) -> MppClaim | None:
    """Read the size of a pixel from TIFF's resolution, if that has a real unit.

    Parameters
    ----------
    rows, columns : (int, int) or None
        Pixels per unit as a fraction, the values of YResolution and XResolution.
    unit : int or None
        The value of ResolutionUnit: 2 inch, 3 centimetre.

    Returns
    -------
    MppClaim or None
    """
    try:
        unit_um = _TIFF_UNITS_UM[int(unit)]
        return MppClaim(unit_um * rows[1] / rows[0], unit_um * columns[1] / columns[0], "tiff")
    except (KeyError, TypeError, IndexError, ZeroDivisionError):
        return None


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
        Path for the error.
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
        If nothing is known, or the value makes no sense; the line to add is in the message.
    """
    power = objective_power if objective_power and 0 < objective_power < math.inf else None
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
    if power and abs(math.log(chosen.rows * power / 10)) > math.log(_MAX_DISAGREEMENT):
        log.warning(
            "%s: mpp %g (%s) and objective power %g do not fit each other; mpp is used",
            slide,
            chosen.rows,
            chosen.source,
            power,
        )
    return chosen


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

"""What a file claims about the size of its pixels: the description, OME-XML, TIFF's resolution.

Which claim is believed is decided in `nucwsi.slide.mpp`.
"""

from __future__ import annotations

import re
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from nucwsi.slide.mpp import MppClaim

_OME_UNITS_UM = {"µm": 1.0, "um": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}

#: µm of TIFF's units: 2 is inch, 3 is centimetre. 1 stands for no unit and is no claim.
_TIFF_UNITS_UM = {2: 25400.0, 3: 10000.0}


def number(text: str | None) -> float | None:
    """Read a number from a file's metadata.

    Parameters
    ----------
    text : str or None
        Value of the metadata, with a decimal point or comma; None if the file has none.

    Returns
    -------
    float or None
        None if `text` is missing or no number.
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
        Text of the page, such as ``…|AppMag = 20|MPP = 0.4990|…``.

    Returns
    -------
    MppClaim or None
        Of source ``vendor``; None if the text names no mpp.
    """
    match = re.search(r"\|\s*MPP\s*=\s*([^|\s]+)", description)
    mpp = number(match.group(1)) if match else None
    return None if mpp is None else MppClaim(mpp, mpp, "vendor")


def ome_claim(xml: str, shape: tuple[int, int]) -> MppClaim | None:
    """Read the size of a pixel from OME-XML.

    Parameters
    ----------
    xml : str
        The file's OME-XML, which may describe several images.
    shape : (int, int)
        Height and width in level-0 pixels of the image that is meant.

    Returns
    -------
    MppClaim or None
        Of source ``ome``; None if the XML is damaged, or gives that image no size of a pixel, or
        one in an unknown unit.
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
    """Return a length of OME-XML in µm; None if its number or unit is unknown."""
    value, factor = number(size), _OME_UNITS_UM.get(unit)
    return None if value is None or factor is None else value * factor


def resolution_claim(rows: Any, columns: Any, unit: Any) -> MppClaim | None:
    """Read the size of a pixel from TIFF's resolution, if that has a unit of length.

    Parameters
    ----------
    rows : (int, int) or None
        Pixels per unit along rows, vertically, as a fraction: the value of YResolution.
    columns : (int, int) or None
        Pixels per unit along columns, horizontally, as a fraction: the value of XResolution.
    unit : int or None
        The value of ResolutionUnit: 2 is inch, 3 is centimetre.

    Returns
    -------
    MppClaim or None
        Of source ``tiff``; None if a value is missing or the unit is no length.
    """
    try:
        unit_um = _TIFF_UNITS_UM[int(unit)]
        return MppClaim(unit_um * rows[1] / rows[0], unit_um * columns[1] / columns[0], "tiff")
    except (KeyError, TypeError, IndexError, ZeroDivisionError):
        return None

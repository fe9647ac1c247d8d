"""What a file claims about the size of its pixels: descriptions, OME-XML, TIFF's resolution.

Which claim is believed is decided in `nucwsi.slide.mpp`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from nucwsi.slide.mpp import MppClaim

#: µm of each unit of length that OME-XML and ImageJ name, after `_um` has brought their spellings
#: together. What is missing, such as ``pixel``, is no length.
_UNITS_UM = {
    **dict.fromkeys(("μm", "um", "Âμm", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("Å", "A", "angstrom", "angstroms"), 1e-4),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("m", "meter", "metre"), 1e6),
    **dict.fromkeys(("in", "inch", "inches"), 25400.0),
    "pm": 1e-6,
    "dm": 1e5,
    "thou": 25.4,
}

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


def imagej_claim(description: str, rows: Any, columns: Any) -> MppClaim | None:
    """Read the size of a pixel from ImageJ's description of an image.

    ImageJ names the unit in its description and keeps the number of pixels per unit in TIFF's
    resolution, whose own unit it sets for inches and centimetres only.

    Parameters
    ----------
    description : str
        Text of the page: ``ImageJ=1.54f`` and one ``name=value`` a line, such as ``unit=micron``.
    rows : (int, int) or None
        Pixels per unit along rows, vertically, as a fraction: the value of YResolution.
    columns : (int, int) or None
        Pixels per unit along columns, horizontally, as a fraction: the value of XResolution.

    Returns
    -------
    MppClaim or None
        Of source ``imagej``; None if the text is not ImageJ's, or its unit is no length.
    """
    if not description.startswith("ImageJ="):
        return None
    told = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    unit = told.get("unit", "")
    down, across = (
        _um(_per_pixel(resolution), told.get(f"{axis}unit", unit))
        for axis, resolution in (("y", rows), ("x", columns))
    )
    return None if down is None or across is None else MppClaim(down, across, "imagej")


def _per_pixel(resolution: Any) -> float | None:
    """Return units per pixel, of a fraction of pixels per unit; None if it is no fraction."""
    try:
        return float(resolution[1] / resolution[0])
    except (TypeError, IndexError, ZeroDivisionError):
        return None


def ome_claim(xml: str, shape: tuple[int, int], image: int = 0) -> MppClaim | None:
    """Read the size of a pixel from OME-XML.

    Parameters
    ----------
    xml : str
        The file's OME-XML, which may describe several images.
    shape : (int, int)
        Height and width in level-0 pixels of the image that is meant.
    image : int
        Its place in the XML, from 0; decides between images of the same size.

    Returns
    -------
    MppClaim or None
        Of source ``ome``; None if the XML is damaged, or gives that image no size of a pixel, or
        one in an unknown unit.
    """
    try:
        elements = list(ElementTree.fromstring(xml).iter())
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return None
    # Some programs write OME's elements without its name space.
    told = [
        dict(item.attrib)
        for item in elements
        if isinstance(item.tag, str) and item.tag.rpartition("}")[2] == "Pixels"
    ]
    size = str(shape[0]), str(shape[1])
    alike = [values for values in told if (values.get("SizeY"), values.get("SizeX")) == size]
    meant = [values for values in told[image : image + 1] if values in alike]
    for values in meant or alike:
        rows, columns = (
            _um(
                number(values.get(f"PhysicalSize{axis}")),
                values.get(f"PhysicalSize{axis}Unit", "µm"),
            )
            for axis in "YX"
        )
        if rows is not None and columns is not None:
            return MppClaim(rows, columns, "ome")
    return None


def _um(size: float | None, unit: str) -> float | None:
    """Return a length in µm; None if its number or unit is unknown."""
    # ImageJ escapes what is not ASCII, and µ and Å have two characters each in Unicode.
    spelt = re.sub(r"\\u00([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), unit.strip())
    spelt = unicodedata.normalize("NFKC", spelt)
    factor = _UNITS_UM.get(spelt, _UNITS_UM.get(spelt.lower() if len(spelt) > 2 else ""))
    return None if size is None or factor is None else size * factor


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

"""Outlines drawn in Aperio ImageScope, HALO or ASAP: one reader for three dialects of XML.

No dialect has a published schema. ImageScope and HALO write ``Annotations`` / ``Annotation`` (a
layer) / ``Regions`` / ``Region`` / ``Vertices`` / ``Vertex`` or ``V``, ASAP ``ASAP_Annotations`` /
``Annotations`` / ``Annotation`` / ``Coordinates`` / ``Coordinate``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.sax import parse
from numpy.typing import NDArray

from nucwsi.errors import RegionError
from nucwsi.io.regions.content import read_content

#: Root element -> element that is an outline.
_OUTLINE = {"Annotations": "Region", "ASAP_Annotations": "Annotation"}

_POINTS = {"Vertex", "V", "Coordinate"}

#: ImageScope's numbers of tools -> what they draw.
_TOOLS = {"": "polygon", "0": "polygon", "1": "rectangle", "2": "ellipse"}


class DrawnOutline(NamedTuple):
    """One outline as it stands in its file.

    Attributes
    ----------
    kind : str
        ``polygon``, ``rectangle``, ``ellipse``, or whatever else the program calls it.
    name : str
        Name of the outline; may be empty.
    group : str
        Name of its layer or group; may be empty.
    attribute : str
        First attribute of its layer, such as the class in MoNuSAC; may be empty.
    layer : int
        Number of its layer; a hole is cut out of outlines in its own layer only.
    negative : bool
        Whether the outline is a hole.
    vertices : (V, 2) ndarray of float64
        x and y in level-0 pixels from the slide's upper left corner; pixel (0, 0) covers 0 to 1.
        Two corners may stand for a rectangle or an ellipse.
    """

    kind: str
    name: str
    group: str
    attribute: str
    layer: int
    negative: bool
    vertices: NDArray[np.float64]


class _Open(NamedTuple):
    """An outline whose points are being read."""

    attributes: Mapping[str, str]
    points: list[tuple[int, float, float]]


class _Reader(ContentHandler):
    """Collects outlines from a stream of XML, so that a large file takes little memory."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.outlines = path, list[DrawnOutline]()
        self._waiting, self._outline = list[_Open](), ""
        self._group, self._attribute, self._layer = "", "", 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        if name in _POINTS:
            self._point(name, attrs)
        elif not self._outline:
            if name not in _OUTLINE:
                raise RegionError(
                    f"{self.path}: is XML of another kind ({name}); expected Annotations"
                    " (ImageScope, HALO) or ASAP_Annotations"
                )
            self._outline = _OUTLINE[name]
        elif name == self._outline:
            self._waiting.append(_Open(dict(attrs), []))
        elif name == "Annotation":
            self._group, self._attribute = attrs.get("Name", "").strip(), ""
            self._layer += 1
        elif name == "Attribute" and not self._waiting:
            self._attribute = self._attribute or attrs.get("Name", "").strip()

    def endElement(self, name: str) -> None:  # noqa: N802
        if name == self._outline and self._waiting:
            self.outlines.append(self._complete(*self._waiting.pop()))

    def _point(self, name: str, attrs: AttributesImpl) -> None:
        try:
            points = self._waiting[-1].points
            # Some programs write the decimal comma of their user's language.
            x, y = attrs["X"].replace(",", "."), attrs["Y"].replace(",", ".")
            order = int(attrs["Order"]) if "Order" in attrs else len(points)
            points.append((order, float(x), float(y)))
        except (LookupError, ValueError):
            raise RegionError(
                f"{self.path}: a {name} lacks X or Y, these are not numbers, or it lies in no"
                " outline; expected X and Y in pixels"
            ) from None

    def _complete(
        self, attributes: Mapping[str, str], points: list[tuple[int, float, float]]
    ) -> DrawnOutline:
        kind = attributes.get("Type", "").strip().lower()
        points.sort(key=lambda point: point[0])
        group = attributes.get("PartOfGroup", self._group).strip()
        return DrawnOutline(
            _TOOLS.get(kind, kind),
            (attributes.get("Text") or attributes.get("Name") or "").strip(),
            "" if group == "None" else group,
            self._attribute,
            self._layer,
            attributes.get("NegativeROA", "").strip().lower() in {"1", "true"},
            np.array([point[1:] for point in points], np.float64).reshape(-1, 2),
        )


def read_drawn_outlines(path: Path) -> list[DrawnOutline]:
    """Read all outlines of an ImageScope, HALO or ASAP file.

    Parameters
    ----------
    path : pathlib.Path
        ``.xml`` or ``.annotations``.

    Returns
    -------
    list of DrawnOutline
        In the order of the file; the points of each are sorted by their ``Order``.

    Raises
    ------
    RegionError
        If the file is missing or damaged, is XML of another kind, or holds entities.
    """
    reader = _Reader(path)
    content = read_content(path)
    try:
        parse(io.BytesIO(content), reader)
    except DefusedXmlException as error:
        raise RegionError(
            f"{path}: is not readable XML: it holds entities, which can do harm ({error}); save it"
            " again with the program that drew it"
        ) from None
    except RegionError:
        raise
    except (SAXException, ValueError, LookupError) as error:
        raise RegionError(f"{path}: is not readable XML ({error}); save it again") from None
    return reader.outlines

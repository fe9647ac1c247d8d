"""Nuclei in JSON: GeoJSON of QuPath (StarDist, InstanSeg, Cellpose), HoVer-Net's and CellViT's."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import DataError, RegionError
from nucwsi.io.foreign.outlines import FARTHEST, ForeignNuclei, exteriors
from nucwsi.io.regions.features import (
    class_of,
    features,
    json_of,
    kind_of,
    member_of,
    one_line,
    pairs_of,
)

#: QuPath's kinds of objects that are nuclei; others, such as annotations, are areas.
_NUCLEI = frozenset({"detection", "cell", "tile", "none"})

#: The measurement in which StarDist says how sure it is.
_CERTAINTY = "Detection probability"

#: No objective magnifies more.
_LARGEST_POWER = 1000

#: HoVer-Net's number of what is no class.
_BACKGROUND = "0"


def read_json(path: Path, data: bytes, names: dict[str, str]) -> ForeignNuclei:
    """Read nuclei from JSON, in the form that its members tell.

    Parameters
    ----------
    path : pathlib.Path
        Where it comes from, for errors.
    data : bytes
        The file's content, unpacked.
    names : dict of str to str
        Number of a class, as the file writes it -> its name, where the file does not name them.

    Returns
    -------
    ForeignNuclei
        All nuclei, in the order of the file.

    Raises
    ------
    DataError
        If it is no JSON, has none of the forms, or a nucleus has no outline.
    """
    try:
        document = json_of(data, path)
        if isinstance(document, dict) and "cells" in document:
            return _cellvit(path, document, names)
        contours = document.get("nuc", document) if isinstance(document, dict) else None
        if isinstance(contours, dict) and not {"type", "features"} & set(contours):
            return _hovernet(path, document, contours, names)
        return _geojson(path, document)
    except RegionError as error:
        raise DataError(str(error)) from None


def _ring(points: Any, where: str) -> NDArray[np.float64]:
    """Return the x and y of an outline, (K, 2)."""
    try:
        ring = np.asarray(points, np.float64)
        if ring.ndim == 2 and ring.shape[1] >= 2 and (np.abs(ring) < FARTHEST).all():
            return ring[:, :2]
    except (TypeError, ValueError, OverflowError):
        pass
    raise DataError(
        f"{where} has the outline {reprlib.repr(points)}, expected points [x, y] on a slide"
    )


def _geojson(path: Path, document: Any) -> ForeignNuclei:
    rings, names, certainty, others = [], [], [], 0
    for number, feature in enumerate(features(document, path), start=1):
        where = f"{path}: object {number}"
        properties = member_of(feature, "properties", dict, where)
        if kind_of(feature, properties) not in _NUCLEI:
            others += 1
            continue
        # The nucleus of a cell stands beside the cell.
        held = (
            (feature, "nucleusGeometry"),
            (properties, "nucleusGeometry"),
            (feature, "geometry"),
        )
        shapes = (member_of(holder, name, dict, where) for holder, name in held)
        geometry: dict[str, Any] = next(filter(None, shapes), {})
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list):
            kind = reprlib.repr(kind).strip("'")
            raise DataError(f"{where} is a {kind}, expected the outline of a nucleus (a Polygon)")
        parts = coordinates or [[]] if kind == "MultiPolygon" else [coordinates]
        outer = [
            _ring(part[0] if isinstance(part, list) and part else part, where) for part in parts
        ]
        rings.append(max(outer, key=lambda ring: float(np.ptp(ring, axis=0).prod())))
        names.append(class_of(properties)[0])
        certainty.append(_certainty(properties))
    if others and not rings:
        raise DataError(
            f"{path}: holds {others} annotations but no detections or cells; export those"
        )
    return ForeignNuclei("GeoJSON", exteriors(rings), names, np.array(certainty), "bounds")


def _certainty(properties: dict[str, Any]) -> float:
    """Return the probability of nucleus among the measurements of an object; 1 without one."""
    value = pairs_of(properties, "measurements").get(_CERTAINTY)
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else 1.0


def _hovernet(
    path: Path, document: dict[str, Any], contours: dict[str, Any], names: dict[str, str]
) -> ForeignNuclei:
    rings, kinds = [], []
    for key, nucleus in contours.items():
        if not isinstance(nucleus, dict) or "contour" not in nucleus:
            raise DataError(
                f"{path}: {reprlib.repr(key)} is no nucleus with a `contour`; expected GeoJSON, or"
                " the JSON of HoVer-Net or CellViT"
            )
        rings.append(_ring(nucleus["contour"], f"{path}: nucleus {key}"))
        kinds.append(_name(nucleus.get("type"), names))
    return ForeignNuclei(
        "JSON of HoVer-Net",
        exteriors(rings),
        kinds,
        np.ones(len(rings)),
        "file",
        mag=_power(document.get("mag"), path),
    )


def _power(mag: Any, path: Path) -> float | None:
    """Return the objective power that a file states, if any."""
    if mag is None:
        return None
    if type(mag) in (int, float) and 0 < mag <= _LARGEST_POWER:
        return float(mag)
    raise DataError(
        f"{path}: `mag` is {reprlib.repr(mag)}, expected the objective power that it counts pixels"
        " of, such as 40"
    )


def _cellvit(path: Path, document: dict[str, Any], names: dict[str, str]) -> ForeignNuclei:
    own = document.get("type_map")
    own = own if isinstance(own, dict) else {}
    known = {**{str(number): one_line(name) for number, name in own.items()}, **names}
    cells = document["cells"]
    if not isinstance(cells, list):
        raise DataError(f"{path}: `cells` is {reprlib.repr(cells)}, expected a list")
    rings, kinds = [], []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or "contour" not in cell:
            raise DataError(
                f"{path}: cell {number} has no `contour`; CellViT writes outlines to cells.json,"
                " and centroids alone to cell_detection.json"
            )
        rings.append(_ring(cell["contour"], f"{path}: cell {number}"))
        kinds.append(_name(cell.get("type"), known))
    return ForeignNuclei("JSON of CellViT", exteriors(rings), kinds, np.ones(len(rings)), "file")


def _name(kind: Any, names: dict[str, str]) -> str:
    """Return the name of a class that a file numbers."""
    number = str(int(kind)) if isinstance(kind, float) and kind.is_integer() else str(kind)
    if kind is None or number == _BACKGROUND:
        return ""
    return names.get(number, one_line(f"type {number}"))

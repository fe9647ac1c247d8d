"""Whether QuPath can open a file: the rules of its reader, versions 0.4 to 0.8, without Java.

QuPath rejects a whole file at the first object that it cannot read, and silently drops such a file
from a zip. Each rule here stands for something that one of these versions refuses or changes.
"""

from __future__ import annotations

import gzip
import json
import math
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from nucwsi.errors import DAMAGED_ARCHIVE, RegionError

#: QuPath's kinds of objects.
_KINDS = {"annotation", "detection", "cell", "tile"}

#: QuPath needs ten times as much memory for a file as it has bytes.
_MAX_BYTES = 1 << 30

#: What geometry and numbers raise that are not what they should be.
_ODD = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError),
    shapely.errors.ShapelyError,
)

#: How many faults are listed; a single one is enough to refuse a file.
_LISTED = 20


class Verdict(NamedTuple):
    """The result of checking a file.

    Attributes
    ----------
    n_features : int
        Number of objects in the file.
    faults : list of str
        The first 20 faults, one line each, with the place in the file.
    n_faults : int
        Number of all faults.
    """

    n_features: int
    faults: list[str]
    n_faults: int


def _refuse_constant(text: str) -> float:
    raise ValueError(f"the number {text} is not valid JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key!r} occurs twice in one object")
    return members


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the unpacked bytes of each file that `path` holds."""
    try:
        # A pipe that nobody writes to would be waited for.
        if path.exists() and not path.is_file():
            raise RegionError(f"{path}: is no file but a folder, a pipe or a device")
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    with archive.open(name) as stream:
                        yield name, _bounded(stream, f"{path}: {name}")
        else:
            with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
                yield path.name, _bounded(stream, str(path))
    except FileNotFoundError:
        raise RegionError(f"{path}: does not exist") from None
    except RegionError:
        raise
    except DAMAGED_ARCHIVE as error:
        raise RegionError(f"{path}: cannot be read ({error}); make it again") from None


def _bounded(stream: Any, where: str) -> bytes:
    data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise RegionError(
            f"{where}: holds more than {_MAX_BYTES >> 20} MB, too much for QuPath; split it"
        )
    return data


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    return value is None or (isinstance(value, list) and any(_has_null(item) for item in value))


def _id_faults(ident: Any, seen: set[str]) -> Iterator[str]:
    try:
        canonical = isinstance(ident, str) and str(uuid.UUID(ident)) == ident.lower()
    except ValueError:
        canonical = False
    if not canonical:
        yield f"id {ident!r} is not a UUID: QuPath would replace it"
    elif ident in seen:
        yield f"id {ident} occurs twice"
    else:
        seen.add(ident)


def _class_faults(label: Any) -> Iterator[str]:
    if not isinstance(label, dict):
        yield "classification is not an object with name and color"
        return
    name, colour = label.get("name"), label.get("color")
    if not isinstance(name, str) or not name:
        yield "classification has no name"
    whole = isinstance(colour, list) and all(type(c) is int and 0 <= c <= 255 for c in colour)
    if not (isinstance(colour, list) and whole and len(colour) == 3):
        yield "classification has no color of three whole numbers from 0 to 255"


def _measurement_faults(measurements: Any) -> Iterator[str]:
    if not isinstance(measurements, dict):
        yield "measurements are not an object"
        return
    for name, value in measurements.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            yield f"measurement {name!r} is not a finite number"
        if name == "Class probability":
            yield "'Class probability' means something else to QuPath"


def _property_faults(properties: Any) -> Iterator[str]:
    if not isinstance(properties, dict):
        yield "has no properties"
        return
    kind = properties.get("objectType")
    if kind not in _KINDS:
        yield f"objectType {kind!r} is not one of {', '.join(sorted(_KINDS))}"
    if "classification" in properties:
        yield from _class_faults(properties["classification"])
    if "measurements" in properties:
        yield from _measurement_faults(properties["measurements"])
    if kind != "annotation" and "metadata" in properties:
        yield "QuPath loses metadata of a detection, or logs an error"


def _ring_faults(rings: list[Any]) -> Iterator[str]:
    for ring in rings:
        if len(ring) < 4:
            yield f"a ring has {len(ring)} positions, at least 4 are needed"
        elif ring[0] != ring[-1]:
            yield "a ring is not closed"


def _geometry_faults(geometry: Any) -> Iterator[str]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind not in {"Polygon", "MultiPolygon"} or not isinstance(coordinates, list):
        yield f"geometry is {kind}, expected Polygon or MultiPolygon"
        return
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if kind == "MultiPolygon" and len(polygons) < 2:
        yield "a MultiPolygon of one part breaks QuPath 0.4 and 0.5"
    faults = [fault for rings in polygons for fault in _ring_faults(rings)]
    yield from faults or _outline_faults(geometry, polygons)


def _outline_faults(geometry: dict[str, Any], polygons: list[Any]) -> Iterator[str]:
    """Yield what is wrong with an outline whose rings are closed."""
    points = np.array([point[:2] for rings in polygons for ring in rings for point in ring], float)
    if points.size == 0 or not np.isfinite(points).all():
        yield "an outline has no coordinates, or some that are not finite"
        return
    shape = shapely.transform(shapely.geometry.shape(geometry), lambda xy: np.round(xy, 2))
    if not shape.is_valid:
        yield f"outline is invalid at 0.01 px: {shapely.is_valid_reason(shape)}"
    elif shape.area <= 0:
        yield "outline has no area"


def _feature_faults(feature: Any, seen: set[str]) -> Iterator[str]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        yield "is not a GeoJSON feature"
        return
    try:
        if _has_null(feature):
            yield "holds a null"
        yield from _id_faults(feature.get("id"), seen)
        yield from _property_faults(feature.get("properties"))
    except _ODD as error:
        yield f"properties cannot be read: {error}"
    try:
        yield from _geometry_faults(feature.get("geometry"))
    except _ODD as error:
        yield f"geometry cannot be read: {error}"


def check_geojson(path: Path) -> Verdict:
    """Check a file against the rules of QuPath's reader.

    Parameters
    ----------
    path : pathlib.Path
        ``.geojson`` or ``.json``, which may be gzipped, or a ``.zip`` of these.

    Returns
    -------
    Verdict
        What is wrong with it, if anything.

    Raises
    ------
    RegionError
        If the file is missing, or is not a readable zip or gzip.
    """
    faults: list[str] = []
    n_faults, n_features = 0, 0
    seen: set[str] = set()
    for name, data in _documents(path):
        for where, fault in _document_faults(name, data, seen):
            if where is None:
                n_features += 1
                continue
            n_faults += 1
            if len(faults) < _LISTED:
                faults.append(f"{where}: {fault}")
    expected = zip_facts(path).get("n_objects", n_features)
    if expected != n_features:
        n_faults += 1
        faults.append(f"{path.name}: holds {n_features} objects, but {expected} were written")
    return Verdict(n_features, faults, n_faults)


def zip_facts(path: Path) -> dict[str, Any]:
    """Return what the comment of a zip of nuclei says, such as ``n_objects``.

    Parameters
    ----------
    path : pathlib.Path
        A ``.zip`` that nucwsi has written, or any other file.

    Returns
    -------
    dict
        Plain JSON types; empty if the file is not a zip, or has no such comment.
    """
    try:
        if not path.is_file() or not zipfile.is_zipfile(path):
            return {}
        with zipfile.ZipFile(path) as archive:
            comment = json.loads(archive.comment)
    except DAMAGED_ARCHIVE:
        return {}
    return comment if isinstance(comment, dict) else {}


def is_whole_zip(path: Path) -> bool:
    """Tell whether all files of a zip have the checksums with which they were written.

    Parameters
    ----------
    path : pathlib.Path
        Any file.

    Returns
    -------
    bool
        False also if it is no zip at all.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except DAMAGED_ARCHIVE:
        return False


def _document_faults(name: str, data: bytes, seen: set[str]) -> Iterator[tuple[str | None, str]]:
    """Yield (place, fault) for each fault, and (None, "") for each feature."""
    if not name.lower().endswith((".geojson", ".json", ".geojson.gz", ".json.gz")):
        yield name, "a zip for QuPath may hold .geojson files only"
        return
    try:
        document = json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        yield name, f"is not JSON: {error}"
        return
    features = document.get("features", []) if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        yield name, "is not a FeatureCollection"
        return
    about = document.get("nucwsi")
    expected = about.get("n_objects") if isinstance(about, dict) else None
    if expected is not None and expected != len(features):
        yield name, f"holds {len(features)} objects, but {expected} were written"
    for number, feature in enumerate(features, start=1):
        yield None, ""
        for fault in _feature_faults(feature, seen):
            yield f"{name}, feature {number}", fault

"""A pathologist's regions, read from the files of several programs.

Coordinates in GeoJSON of QuPath start at the corner of the slide's bounds; those in the XML of
other programs, and of regions in memory, start at the upper left corner of the slide's file.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon

from nucwsi.composition.outlines import ellipse, repaired_area, with_holes
from nucwsi.composition.regions import Colour, Region
from nucwsi.errors import RegionError
from nucwsi.io.regions.geojson import Origin, from_qupath
from nucwsi.io.regions.xml import DrawnOutline, read_drawn_outlines

log = logging.getLogger(__name__)

#: QuPath's kinds of objects that are cells, not regions.
_CELLS = {"detection", "cell", "tile"}

#: QuPath writes an ellipse as a polygon of many corners; other programs write its bounding box.
_MAX_BOX_CORNERS = 8

#: A larger document holds nuclei instead of regions, or was made to fill the memory.
_MAX_BYTES = 1 << 30

#: White space and control characters.
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class _Shape(NamedTuple):
    """A region as it stands in its file."""

    name: str
    label: str
    geometry: Polygon | MultiPolygon
    colour: Colour | None


def _one_line(text: Any) -> str:
    """Return a name on one line, with ``?`` for what no encoding can hold."""
    return _BREAKS.sub(" ", str(text)).strip().encode("utf-8", "replace").decode()


def _sound(shape: Polygon | MultiPolygon, where: str) -> Polygon | MultiPolygon:
    """Return a valid shape, or raise `RegionError` if it cannot be repaired without guessing."""
    if shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        raise RegionError(
            f"{where} has an outline without points or with numbers that are not finite; draw it"
            " again"
        )
    try:
        valid = repaired_area(shape)
    except ValueError as error:
        raise RegionError(
            f"{where} has an invalid outline ({error}); in QuPath use Objects > Annotations >"
            " Simplify shape, or draw it again"
        ) from None
    if valid is not shape:
        log.warning("%s crosses itself by a hair; repaired", where)
    return valid


def _document(path: Path) -> Any:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise RegionError(
                f"{path}: holds more than {_MAX_BYTES >> 20} MB; regions are areas that somebody"
                " drew, not nuclei"
            )
        data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            # Python's parser accepts NaN, which QuPath writes as a measurement, and has the clearer
            # message.
            return json.loads(data.decode("utf-8"))
    except FileNotFoundError:
        raise RegionError(f"{path}: does not exist; check `regions` in the slide sheet") from None
    except RegionError:
        raise
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise RegionError(
            f"{path}: is not GeoJSON ({error}); export it from QuPath again"
        ) from None


def _member(holder: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return a member that is an object or a list; an empty one if it is missing or null."""
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise RegionError(f"{where} holds {value!r:.40} as `{name}`; export it from QuPath again")
    return value or kind()


def _features(document: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Yield each feature of a collection, a list or a single feature, followed by its children."""
    if isinstance(document, list):
        items = document
    elif isinstance(document, dict) and document.get("type") == "FeatureCollection":
        items = _member(document, "features", list, f"{path}:")
    elif isinstance(document, dict) and document.get("type") == "Feature":
        items = [document]
    else:
        raise RegionError(
            f"{path}: holds no GeoJSON features; in QuPath use File > Export objects as GeoJSON"
        )
    for item in items:
        if not isinstance(item, dict):
            raise RegionError(
                f"{path}: holds {item!r:.40} where a feature is expected; export it again"
            )
        yield item
        properties = _member(item, "properties", dict, f"{path}: a feature")
        yield from _features(_member(properties, "childObjects", list, f"{path}: a feature"), path)


def _class_of(properties: dict[str, Any]) -> tuple[str, Colour | None]:
    """Return the name and the colour of a feature's class."""
    label = properties.get("classification")
    if not isinstance(label, dict):
        return _one_line(label or ""), None
    names = label.get("names")
    # QuPath shows the parts of a derived class joined like this.
    name = ": ".join(map(str, names)) if isinstance(names, list) else str(label.get("name") or "")
    return _one_line(name), _colour(label.get("color"))


def _colour(value: Any) -> Colour | None:
    if not isinstance(value, list) or len(value) < 3:
        return None
    red, green, blue = value[:3]
    sound = all(type(part) is int and 0 <= part <= 255 for part in (red, green, blue))
    return (red, green, blue) if sound else None


def _area(described: dict[str, Any], where: str) -> Polygon | MultiPolygon:
    kind = str(described.get("type") or "feature without geometry")
    if kind not in {"Polygon", "MultiPolygon"}:
        raise RegionError(
            f"{where} is a {kind}; a region is a closed area: draw it as a polygon, or delete it"
        )
    try:
        # `_sound` refuses coordinates that are not finite.
        with np.errstate(invalid="ignore"):
            shape = shapely.geometry.shape(described)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        shapely.errors.ShapelyError,
    ) as error:
        raise RegionError(f"{where} has an unreadable outline ({error}); draw it again") from None
    corners = shapely.get_coordinates(shape)
    if described.get("isEllipse") is True and 2 <= len(corners) <= _MAX_BOX_CORNERS:
        return ellipse(corners)
    return shape


def _from_geojson(path: Path, origin: Origin) -> Iterator[_Shape]:
    for number, feature in enumerate(_features(_document(path), path), start=1):
        properties = _member(feature, "properties", dict, f"{path}: feature {number}")
        kind = str(properties.get("objectType") or properties.get("object_type")).lower()
        described = _member(feature, "geometry", dict, f"{path}: feature {number}")
        if kind in _CELLS or (kind == "root" and not described):
            continue
        name = _one_line(properties.get("name") or "")
        where = f"{path}: feature {number}" + (f" ({name:.60})" if name else "")
        label, colour = _class_of(properties)
        shape = from_qupath(_area(described, where), origin)
        yield _Shape(name, label, _sound(shape, where), colour)


def _polygon(drawn: DrawnOutline, where: str) -> Polygon:
    points = drawn.vertices
    if drawn.kind not in {"polygon", "rectangle", "ellipse", "spline"}:
        raise RegionError(
            f"{where} is a {drawn.kind}; a region is a closed area: draw it as a polygon, or delete"
            " it"
        )
    if drawn.kind == "ellipse" and 2 <= len(points) <= _MAX_BOX_CORNERS:
        return ellipse(points)
    if drawn.kind == "rectangle" and len(points) == 2:
        return shapely.box(*points.min(axis=0), *points.max(axis=0))
    if len(points) < 3:
        raise RegionError(f"{where} has {len(points)} points, at least 3 are needed; draw it again")
    # ASAP, too, joins the points of a spline by straight lines in its masks. `_sound` refuses
    # coordinates that are not finite.
    with np.errstate(invalid="ignore"):
        return Polygon(points)


def _from_xml(path: Path) -> Iterator[_Shape]:
    outlines = read_drawn_outlines(path)
    shapes = np.empty(len(outlines), object)
    for number, drawn in enumerate(outlines):
        name = _one_line(drawn.name)
        where = f"{path}: outline {number + 1}" + (f" ({name:.60})" if name else "")
        shapes[number] = _sound(_polygon(drawn, where), where)
    layer = np.array([drawn.layer for drawn in outlines])
    negative = np.array([drawn.negative for drawn in outlines], bool)
    for number in np.unique(layer[negative]):
        areas = (layer == number) & ~negative
        shapes[areas] = with_holes(shapes[areas], shapes[(layer == number) & negative])
    for drawn, shape in zip(outlines, shapes, strict=True):
        if not drawn.negative:
            yield _Shape(_one_line(drawn.name), _one_line(drawn.group), shape, None)


def _shapes(path: Path, origin: Origin, needed: bool) -> list[_Shape]:
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix in {".geojson", ".json"}:
        shapes = list(_from_geojson(path, origin))
    elif suffix in {".xml", ".annotations"}:
        shapes = list(_from_xml(path))
    else:
        raise RegionError(
            f"{path}: does not end like a region file; expected .geojson, .json, .xml or"
            " .annotations"
        )
    if needed and not shapes:
        raise RegionError(f"{path}: holds no region; draw annotations in QuPath and export them")
    return shapes


def read_region_files(paths: Sequence[Path], origin: Origin, needed: bool = True) -> list[Region]:
    """Read a pathologist's regions.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        GeoJSON of QuPath or of `geojson.write_regions`, which may be gzipped and whose cells and
        detections are skipped; XML of Aperio ImageScope or ASAP; ``.annotations`` of HALO.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.
    needed : bool
        Whether each file must hold a region.

    Returns
    -------
    list of Region
        Of source ``user``, in the order of the files. Geometry is x and y in level-0 pixels from
        the upper left corner of the slide's file; names are on one line.

    Raises
    ------
    RegionError
        If a file cannot be read or holds no region, or a region is a point, a line or invalid.
    """
    regions: list[Region] = []
    for shape in (shape for path in paths for shape in _shapes(path, origin, needed)):
        ident = f"region_{len(regions) + 1:03d}"
        name = shape.name or shape.label or ident
        regions.append(Region(ident, name, shape.label, "user", shape.geometry, shape.colour))
    return regions

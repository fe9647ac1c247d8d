"""Regions and tissue as GeoJSON, read and written as QuPath does.

Files are in QuPath's frame: x, y in level-0 pixels from the origin of the slide's bounds. Regions
in memory count from the file's upper left corner.
"""

from __future__ import annotations

import gzip
import json
import math
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon

from nucwsi.classes import display_name
from nucwsi.errors import RegionError, StoreError
from nucwsi.io.store import published
from nucwsi.regions import Region

#: Row and column of QuPath's origin on level 0.
Origin = tuple[float, float]

_TISSUE_COLOUR = (150, 200, 150)
_REGION_COLOUR = (0, 0, 180)

#: QuPath's kinds of objects that are cells, not regions.
_CELLS = {"detection", "cell", "tile"}


def _moved(geometry: Any, origin: Origin, sign: int) -> Any:
    shift = sign * np.array(origin[::-1])
    return shapely.transform(geometry, lambda xy: xy + shift)


def _rounded(geometry: Any) -> Any:
    """Round to the 0.01 pixel that QuPath keeps, and mend what that breaks."""
    geometry = shapely.transform(geometry, lambda xy: np.round(xy, 2))
    if not geometry.is_valid:
        geometry = shapely.set_precision(
            shapely.make_valid(geometry, method="structure", keep_collapsed=False), 0.01
        )
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _annotation(
    region: Region, measurements: dict[str, float], origin: Origin, colour: tuple[int, int, int]
) -> dict[str, Any] | None:
    geometry = _rounded(_moved(region.geometry, origin, -1))
    if geometry.is_empty:
        return None
    properties: dict[str, Any] = {
        "objectType": "annotation",
        "name": region.name,
        "isLocked": True,
        "measurements": {
            f"nucwsi: {name}": value for name, value in measurements.items() if math.isfinite(value)
        },
    }
    if region.region_class:
        properties["classification"] = {"name": region.region_class, "color": list(colour)}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"nucwsi:region/{region.id}/{geometry.wkt}")),
        "geometry": shapely.geometry.mapping(geometry),
        "properties": properties,
    }


def write_regions(
    path: Path,
    regions: list[Region],
    measurements: list[dict[str, float]],
    origin: Origin,
    extra: dict[str, Any] | None = None,
    colour: tuple[int, int, int] = _REGION_COLOUR,
) -> None:
    """Write regions as locked annotations.

    Parameters
    ----------
    path : pathlib.Path
    regions : list of Region
        Those without area are left out: QuPath has no such object.
    measurements : list of dict
        For each region name -> value; what is not finite is left out.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.
    extra : dict, optional
        Plain JSON types for the file's ``nucwsi`` member.
    colour : (int, int, int)
        Of all regions that have a class.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    features = [
        feature
        for region, values in zip(regions, measurements, strict=True)
        if (feature := _annotation(region, values, origin, colour)) is not None
    ]
    facts = {**(extra or {}), "origin_px": list(origin)}
    document = {"type": "FeatureCollection", "nucwsi": facts, "features": features}
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(document) + b"\n")


def _document(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return json.loads(data.decode("utf-8-sig"))
    except FileNotFoundError:
        raise RegionError(f"{path}: does not exist; check `regions` in the slide sheet") from None
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise RegionError(f"{path}: is not GeoJSON ({error}); export it from QuPath anew") from None


def _member(holder: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return an object or a list of a JSON object; an empty one if there is none."""
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise RegionError(f"{where} holds {value!r:.40} as `{name}`; export it from QuPath anew")
    return value or kind()


def _features(document: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Yield all features of a collection, a list or a single one, with their children."""
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
                f"{path}: holds {item!r:.40} where a feature is expected; export it anew"
            )
        yield item
        properties = _member(item, "properties", dict, f"{path}: a feature")
        yield from _features(_member(properties, "childObjects", list, f"{path}: a feature"), path)


def _class_name(properties: dict[str, Any]) -> str:
    found = properties.get("classification")
    if not isinstance(found, dict):
        return str(found or "")
    names = found.get("names")
    # Derived classes are lists; QuPath shows them joined like this.
    return ": ".join(map(str, names)) if isinstance(names, list) else str(found.get("name") or "")


def _polygon(feature: dict[str, Any], where: str) -> Polygon | MultiPolygon:
    described = _member(feature, "geometry", dict, where)
    kind = str(described.get("type") or "feature without geometry")
    if kind not in {"Polygon", "MultiPolygon"}:
        raise RegionError(
            f"{where} is a {kind}; a region is a closed area: draw it as a polygon, or delete it"
        )
    try:
        # What is not finite is refused below.
        with np.errstate(invalid="ignore"):
            geometry = shapely.geometry.shape(described)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        shapely.errors.ShapelyError,
    ) as error:
        raise RegionError(f"{where} has an unreadable outline ({error}); draw it anew") from None
    if geometry.is_empty or not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise RegionError(f"{where} has an outline without numbers or points; draw it anew")
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        raise RegionError(
            f"{where} has an invalid outline ({reason}); in QuPath use Objects > Annotations >"
            " Simplify shape, or draw it anew"
        )
    return geometry


def read_regions(path: Path, origin: Origin) -> list[Region]:
    """Read a pathologist's regions.

    Parameters
    ----------
    path : pathlib.Path
        GeoJSON of QuPath or of `write_regions`, maybe gzipped. Cells and detections are skipped.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.

    Returns
    -------
    list of Region
        Of source ``user``, in the file's order.

    Raises
    ------
    RegionError
        If it is no GeoJSON, holds no area, or one that is a point, a line or invalid.
    """
    regions: list[Region] = []
    for number, feature in enumerate(_features(_document(path), path), start=1):
        properties = _member(feature, "properties", dict, f"{path}: feature {number}")
        kind = properties.get("objectType") or properties.get("object_type")
        if str(kind).lower() in _CELLS:
            continue
        name = str(properties.get("name") or "")
        where = f"{path}: feature {number}" + (f" ({name})" if name else "")
        geometry = _moved(_polygon(feature, where), origin, 1)
        label = _class_name(properties)
        ident = f"region_{len(regions) + 1:03d}"
        regions.append(Region(ident, name or label or ident, label, "user", geometry))
    if not regions:
        raise RegionError(f"{path}: holds no region; draw annotations in QuPath and export them")
    return regions


def write_tissue(path: Path, pieces: list[Polygon], facts: dict[str, Any]) -> None:
    """Write the pieces of tissue.

    Parameters
    ----------
    path : pathlib.Path
    pieces : list of shapely.Polygon
        In level-0 pixels from the file's upper left corner, the largest first.
    facts : dict
        Of the tiles, with their ``frame``.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    regions = [
        Region(f"tissue_{n:03d}", f"tissue_{n:03d}", display_name("tissue"), "tissue", piece)
        for n, piece in enumerate(pieces, start=1)
    ]
    top, left = facts["frame"]["origin_px"]
    write_regions(path, regions, [{}] * len(regions), (top, left), facts, _TISSUE_COLOUR)


def read_tissue(path: Path) -> tuple[dict[str, Any], list[Polygon]]:
    """Read the pieces of tissue.

    Parameters
    ----------
    path : pathlib.Path
        Of `write_tissue`.

    Returns
    -------
    facts : dict
    pieces : list of shapely.Polygon
        In level-0 pixels from the file's upper left corner, in the file's order.

    Raises
    ------
    StoreError
        If it is missing, damaged or something else.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        facts: dict[str, Any] = document["nucwsi"]
        if facts["kind"] != "tissue":
            raise ValueError(f"it holds {facts['kind']!r}")
        top, left = facts["origin_px"]
        pieces = [
            _moved(part, (top, left), 1)
            for feature in document["features"]
            for part in shapely.get_parts(shapely.geometry.shape(feature["geometry"]))
        ]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi tile`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: is no tissue of nucwsi ({error}); run `nucwsi tile`") from None
    return facts, pieces

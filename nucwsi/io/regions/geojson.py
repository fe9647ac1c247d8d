"""Regions and tissue as GeoJSON, in the form that QuPath writes.

Coordinates in files are x and y in level-0 pixels from QuPath's origin, the corner of the slide's
bounds. Coordinates in memory start at the file's upper left corner.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon

from nucwsi.classes import display_name
from nucwsi.composition.regions import Colour, Region
from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.io.inputs import check_file
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.validity import on_grid, polygon_parts

#: Row and column of QuPath's origin on level 0.
Origin = tuple[float, float]

#: Member of a file that holds its checksum.
_DIGEST = "nucwsi_sha256"

#: How the names of our measurements begin, so that QuPath's own keep theirs.
_PREFIX = "nucwsi: "

_TISSUE_COLOUR = (150, 200, 150)
_REGION_COLOUR = (0, 0, 180)


def from_qupath(geometry: Any, origin: Origin) -> Any:
    """Move a shape from QuPath's frame to the file's.

    Parameters
    ----------
    geometry : shapely.Geometry
        x and y in level-0 pixels from QuPath's origin, the corner of the slide's bounds.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.

    Returns
    -------
    shapely.Geometry
        x and y in level-0 pixels from the file's upper left corner.
    """
    shift = np.array(origin[::-1])
    return shapely.transform(geometry, lambda xy: xy + shift)


def _to_qupath(geometry: Any, origin: Origin) -> Any:
    """Move a shape from the file's frame to QuPath's, on the 0.01 px grid that QuPath keeps."""
    moved = shapely.transform(geometry, lambda xy: xy - np.array(origin[::-1]))
    parts = polygon_parts(on_grid(np.array([moved], dtype=object))[0])
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _annotation(
    region: Region,
    measurements: dict[str, float],
    geometry: Any,
    colour: Colour,
    metadata: dict[str, str],
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "objectType": "annotation",
        "name": region.name,
        "isLocked": True,
        "measurements": {
            f"{_PREFIX}{name}": value
            for name, value in measurements.items()
            if math.isfinite(value)
        },
    }
    if region.region_class:
        shown = list(region.colour or colour)
        properties["classification"] = {"name": region.region_class, "color": shown}
    if metadata and region.source == "slide":
        properties["metadata"] = metadata
    # Made from what the region is, not from its place in the file, so that a region which is read
    # and written again keeps its id.
    identity = f"nucwsi:region/{region.name}/{region.region_class}/{geometry.wkb_hex}"
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        "geometry": shapely.geometry.mapping(geometry),
        "properties": properties,
    }


def write_regions(
    path: Path,
    regions: list[Region],
    measurements: list[dict[str, float]],
    origin: Origin,
    extra: dict[str, Any] | None = None,
    colour: Colour = _REGION_COLOUR,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write regions as locked annotations.

    Parameters
    ----------
    path : pathlib.Path
        The ``.geojson`` file to write.
    regions : list of Region
        R regions; x and y in level-0 pixels from the file's upper left corner. Those without area
        are left out, because QuPath has no such object.
    measurements : list of dict
        For each of the R regions, name -> value; values that are not finite are left out.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.
    extra : dict, optional
        Plain JSON types to add to the file's ``nucwsi`` member.
    colour : (int, int, int)
        Red, green and blue, 0 to 255, for regions that have a class and no colour of their own.
    metadata : dict of str to str, optional
        What QuPath shows as metadata of the annotation of the whole slide.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    # As text, which takes a tenth of the memory.
    features: dict[str, orjson.Fragment] = {}
    for region, values in zip(regions, measurements, strict=True):
        geometry = _to_qupath(region.geometry, origin)
        if not geometry.is_empty:
            feature = _annotation(region, values, geometry, colour, metadata or {})
            # The same region twice must not become the same object twice.
            while feature["id"] in features:
                feature["id"] = str(uuid.uuid5(uuid.UUID(feature["id"]), "again"))
            features[feature["id"]] = orjson.Fragment(orjson.dumps(feature))
    facts = {**(extra or {}), "origin_px": list(origin), "n_objects": len(features)}
    document = {"type": "FeatureCollection", "nucwsi": facts, "features": list(features.values())}
    document[_DIGEST] = _digest(document)
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(document) + b"\n")


def _digest(document: dict[str, Any]) -> str:
    """Return the checksum of a document, whose text may be laid out otherwise."""
    return hashlib.sha256(orjson.dumps([document["nucwsi"], document["features"]])).hexdigest()


def _read_written(path: Path) -> dict[str, Any]:
    """Read a file that `write_regions` has written; raise `ValueError` if it has changed since."""
    check_file(path)
    document = json.loads(path.read_bytes().decode("utf-8"))
    facts = document.get("nucwsi") if isinstance(document, dict) else None
    if not isinstance(facts, dict):
        raise ValueError("has no member `nucwsi` that is an object")
    # Files of version 0.1.0 have no checksum.
    if document.get(_DIGEST, _digest(document)) != _digest(document):
        raise ValueError("its checksum differs")
    return document


def rewrite_measurements(
    path: Path,
    output: Path,
    added: Sequence[dict[str, float]],
    is_replaced: Callable[[str], bool],
) -> None:
    """Write regions again with further measurements; all else stays as it is.

    Parameters
    ----------
    path : pathlib.Path
        A file that `write_regions` has written.
    output : pathlib.Path
        The file to write; may be `path`.
    added : sequence of dict
        For each object of the file, name -> value; values that are not finite are left out.
    is_replaced : callable
        Takes the name of a measurement of `path`, and gives whether it is left out.

    Raises
    ------
    StoreError
        If a file is missing or damaged, holds another number of objects, or cannot be written.
    """
    try:
        document = _read_written(path)
        for feature, values in zip(document["features"], added, strict=True):
            measured = feature["properties"]["measurements"]
            kept = {k: v for k, v in measured.items() if not is_replaced(k.removeprefix(_PREFIX))}
            more = {f"{_PREFIX}{k}": v for k, v in values.items() if math.isfinite(v)}
            feature["properties"]["measurements"] = kept | more
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: is no file of regions of nucwsi, or cannot be read ({error}); run `nucwsi"
            " compose`"
        ) from None
    document[_DIGEST] = _digest(document)
    with published(output) as aside:
        aside.write_bytes(orjson.dumps(document) + b"\n")


def written_facts(path: Path) -> dict[str, Any]:
    """Read what `write_regions` was told to add to a file.

    Parameters
    ----------
    path : pathlib.Path
        A ``.geojson`` file of nucwsi; it need not exist.

    Returns
    -------
    dict
        Its ``nucwsi`` member, plain JSON types; empty without a file.

    Raises
    ------
    StoreError
        If the file is damaged or has no such member.
    """
    try:
        facts: dict[str, Any] = _read_written(path)["nucwsi"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path}: is no file of regions of nucwsi, or cannot be read ({error}); run `nucwsi"
            " compose`"
        ) from None
    return facts


def written_measurements(path: Path) -> list[dict[str, float]]:
    """Read the measurements that `write_regions` was given.

    Parameters
    ----------
    path : pathlib.Path
        A ``.geojson`` file of nucwsi.

    Returns
    -------
    list of dict
        For each object of the file, name -> value.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    try:
        features = _read_written(path)["features"]
        return [
            {name.removeprefix(_PREFIX): value for name, value in measured.items()}
            for measured in (one["properties"]["measurements"] for one in features)
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: is no file of regions of nucwsi, or cannot be read ({error}); run `nucwsi"
            " compose`"
        ) from None


def write_tissue(path: Path, pieces: list[Polygon], facts: SlideFacts) -> None:
    """Write the pieces of tissue.

    Parameters
    ----------
    path : pathlib.Path
        The ``tissue.geojson`` to write.
    pieces : list of shapely.Polygon
        x and y in level-0 pixels from the file's upper left corner, the largest piece first.
    facts : SlideFacts
        Those of the tiles.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    regions = [
        Region(f"tissue_{n:03d}", f"tissue_{n:03d}", display_name("tissue"), "tissue", piece)
        for n, piece in enumerate(pieces, start=1)
    ]
    tissue = facts.with_(kind="tissue").to_json()
    measurements: list[dict[str, float]] = [{}] * len(regions)
    write_regions(
        path, regions, measurements, facts.frame.origin_px, {"facts": tissue}, _TISSUE_COLOUR
    )


def read_tissue(path: Path) -> tuple[SlideFacts, list[Polygon]]:
    """Read the pieces of tissue.

    Parameters
    ----------
    path : pathlib.Path
        A file that `write_tissue` has written.

    Returns
    -------
    facts : SlideFacts
        Those of the tiles.
    pieces : list of shapely.Polygon
        x and y in level-0 pixels from the file's upper left corner, in the order of the file.

    Raises
    ------
    StoreError
        If the file is missing, damaged or something else.
    """
    try:
        document = _read_written(path)
        facts = SlideFacts.from_json(document["nucwsi"]["facts"], "tissue")
        pieces = [
            from_qupath(part, facts.frame.origin_px)
            for feature in document["features"]
            for part in shapely.get_parts(shapely.geometry.shape(feature["geometry"]))
        ]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi tile`") from None
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise StoreError(
            f"{path}: is not a tissue file of nucwsi ({error}); run `nucwsi tile`"
        ) from None
    return facts, pieces

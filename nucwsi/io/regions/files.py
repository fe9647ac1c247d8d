"""A pathologist's regions, read from the files of several programs.

Coordinates in GeoJSON of QuPath start at the corner of the slide's bounds; those in the XML of
other programs, and of regions in memory, start at the upper left corner of the slide's file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from nucwsi.composition.outlines import check_points, ellipse, repaired_area, with_holes
from nucwsi.composition.regions import Colour, Region
from nucwsi.errors import RegionError, StoreError
from nucwsi.io.regions.features import class_of, document, features, kind_of, member_of, one_line
from nucwsi.io.regions.geojson import Origin, from_qupath, written_facts
from nucwsi.io.regions.xml import DrawnOutline, read_drawn_outlines

log = logging.getLogger(__name__)

#: QuPath's kinds of objects that are cells, not regions.
_CELLS = {"detection", "cell", "tile"}

#: QuPath writes an ellipse as a polygon of many corners; other programs write its bounding box.
_MAX_BOX_CORNERS = 8

#: More regions than somebody draws are nuclei, or squares of a grid.
_MAX_REGIONS = 50_000

#: Longer texts do not fit into a cell of a spreadsheet, and are no names.
_MAX_NAME = 1000


class _Shape(NamedTuple):
    """A region as it stands in its file."""

    name: str
    label: str
    geometry: Polygon | MultiPolygon
    colour: Colour | None


def _sound(shape: Polygon | MultiPolygon, where: str) -> Polygon | MultiPolygon:
    """Return a valid shape, or raise `RegionError` if it cannot be repaired without guessing."""
    try:
        valid = repaired_area(shape)
    except ValueError as error:
        raise _unsound(where, error) from None
    if valid is not shape:
        log.warning("%s crosses itself by a hair; repaired", where)
    return valid


def _check_points(points: NDArray[np.float64], where: str) -> None:
    try:
        check_points(points)
    except ValueError as error:
        raise _unsound(where, error) from None


def _unsound(where: str, error: ValueError) -> RegionError:
    return RegionError(
        f"{where} has an invalid outline ({error}); in QuPath use Objects > Annotations > Simplify"
        " shape, or draw it again"
    )


def _area(described: dict[str, Any], where: str) -> Polygon | MultiPolygon:
    kind = one_line(described.get("type") or "feature without geometry")
    if kind not in {"Polygon", "MultiPolygon"}:
        raise RegionError(
            f"{where} is a {kind:.60}; a region is a closed area: draw it as a polygon, or delete"
            " it"
        )
    try:
        # `_sound` refuses coordinates that are not finite or too large.
        with np.errstate(invalid="ignore"):
            shape = shapely.geometry.shape(described)
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise RegionError(f"{where} has an unreadable outline ({error}); draw it again") from None
    corners = shapely.get_coordinates(shape)
    if described.get("isEllipse") is True and 2 <= len(corners) <= _MAX_BOX_CORNERS:
        _check_points(corners, where)
        return ellipse(corners)
    return shape


def _from_geojson(path: Path, origin: Origin) -> Iterator[_Shape]:
    for number, feature in enumerate(features(document(path), path), start=1):
        properties = member_of(feature, "properties", dict, f"{path}: feature {number}")
        kind = kind_of(feature, properties)
        described = member_of(feature, "geometry", dict, f"{path}: feature {number}")
        lost = kind == "tmacore" and str(properties.get("isMissing")).lower() == "true"
        if kind in _CELLS or lost or (kind == "root" and not described):
            continue
        name = one_line(properties.get("name") or "")
        where = f"{path}: feature {number}" + (f" ({name:.60})" if name else "")
        label, colour = class_of(properties)
        shape = from_qupath(_area(described, where), origin)
        yield _Shape(name, label, _sound(shape, where), colour)


def _polygon(drawn: DrawnOutline, where: str) -> Polygon:
    points = drawn.vertices
    _check_points(points, where)
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
    # ASAP, too, joins the points of a spline by straight lines in its masks.
    return Polygon(points)


def _from_xml(path: Path) -> Iterator[_Shape]:
    outlines = read_drawn_outlines(path)
    shapes = np.empty(len(outlines), object)
    for number, drawn in enumerate(outlines):
        name = one_line(drawn.name)
        where = f"{path}: outline {number + 1}" + (f" ({name:.60})" if name else "")
        shapes[number] = _sound(_polygon(drawn, where), where)
    layer = np.array([drawn.layer for drawn in outlines])
    negative = np.array([drawn.negative for drawn in outlines], bool)
    for number in np.unique(layer[negative]):
        areas = (layer == number) & ~negative
        shapes[areas] = with_holes(shapes[areas], shapes[(layer == number) & negative])
    for drawn, shape in zip(outlines, shapes, strict=True):
        if not drawn.negative:
            yield _Shape(one_line(drawn.name), one_line(drawn.group), shape, None)


def _shapes(path: Path, origin: Origin, needed: bool) -> list[_Shape]:
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix in {".geojson", ".json"}:
        shapes = list(islice(_from_geojson(path, origin), _MAX_REGIONS + 1))
    elif suffix in {".xml", ".annotations"}:
        shapes = list(islice(_from_xml(path), _MAX_REGIONS + 1))
    else:
        raise RegionError(
            f"{path}: does not end like a region file; expected .geojson, .json, .xml or"
            " .annotations"
        )
    if len(shapes) > _MAX_REGIONS:
        raise RegionError(
            f"{path}: holds more than {_MAX_REGIONS:,} regions; expected areas that somebody drew,"
            " not nuclei or tiles"
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
    read = ((path, shape) for path in paths for shape in _shapes(path, origin, needed))
    for file, shape in read:
        ident = f"region_{len(regions) + 1:03d}"
        name = shape.name or shape.label or ident
        if max(len(name), len(shape.label)) > _MAX_NAME:
            raise RegionError(
                f"{file}: {ident} has a name or class of more than {_MAX_NAME:,} characters;"
                " shorten it"
            )
        regions.append(Region(ident, name, shape.label, "user", shape.geometry, shape.colour))
    return regions


def origin_doubt(paths: Sequence[Path], origin: Origin) -> str | None:
    """Say where the frame of a file of regions is not known for sure.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Files of regions.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.

    Returns
    -------
    str or None
        What a user should check; None if the origin of all coordinates is known.
    """
    # Indica Labs does not state it. Users of dlup report that HALO counts from the corner of the
    # file, as if there were no bounds: https://github.com/NKI-AI/dlup/issues/160
    halo = [path for path in paths if path.suffix.lower() == ".annotations"]
    if not halo or not any(origin):
        return None
    return (
        f"{halo[0]}: HALO does not say whether its coordinates begin at the corner of the file, as"
        f" nucwsi reads them, or at that of the scanned area, {origin[1]:g} px to the right and"
        f" {origin[0]:g} px down on this slide; compare the outlines in the report with HALO"
    )


def read_written_regions(path: Path, origin: Origin) -> list[Region]:
    """Read regions that `compose` has written.

    Parameters
    ----------
    path : pathlib.Path
        ``{slide}.regions.geojson``.
    origin : (float, float)
        Row and column of QuPath's origin on level 0.

    Returns
    -------
    list of Region
        As of `read_region_files`; may be empty.

    Raises
    ------
    StoreError
        If the file is missing, or has changed since it was written.
    RegionError
        As `read_region_files`.
    """
    if not written_facts(path):
        raise StoreError(f"{path}: does not exist; run `nucwsi compose`")
    return read_region_files([path], origin, needed=False)

"""Regions from a GeoDataFrame, however geopandas has read them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import geopandas
import shapely

from nucwsi.composition.outlines import repaired_area
from nucwsi.composition.regions import Region
from nucwsi.errors import RegionError


def read_region_frame(frame: geopandas.GeoDataFrame) -> list[Region]:
    """Read the regions of a GeoDataFrame.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        One polygon or multipolygon for each region, x and y in level-0 pixels; its coordinate
        reference system is ignored. Optional columns are ``name``, and ``region_class`` or QuPath's
        ``classification``.

    Returns
    -------
    list of Region
        Of source ``user``, in the order of the rows; ``region_001`` is the first.

    Raises
    ------
    RegionError
        If a region is no area, or its outline is invalid.
    """
    names, labels = _texts(frame, "name"), _texts(frame, "region_class", "classification")
    regions = []
    for number, shape in enumerate(frame.geometry.to_numpy(), start=1):
        ident = f"region_{number:03d}"
        name = names[number - 1] or labels[number - 1] or ident
        if shape is None or shape.geom_type not in {"Polygon", "MultiPolygon"}:
            kind = "missing" if shape is None else f"a {shape.geom_type}"
            raise RegionError(f"`regions`: {name} ({ident}) is {kind}, expected an area")
        try:
            whole = repaired_area(shapely.force_2d(shape))
        except (ValueError, shapely.errors.ShapelyError) as error:
            raise RegionError(f"`regions`: {name} ({ident}) is invalid: {error}") from None
        regions.append(Region(ident, name, labels[number - 1], "user", whole))
    return regions


def _class_name(value: Any) -> str:
    """Return the name of a class, however geopandas has read QuPath's."""
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        value = value.get("name", "")
    return value if isinstance(value, str) else ""


def _texts(frame: geopandas.GeoDataFrame, *columns: str) -> list[str]:
    for column in columns:
        if column in frame:
            return [_class_name(value) for value in frame[column]]
    return [""] * len(frame)

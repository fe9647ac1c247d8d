"""The tables of `compose` from Python, on GeoDataFrames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.counts import Population
from nucwsi.composition.disagreement import contrast_names
from nucwsi.composition.outlines import repaired_area
from nucwsi.composition.regions import Region, owned_nuclei, without_ignored
from nucwsi.composition.tables import RegionTables
from nucwsi.errors import ConfigError, RegionError
from nucwsi.io.nuclei.parquet import FEATURES, read_facts
from nucwsi.io.regions.files import read_region_files


class Tables(NamedTuple):
    """What `compose` answers.

    Attributes
    ----------
    composition : pandas.DataFrame
        A row a region: counts with intervals, fractions, densities; see docs/counting.md.
    morphometry : pandas.DataFrame
        A row for each region, class and feature.
    neighbours : pandas.DataFrame
        A row for each region and pair of classes; empty without a radius.
    """

    composition: pd.DataFrame
    morphometry: pd.DataFrame
    neighbours: pd.DataFrame


def compose(
    nuclei: geopandas.GeoDataFrame,
    regions: geopandas.GeoDataFrame,
    *,
    mpp: float | tuple[float, float] | None = None,
    tissue: geopandas.GeoDataFrame | None = None,
    neighbours_um: float = 20.0,
) -> Tables:
    """Count nuclei by class and region.

    Parameters
    ----------
    nuclei : geopandas.GeoDataFrame
        N nuclei: outlines in level-0 pixels, ``class`` (missing: unclassified), and where they are
        known ``p_<class>`` for each class (else every class is taken as certain) and features
        such as ``area_um2``. What ``geopandas.read_parquet("nuclei.parquet")`` returns, or a
        part of it. Its ``attrs["count_error"]`` (class -> share of nuclei) widens the intervals by
        what nuclei get wrong in common, and its columns ``contrast<k>_<class>`` by how far the
        answers of an ensemble lie apart.
    regions : geopandas.GeoDataFrame
        R polygons or multipolygons in the frame of the nuclei; its coordinate reference system is
        ignored. Maybe with ``name`` and ``region_class`` or QuPath's ``classification``; a class
        that begins with ``Ignore`` is cut out of all others. See `read_regions`.
    mpp : float or (float, float), optional
        µm per level-0 pixel, or along x and along y; by default what the nuclei say with their
        ``area_um2``.
    tissue : geopandas.GeoDataFrame, optional
        Pieces of tissue in the same frame, for densities; by default regions are all tissue.
    neighbours_um : float
        Nuclei are neighbours if their centroids are at most this far apart; 0: no such table.

    Returns
    -------
    Tables

    Raises
    ------
    ConfigError
        If a column or an outline is missing, or `mpp` is neither given nor known from the nuclei.
    RegionError
        If a region is no valid area.
    """
    region_tables, centroids = _region_tables(nuclei, _regions(regions))
    px_um = _px_um(nuclei, mpp, region_tables.nuclei.features["area_um2"])
    if tissue is None:
        union = shapely.union_all([region.geometry for region in region_tables.regions])
    else:
        union = shapely.union_all(tissue.geometry.to_numpy())
    pieces = shapely.get_parts(union).tolist()
    tables = [
        region_tables.composition(pieces, float(np.prod(px_um))),
        region_tables.morphometry(),
        {},
    ]
    if neighbours_um > 0:
        tables[2] = region_tables.neighbours(centroids * px_um, neighbours_um)
    return Tables(*map(pd.DataFrame, tables))


def read_regions(
    files: str | Path | Sequence[str | Path], nuclei: str | Path
) -> geopandas.GeoDataFrame:
    """Read regions that a pathologist drew, in the frame of the nuclei.

    Parameters
    ----------
    files : str, pathlib.Path or sequence of them
        GeoJSON of QuPath, XML of ImageScope or ASAP, ``.annotations`` of HALO.
    nuclei : str or pathlib.Path
        ``nuclei.parquet`` of the same slide: QuPath counts from the origin of the slide's bounds,
        the nuclei from the file's upper left corner.

    Returns
    -------
    geopandas.GeoDataFrame
        ``name``, ``region_class`` and geometry.

    Raises
    ------
    RegionError
        If a file cannot be used.
    StoreError
        If `nuclei` is no table of nuclei.
    """
    every = [files] if isinstance(files, str | Path) else files
    frame = read_facts(Path(nuclei)).frame
    found = read_region_files([Path(path) for path in every], frame.origin_px)
    columns = {
        "name": [region.name for region in found],
        "region_class": [region.region_class for region in found],
    }
    return geopandas.GeoDataFrame(columns, geometry=[region.geometry for region in found])


def _class_name(value: Any) -> str:
    """Return the name of a class, however geopandas has read QuPath's."""
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        value = value.get("name", "")
    return value if isinstance(value, str) else ""


def _texts(frame: geopandas.GeoDataFrame, *columns: str) -> list[str]:
    for column in columns:
        if column in frame:
            return [_class_name(value) for value in frame[column]]
    return [""] * len(frame)


def _regions(frame: geopandas.GeoDataFrame) -> list[Region]:
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
        except ValueError as error:
            raise RegionError(f"`regions`: {name} ({ident}) is invalid: {error}") from None
        regions.append(Region(ident, name, labels[number - 1], "user", whole))
    return without_ignored(regions)


def _classes(frame: geopandas.GeoDataFrame) -> tuple[str, ...]:
    shares = tuple(name.removeprefix("p_") for name in frame if name.startswith("p_"))
    named = tuple(sorted(frame["class"].dropna().unique())) if "class" in frame else ()
    # Another program's `p_value` is no class.
    if shares and set(named) <= set(shares):
        return shares
    if "class" not in frame:
        raise ConfigError("`nuclei` has no column `class`, nor `p_<class>`")
    return named


def _region_tables(
    frame: geopandas.GeoDataFrame, regions: list[Region]
) -> tuple[RegionTables, NDArray[np.float64]]:
    classes = _classes(frame)
    shares = [f"p_{name}" for name in classes]
    if "class" in frame:
        code = pd.Categorical(frame["class"], categories=classes).codes.astype(np.int64)
        code[code < 0] = len(classes)
    else:
        code = most_probable(frame[shares].to_numpy())
    if set(shares) <= set(frame):
        share = frame[shares].to_numpy(np.float32)
    else:
        share = np.eye(len(classes) + 1, len(classes), dtype=np.float32)[code]
    outlines = frame.geometry.to_numpy()
    void = np.flatnonzero(shapely.is_missing(outlines) | shapely.is_empty(outlines))
    if len(void):
        raise ConfigError(
            f"`nuclei` has {len(void)} rows without an outline, the first at"
            f" {frame.index[void[0]]!r}; leave them out"
        )
    centroids = shapely.get_coordinates(shapely.centroid(outlines))
    features = {name: frame[name].to_numpy(np.float32) for name in FEATURES if name in frame}
    features.setdefault("area_um2", np.full(len(frame), np.nan, np.float32))
    population = Population(code.astype(np.uint8), share, features, _contrasts(frame, classes))
    error = frame.attrs.get("count_error", {})
    return RegionTables(
        regions, owned_nuclei(centroids, regions), population, classes, error
    ), centroids


def _contrasts(frame: geopandas.GeoDataFrame, classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the contrasts (N, Q · C) that the nuclei have, by contrast, then class."""
    n_contrasts = 0
    while classes and set(contrast_names(classes, n_contrasts + 1)) <= set(frame):
        n_contrasts += 1
    return frame[contrast_names(classes, n_contrasts)].to_numpy(np.float32)


def _px_um(
    frame: geopandas.GeoDataFrame,
    mpp: float | tuple[float, float] | None,
    area_um2: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the width and height of a level-0 pixel in µm."""
    if mpp is not None:
        return np.broadcast_to(np.asarray(mpp, np.float64), 2)
    area_px = float(frame.geometry.area.sum())
    found = float(np.nansum(area_um2)) / area_px if area_px else 0.0
    if not found:
        raise ConfigError(
            "`mpp` is not known from `nuclei` (no `area_um2`); name it, e.g. mpp=0.25"
        )
    return np.full(2, np.sqrt(found))

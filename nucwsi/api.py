"""What Python users import: the tables of `compose`, on GeoDataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nucwsi.composition.membership import Membership
from nucwsi.composition.regions import geometries, owned_nuclei, tissue_area, without_ignored
from nucwsi.composition.tables import RegionTables
from nucwsi.errors import ConfigError
from nucwsi.io.nuclei.geodataframe import read_population, read_trust, read_unions
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.regions.files import read_region_files
from nucwsi.io.regions.geodataframe import read_region_frame


class Tables(NamedTuple):
    """The three tables that `compose` makes; docs/counting.md explains their columns.

    Attributes
    ----------
    composition : pandas.DataFrame
        One row for each region: counts with intervals, fractions, densities per mm² of tissue.
    morphometry : pandas.DataFrame
        One row for each region, class and feature.
    neighbours : pandas.DataFrame
        One row for each region and pair of classes; empty if `neighbours_um` is 0.
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
        One row for each nucleus, e.g. of ``geopandas.read_parquet("nuclei.parquet")``: its outline
        (x, y in level-0 pixels), and its ``class``, which may be missing. Also used, if present:

        * ``p_<class>`` for each class, 0 to 1; without them every class is taken as certain.
        * ``contrast<k>_<class>``: how far the answers of an ensemble lie apart; widens intervals.
        * ``attrs["miscount"]``, ``attrs["count_error"]``, ``attrs["domain"]`` and
          ``attrs["colour"]``: what counts are off by, and how the nuclei ought to look; they widen
          intervals, too.
        * ``attrs["unions"]``: name of a union -> classes that are also counted together.
        * Features such as ``area_um2``, not negative; NaN where they are not known.
    regions : geopandas.GeoDataFrame
        One polygon or multipolygon for each region, in the frame of the nuclei; the coordinate
        reference system is ignored. Optional columns are ``name``, and ``region_class`` or QuPath's
        ``classification``. A class that begins with ``Ignore`` is cut out of all other regions.
        See `read_regions`.
    mpp : float or (float, float), optional
        µm per level-0 pixel, or along x and along y. By default it is derived from the areas of the
        outlines and ``area_um2``, as if pixels were square.
    tissue : geopandas.GeoDataFrame, optional
        Pieces of tissue in the same frame, for densities. By default regions are all tissue.
    neighbours_um : float
        Nuclei are neighbours if their centroids are at most this many µm apart. With 0 the table of
        neighbours is empty.

    Returns
    -------
    Tables
        Composition, morphometry and neighbours.

    Raises
    ------
    ConfigError
        If a column is missing, a nucleus has no outline or a number that cannot be counted with, or
        `mpp` is wrong, or neither given nor known from the nuclei.
    RegionError
        If a region is no valid area.

    Examples
    --------
    Two nuclei, one of which may be of either class, in a region of 100 px x 100 px:

    >>> import geopandas, nucwsi, shapely
    >>> nuclei = geopandas.GeoDataFrame(
    ...     {"class": ["a", "b"], "p_a": [1.0, 0.4], "p_b": [0.0, 0.6]},
    ...     geometry=[shapely.Point(x, 50).buffer(8) for x in (30, 70)],
    ... )
    >>> regions = geopandas.GeoDataFrame({"name": ["core"]}, geometry=[shapely.box(0, 0, 100, 100)])
    >>> table = nucwsi.compose(nuclei, regions, mpp=0.5).composition
    >>> table[["region_name", "n_a", "expected_a", "a_low", "a_high", "a_per_mm2"]]
      region_name  n_a  expected_a  a_low  a_high  a_per_mm2
    0        core    1         1.4      1       2      400.0
    """
    population, classes, centroids = read_population(nuclei)
    areas = without_ignored(read_region_frame(regions))
    error, look = read_trust(nuclei, classes)
    unions = read_unions(nuclei, classes)
    membership = Membership.of([owned_nuclei(centroids, areas)], len(areas))
    tables = RegionTables(areas, membership, population, classes, error, look, unions)
    px_um = _px_um(nuclei, mpp, population.features["area_um2"])
    if tissue is None:
        union = shapely.union_all(geometries(areas))
    else:
        union = shapely.union_all(tissue.geometry.to_numpy())
    tissue_px = tissue_area(geometries(areas), shapely.get_parts(union).tolist())
    composition = tables.composition(tissue_px, float(np.prod(px_um)))
    neighbours = (
        tables.neighbours([lambda: centroids * px_um], neighbours_um) if neighbours_um > 0 else {}
    )
    return Tables(*map(pd.DataFrame, (composition, tables.morphometry(), neighbours)))


def read_regions(
    files: str | Path | Sequence[str | Path], nuclei: str | Path
) -> geopandas.GeoDataFrame:
    """Read the regions that a pathologist drew, in the frame of the nuclei.

    Parameters
    ----------
    files : str, pathlib.Path or sequence of them
        GeoJSON of QuPath, XML of ImageScope or ASAP, ``.annotations`` of HALO.
    nuclei : str or pathlib.Path
        ``nuclei.parquet`` of the same slide. It says where the slide's bounds begin, from which
        QuPath counts; nuclei and regions count from the file's upper left corner.

    Returns
    -------
    geopandas.GeoDataFrame
        One row for each region: ``name``, ``region_class`` (may be empty) and geometry, x and y in
        level-0 pixels.

    Raises
    ------
    RegionError
        If a file cannot be read, or holds no region or one that is no valid area.
    StoreError
        If `nuclei` is no table of nuclei.
    """
    paths = [files] if isinstance(files, str | Path) else files
    frame = read_facts(Path(nuclei)).frame
    regions = read_region_files([Path(path) for path in paths], frame.origin_px)
    columns = {
        "name": [region.name for region in regions],
        "region_class": [region.region_class for region in regions],
    }
    return geopandas.GeoDataFrame(columns, geometry=[region.geometry for region in regions])


def _px_um(
    frame: geopandas.GeoDataFrame,
    mpp: float | tuple[float, float] | None,
    area_um2: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the width and height of a level-0 pixel in µm, (2,)."""
    if mpp is not None:
        px_um = np.asarray(mpp, np.float64)
        if px_um.shape not in {(), (2,)} or not (np.isfinite(px_um) & (px_um > 0)).all():
            raise ConfigError(
                f"`mpp` is {mpp!r}, expected one number above 0 or two, along x and along y;"
                " e.g. mpp=0.25"
            )
        return np.broadcast_to(px_um, 2)
    known = ~np.isnan(area_um2)
    area_px = float(frame.geometry.area[known].sum())
    px_um2 = float(area_um2[known].sum()) / area_px if area_px else 0.0
    if not px_um2:
        raise ConfigError(
            f"`mpp` is not known from `nuclei`: none of its {len(frame)} rows has an outline and"
            " `area_um2`; name it, e.g. mpp=0.25"
        )
    return np.full(2, np.sqrt(px_um2))

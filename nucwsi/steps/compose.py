"""`compose`: how many nuclei of which class lie in which region."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from nucwsi import __version__
from nucwsi.composition import Population, composition
from nucwsi.config import ComposeSettings
from nucwsi.errors import RegionError, StoreError
from nucwsi.grid import Frame
from nucwsi.io.geojson import read_tissue, write_regions
from nucwsi.io.region_files import read_regions
from nucwsi.io.store import published
from nucwsi.io.tables import iter_columns, read_facts
from nucwsi.regions import (
    Region,
    areas,
    geometries,
    grid_regions,
    owned,
    point_tree,
    slide_region,
    tissue_area,
    tissue_regions,
    without_ignored,
)

log = logging.getLogger(__name__)

#: Columns that say what a row is; the other numbers also go into the GeoJSON.
_LABELS = ("slide", "region_id", "region_name", "region_class", "region_source")


def _user_regions(files: Sequence[Path], frame: Frame) -> list[Region]:
    """Read the user's regions, and refuse those of another slide."""
    user = read_regions(files, frame.origin_px)
    slide = slide_region(_bounds(frame)).geometry
    for region in user:
        if not shapely.intersects(slide, region.geometry):
            height, width = (slide.bounds[3] - slide.bounds[1], slide.bounds[2] - slide.bounds[0])
            raise RegionError(
                f"{', '.join(map(str, files))}: {region.name} ({region.id}) lies outside the slide,"
                f" which has {width:.0f} x {height:.0f} px; take this slide's file, in level-0"
                " pixels"
            )
    return user


def _bounds(frame: Frame) -> tuple[float, float, float, float]:
    corners = frame.to_level0(np.array([(0, 0), frame.shape], np.float64))
    (ymin, xmin), (ymax, xmax) = corners.tolist()
    return xmin, ymin, xmax, ymax


def _regions(
    frame: Frame, pieces: list[Polygon], user: list[Region], settings: ComposeSettings
) -> list[Region]:
    bounds = _bounds(frame)
    every = [slide_region(bounds), *user]
    if settings.pieces:
        every += tissue_regions(pieces)
    if settings.grid_um:
        side_px = (settings.grid_um / frame.level0_mpp[1], settings.grid_um / frame.level0_mpp[0])
        every += grid_regions(bounds, side_px, pieces)
    return without_ignored(every)


def _members(
    nuclei: Path, classes: tuple[str, ...], regions: list[Region]
) -> tuple[NDArray[np.int64], Population]:
    """Find which nuclei each region owns, one row group at a time."""
    shares = [f"p_{name}" for name in classes]
    pairs, probabilities, area = [], [], []
    first = 0
    for group in iter_columns(nuclei, ["row", "column", "area_um2", *shares]):
        tree = point_tree(np.column_stack([group["column"], group["row"]]))
        pairs.append(owned(tree, regions) + np.array([[0], [first]]))
        probabilities.append(np.column_stack([group[name] for name in shares]))
        area.append(group["area_um2"])
        first += len(group["row"])
    if not pairs:
        nothing = np.empty((0, len(classes)), np.float32)
        population = Population(np.empty(0, np.uint8), nothing, np.empty(0, np.float32))
        return np.empty((2, 0), np.int64), population
    share = np.concatenate(probabilities)
    # The class of a nucleus is its most probable one: no need to read the names.
    code = share.argmax(axis=1).astype(np.uint8)
    return np.concatenate(pairs, axis=1), Population(code, share, np.concatenate(area))


def _rows(
    facts: dict[str, Any], regions: list[Region], columns: dict[str, NDArray[Any]]
) -> Iterator[dict[str, Any]]:
    frame = Frame.from_dict(facts["frame"])
    model = "+".join(member["checksum"][:8] for member in facts["members"])
    for index, region in enumerate(regions):
        labels = (facts["slide"], region.id, region.name, region.region_class, region.source)
        yield {
            **dict(zip(_LABELS, labels, strict=True)),
            **{name: values[index].item() for name, values in columns.items()},
            "n_dropped": sum(facts["n_dropped"].values()) if region.id == "slide" else None,
            "mpp_x": frame.level0_mpp[1],
            "mpp_y": frame.level0_mpp[0],
            "pipeline_version": __version__,
            "model_id": model,
        }


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with published(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def compose(
    nuclei: Path,
    tissue: Path,
    output: Path,
    geojson: Path,
    settings: ComposeSettings,
    *,
    regions: Sequence[Path] = (),
) -> None:
    """Count the nuclei of a slide by class and region.

    Parameters
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``.
    tissue : pathlib.Path
        ``tissue.geojson`` of the same slide.
    output : pathlib.Path
        ``composition.csv``: the whole slide, the user's regions, pieces of tissue, the grid.
    geojson : pathlib.Path
        The same regions for QuPath, their numbers as measurements.
    settings : ComposeSettings
    regions : sequence of pathlib.Path
        Files of the user's regions; see `io.region_files.read_regions`.

    Raises
    ------
    RegionError
        If the user's regions cannot be used.
    StoreError
        If an input is missing or of another slide, or an output cannot be written.
    """
    facts = read_facts(nuclei)
    tissue_facts, pieces = read_tissue(tissue)
    if tissue_facts["slide_checksum"] != facts["slide_checksum"]:
        raise StoreError(f"{tissue}: is not the tissue of {nuclei}; make both from one slide")
    frame = Frame.from_dict(facts["frame"])
    user = _user_regions(regions, frame)
    every = _regions(frame, pieces, user, settings)
    mm2 = frame.level0_pixel_um2 / 1e6
    tissue_mm2 = tissue_area(geometries(every), pieces) * mm2
    pairs, population = _members(nuclei, tuple(facts["classes"]), every)
    columns = {
        "area_mm2": areas(every) * mm2,
        "tissue_area_mm2": tissue_mm2,
        **composition(pairs, population, tuple(facts["classes"]), tissue_mm2),
    }
    rows = list(_rows(facts, every, columns))
    # The squares of the grid would hide the slide in QuPath: they are for the table.
    shown = [index for index, region in enumerate(every) if region.source != "grid"]
    measured = [{name: float(columns[name][index]) for name in columns} for index in shown]
    write_regions(geojson, [every[index] for index in shown], measured, frame.origin_px)
    _write_table(output, rows)
    log.info("%d nuclei in %d regions", len(population.class_code), len(every))

"""`compose`: how many nuclei of which class lie in which region."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from nucwsi import __version__
from nucwsi.classes import most_probable
from nucwsi.composition.counts import Columns, Population
from nucwsi.composition.disagreement import contrast_names
from nucwsi.composition.intervals import CountError
from nucwsi.composition.look import Look
from nucwsi.composition.membership import Membership
from nucwsi.composition.regions import (
    Region,
    geometries,
    grid_regions,
    owned_nuclei,
    slide_region,
    tissue_area,
    tissue_regions,
    without_ignored,
)
from nucwsi.composition.tables import RegionTables
from nucwsi.config import ComposeSettings
from nucwsi.errors import ConfigError, RegionError, StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame
from nucwsi.io.csv_table import write_csv
from nucwsi.io.nuclei.columns import FEATURES, network_columns
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.nuclei.stored_columns import StoredColumns, iter_columns, open_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.geojson import read_tissue, write_regions
from nucwsi.io.regions.on_slide import region_doubts, regions_of_slide, slide_bounds
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.stores.publish import file_checksum
from nucwsi.runtime.allocator import return_freed_memory

log = logging.getLogger(__name__)

#: Most squares of the grid. Squares of 100 µm are 40,000 on 400 mm².
_MAX_SQUARES = 1_000_000


def _user_regions(files: Sequence[Path], frame: Frame, beside: bool) -> list[Region]:
    """Read the user's regions, and refuse those of another slide."""
    if not beside:
        return regions_of_slide(files, frame, needed=True)
    try:
        user = regions_of_slide(files, frame, needed=False)
    except RegionError as error:
        raise RegionError(
            f"{error}; or, if the file beside the slide is not meant, set `regions_beside: false`"
        ) from None
    if files and not user:
        log.warning("%s: no region in it; none is counted", ", ".join(map(str, files)))
    return user


def _regions(
    frame: Frame, pieces: list[Polygon], user: list[Region], settings: ComposeSettings
) -> list[Region]:
    bounds = slide_bounds(frame)
    every = [slide_region(bounds), *user]
    if settings.pieces:
        every += tissue_regions(pieces)
    if settings.grid_um:
        side_px = (settings.grid_um / frame.level0_mpp[1], settings.grid_um / frame.level0_mpp[0])
        xmin, ymin, xmax, ymax = bounds
        squares = (xmax - xmin) / side_px[0] * (ymax - ymin) / side_px[1]
        if squares > _MAX_SQUARES:
            raise ConfigError(
                f"`grid_um` {settings.grid_um:g} µm cuts the slide into {squares:,.0f} squares,"
                f" expected {_MAX_SQUARES:,} at most; take larger ones"
            )
        every += grid_regions(bounds, side_px, pieces)
    return without_ignored(every)


def _counted(
    nuclei: Path, facts: SlideFacts, regions: list[Region], features: tuple[str, ...]
) -> RegionTables:
    """Find the regions of all nuclei; what else is known of these is read when it is needed.

    One row group at a time, for its nuclei lie close together.
    """
    classes = facts.classes
    shares = [f"p_{name}" for name in classes]
    asked = network_columns(facts.network_classes) if facts.taught and facts.domain else []
    codes, certain, n_nuclei = [np.empty(0, np.uint8)], [np.empty(0, np.float32)], 0

    def _pairs() -> Iterator[NDArray[np.int64]]:
        nonlocal n_nuclei
        for group in iter_columns(nuclei, ["row", "column", *shares, *asked]):
            found = owned_nuclei(np.column_stack([group["column"], group["row"]]), regions)
            yield found + np.array([[0], [n_nuclei]])
            # The class of a nucleus is its most probable one: no need to read the names.
            codes.append(most_probable(np.column_stack([group[name] for name in shares])))
            certain.append(np.max([group[name] for name in asked or shares], axis=0))
            n_nuclei += len(group["row"])

    membership = Membership.of(_pairs(), len(regions))
    # What makes that fast takes more memory than the outlines themselves.
    shapely.destroy_prepared(geometries(regions))
    apart = contrast_names(classes, facts.contrasts)
    population = Population(
        np.concatenate(codes),
        *(
            StoredColumns(nuclei, columns, n_nuclei)
            for columns in (
                dict(zip(classes, shares, strict=True)),
                dict(zip(features, features, strict=True)),
                dict(zip(apart, apart, strict=True)),
            )
        ),
    )
    error = CountError.of(classes, facts.count_error, facts.miscount)
    look = None
    if facts.domain is not None and facts.colour:
        look = Look(facts.domain, facts.colour, np.concatenate(certain))
    return RegionTables(regions, membership, population, classes, error, look, facts.unions)


def _neighbours(
    tables: RegionTables, nuclei: Path, frame: Frame, settings: ComposeSettings
) -> Columns:
    """Make ``neighbours.csv``; nuclei are read where they lie close together."""

    def _points_um(read: Callable[[], dict[str, NDArray[np.float64]]]) -> NDArray[np.float64]:
        place = read()
        return np.column_stack([place["column"], place["row"]]) * frame.level0_mpp[::-1]

    with open_columns(nuclei, ["column", "row"]) as groups:
        readers = [partial(_points_um, read) for read in groups]
        return tables.neighbours(readers, settings.neighbours_um)


def _with_origin(columns: Columns, facts: SlideFacts) -> Columns:
    """Add to each row of the composition where its numbers come from."""
    region = columns["region_id"]
    dropped = np.full(len(region), np.nan)
    dropped[region == "slide"] = sum(facts.n_dropped.values())
    checksums = [member.checksum for member in facts.members]
    checksums += [facts.taught.checksum] if facts.taught else []
    model = "+".join(checksum[:8] for checksum in checksums)
    return {
        **columns,
        "n_dropped": dropped,
        "status": np.full(len(region), facts.status, object),
        "mpp_x": np.full(len(region), facts.frame.level0_mpp[1]),
        "mpp_y": np.full(len(region), facts.frame.level0_mpp[0]),
        "pipeline_version": np.full(len(region), __version__, object),
        "model_id": np.full(len(region), model, object),
    }


def _with_sheet(path: Path, sheet: dict[str, str], columns: Columns) -> Columns:
    """Let the rows of a table begin with the slide and with what the sheet says of it."""
    if taken := sheet.keys() & columns.keys():
        raise ConfigError(
            f"{path}: has a column {min(taken)!r} of its own; rename that of the slide sheet"
        )
    n_rows = len(next(iter(columns.values())))
    first = {name: np.full(n_rows, value, object) for name, value in sheet.items()}
    return {**first, **columns}


def compose(
    nuclei: Path,
    tissue: Path,
    output: Path,
    settings: ComposeSettings,
    *,
    regions: Sequence[Path] = (),
    beside: bool = False,
    slide: Path | None = None,
    geojson: Path | None = None,
    morphometry: Path | None = None,
    neighbours: Path | None = None,
    further: Mapping[str, str] | None = None,
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
    settings : ComposeSettings
        Which regions and tables are made; see docs/counting.md.
    regions : sequence of pathlib.Path
        Files of the user's regions; see `io.regions.files.read_region_files`.
    beside : bool
        Whether these files were found beside the slide and may be without regions.
    slide : pathlib.Path, optional
        The slide's file, to make sure that the nuclei are its own; it may be missing.
    geojson : pathlib.Path, optional
        The same regions for QuPath, their numbers as measurements.
    morphometry : pathlib.Path, optional
        ``morphometry.csv``: how the features are distributed by region and class.
    neighbours : pathlib.Path, optional
        ``neighbours.csv``: which classes lie side by side.
    further : mapping of str to str, optional
        Further columns of the slide sheet -> what they say of the slide. Every table has them
        after ``slide``, and the slide's annotation in the GeoJSON as metadata.

    Raises
    ------
    ConfigError
        If neighbours are asked for, but no radius is set; an output is also read; or a table has a
        column of the same name as the sheet.
    RegionError
        If the user's regions cannot be used.
    StoreError
        If an input is missing or of another slide, or an output cannot be written.
    """
    check_outputs([output, geojson, morphometry, neighbours], [nuclei, tissue, slide, *regions])
    if neighbours is not None and not settings.neighbours_um:
        raise ConfigError(f"{neighbours}: needs `neighbours_um` above 0, for example 20")
    facts = read_facts(nuclei)
    if slide is not None:
        check_slide(slide, facts.slide_checksum, nuclei, may_be_absent=True)
    tissue_facts, pieces = read_tissue(tissue)
    if tissue_facts.slide_checksum != facts.slide_checksum:
        raise StoreError(f"{tissue}: is not the tissue of {nuclei}; make both from one slide")
    frame = facts.frame
    user = _user_regions(regions, frame, beside)
    doubts = region_doubts(user, regions, frame)
    for doubt in doubts:
        log.warning("%s", doubt)
    every = _regions(frame, pieces, user, settings)
    tissue_px = tissue_area(geometries(every), pieces)
    del pieces
    return_freed_memory()
    features = FEATURES if morphometry is not None else FEATURES[:1]
    tables = _counted(nuclei, facts, every, features)
    n_nuclei = len(tables.nuclei.class_code)
    return_freed_memory()
    sheet = {"slide": facts.slide, **(further or {})}
    columns = tables.composition(tissue_px, frame.level0_pixel_um2)
    if (odd := tables.out_of_domain()) is not None:
        log.warning("%s: %s", facts.slide, odd)
    tables = tables.details()
    return_freed_memory()
    to_write: dict[Path, Columns] = {}
    if morphometry is not None:
        to_write[morphometry] = _with_sheet(morphometry, sheet, tables.morphometry())
        return_freed_memory()
    if neighbours is not None:
        around = _neighbours(tables, nuclei, frame, settings)
        to_write[neighbours] = _with_sheet(neighbours, sheet, around)
        return_freed_memory()
    to_write[output] = _with_sheet(output, sheet, _with_origin(columns, facts))
    # Everything is read and checked: damage that shows late must not leave half of the files.
    if geojson is not None:
        files = [{"path": str(path), "fingerprint": file_checksum(path)} for path in regions]
        made: dict[str, Any] = {"compose": settings.model_dump(), "region_files": files}
        if doubts:
            made["region_warnings"] = doubts
        if odd is not None:
            made["domain_warning"] = odd
        _write_geojson(geojson, every, columns, frame, made, dict(further or {}))
    for path, table in to_write.items():
        write_csv(path, table)
    log.info("%d nuclei in %d regions", n_nuclei, len(every))


def _write_geojson(
    path: Path,
    regions: list[Region],
    columns: Columns,
    frame: Frame,
    made: dict[str, Any],
    further: dict[str, str],
) -> None:
    # Squares of the grid would hide the slide in QuPath; they are for the table only.
    shown = [index for index, region in enumerate(regions) if region.source != "grid"]
    numbers = {name: values for name, values in columns.items() if values.dtype != object}
    measured = [{name: float(values[index]) for name, values in numbers.items()} for index in shown]
    some = [regions[index] for index in shown]
    write_regions(path, some, measured, frame.origin_px, made, metadata=further)

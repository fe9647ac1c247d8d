"""`assess`: gather all that the report says and shows of one slide in one file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.look import Look
from nucwsi.config import AssessSettings
from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame
from nucwsi.io.csv_table import TEXTS, read_csv, sheet_columns
from nucwsi.io.inputs import check_file
from nucwsi.io.nuclei.columns import network_columns
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.files import read_written_regions
from nucwsi.io.regions.geojson import read_tissue, written_facts
from nucwsi.io.review.corrected import RECORD, read_record
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import Slide, open_slide
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.report.assessment import Assessment, Crop, Mark, Quality, SeamAudit
from nucwsi.report.class_shapes import class_shapes
from nucwsi.report.crops import read_crops
from nucwsi.report.density import slide_density, tissue_mask
from nucwsi.report.fields import chosen_fields, field_sums, n_fields, tissue_shares
from nucwsi.report.focus import Focus, blurred_patches, measure_focus
from nucwsi.report.imagery import jpeg_uri, shrunk
from nucwsi.report.marks import fold_mask, large_parts, mark_of
from nucwsi.report.outlying import NucleusColours, outlying_fields
from nucwsi.report.overview import thumbnail
from nucwsi.report.packed_density import pack_density
from nucwsi.report.quality import BLUR_MPP, typical_diameter
from nucwsi.report.review_notes import ReviewNotes
from nucwsi.report.slide_nuclei import SlideNuclei, read_slide_nuclei
from nucwsi.report.slide_pictures import read_thumbnail
from nucwsi.runtime.allocator import return_freed_memory
from nucwsi.slide.tissue import find_ink

log = logging.getLogger(__name__)

#: Side of the fields that are shown, in µm.
FIELD_UM = 128.0

#: Blur is measured on slides of at most this many times `BLUR_MPP`.
_BLUR_SLACK = 1.1

_JPEG_QUALITY = 82

#: Long side of the image in the table of slides, in its pixels.
_MINI_PX = 96

#: Largest number of cells of a density map along the long side of the slide.
_DENSITY_CELLS = 400


def _read_table(path: Path) -> tuple[dict[str, str], ...]:
    """Read a table of `compose` (column -> text), without the squares of the grid."""
    rows = read_csv(path, ("region_source",), TEXTS)
    return tuple(row for row in rows if row["region_source"] != "grid")


def _read_seams(path: Path) -> SeamAudit:
    try:
        check_file(path)
        return SeamAudit.from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run `nucwsi stitch`") from None


def _measure_focus(
    slide: Slide,
    frame: Frame,
    pieces: NDArray[np.object_],
    colours: NucleusColours,
    threads: int,
) -> Focus | None:
    """Measure the blur of fields and see the colours of nuclei; None if the slide is too coarse."""
    if max(frame.level0_mpp) > _BLUR_SLACK * BLUR_MPP:
        return None
    return measure_focus(slide, frame, pieces, colours.see, threads)


def _measure_quality(nuclei: SlideNuclei, focus: Focus | None) -> Quality:
    n = len(nuclei.row)
    # Every second field: neighbours overlap.
    blurs = focus.blur[::2, ::2] if focus else np.empty(0)
    return Quality(
        diameter_um=typical_diameter(nuclei.area_um2) if n else None,
        certainty=float(nuclei.probability.mean()) if n else None,
        blur=tuple(round(float(blur), 3) for blur in blurs[np.isfinite(blurs)]),
        at_edge=int(nuclei.at_edge.sum()),
    )


def _outlying(
    facts: SlideFacts, nuclei: Path, table: SlideNuclei, colours: NucleusColours
) -> NDArray[np.bool_]:
    """Find the fields (R, C) that lie beyond the domain of the members; none if none is known."""
    side_px = round(FIELD_UM / facts.frame.mpp)
    rows, columns = (-(-side // side_px) for side in facts.frame.shape)
    if facts.domain is None or not facts.colour:
        return np.zeros((rows, columns), bool)
    certainty = table.probability
    if facts.taught is not None:  # The domain is that of the networks' own answers.
        answers = read_columns(nuclei, network_columns(facts.network_classes))
        certainty = np.column_stack(list(answers.values())).max(axis=1)
    at_row, at_column = (
        np.clip(at // side_px, 0, end - 1).astype(np.int64)
        for at, end in ((table.row, rows), (table.column, columns))
    )
    look = Look(facts.domain, facts.colour, certainty)
    field = at_row * columns + at_column
    beyond = outlying_fields(look, field, table.area_um2, colours.density, rows * columns)
    return large_parts(beyond.reshape(rows, columns), FIELD_UM)


def _folds_and_pen(
    canvas: SlideCanvas,
    pieces: NDArray[np.object_],
    facts: SlideFacts,
    thumbnail_mpp: float,
    threads: int,
) -> list[Mark | None]:
    """Find what the overview shows, whose memory is free again at the end."""
    overview, _ = canvas.overview(facts.tissue_px, threads)
    cell_um = facts.tissue_px * facts.frame.mpp
    tissue = tissue_mask(pieces, overview.shape[:2], facts.tissue_px)
    fold = large_parts(fold_mask(overview, tissue), cell_um)
    del tissue
    found = [mark_of("fold", fold, cell_um, thumbnail_mpp)]
    del fold
    ink = large_parts(find_ink(overview), cell_um)
    del overview
    found.append(mark_of("pen", ink, cell_um, thumbnail_mpp))
    del ink
    return_freed_memory()
    return found


def _crops(
    slide: Slide,
    nuclei: Path,
    table: SlideNuclei,
    frame: Frame,
    pieces: NDArray[np.object_],
    settings: AssessSettings,
) -> tuple[Crop, ...]:
    """Choose the fields that are shown, and read them."""
    side_px = round(FIELD_UM / frame.mpp)
    fields = n_fields(frame.shape, side_px)
    sums = field_sums(table.row, table.column, table.probability, fields, side_px)
    tissue = tissue_shares(pieces, fields, side_px)
    choices = chosen_fields(sums, tissue, settings.crops, settings.seed)
    crops = read_crops(slide, iter_tables(nuclei), frame, choices, sums, FIELD_UM, _JPEG_QUALITY)
    slide.forget()
    return_freed_memory()
    return crops


def _unknown(
    pieces: NDArray[np.object_],
    outlying: NDArray[np.bool_],
    facts: SlideFacts,
    thumbnail_mpp: float,
) -> Mark | None:
    """Mark the tissue of the fields that lie beyond the domain of the members."""
    cells = tuple(-(-side // facts.tissue_px) for side in facts.frame.shape)
    tissue = tissue_mask(pieces, (cells[0], cells[1]), facts.tissue_px)
    side_px = round(FIELD_UM / facts.frame.mpp)
    # The field in which the middle of each cell lies.
    row, column = (
        np.minimum((np.arange(cells) + 0.5) * facts.tissue_px // side_px, fields - 1).astype(int)
        for cells, fields in zip(tissue.shape, outlying.shape, strict=True)
    )
    unknown = outlying[np.ix_(row, column)] & tissue
    return mark_of("outlying", unknown, facts.tissue_px * facts.frame.mpp, thumbnail_mpp)


def _review_notes(path: Path, rows: tuple[dict[str, str], ...]) -> ReviewNotes | None:
    """Read how the slide was reviewed; None if its table has no corrected columns."""
    record = read_record(path) if "corrected_nuclei" in rows[0] else None
    return None if record is None else ReviewNotes.of(record)


def assess(
    slide: Path, nuclei: Path, output: Path, settings: AssessSettings, *, threads: int = 1
) -> None:
    """Gather what the report says and shows of a slide.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself, for images at full resolution.
    nuclei : pathlib.Path
        ``nuclei.parquet`` of the slide; beside it lie ``tissue.geojson``, ``composition.csv``,
        ``morphometry.csv``, ``{slide}.regions.geojson`` and ``seams.json``.
    output : pathlib.Path
        ``assessment.json``.
    settings : AssessSettings
        Number of fields to show, and the seed of the random ones.
    threads : int
        Number of pieces of the slide that are read at the same time.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    StoreError
        If an input is missing or of another slide, or the output cannot be written.
    """
    facts = read_facts(nuclei)
    names = ("tissue.geojson", "composition.csv", "morphometry.csv", "seams.json")
    regions_file = nuclei.with_name(f"{facts.slide}.regions.geojson")
    beside = [nuclei.with_name(name) for name in names]
    check_outputs([output], [slide, nuclei, regions_file, *beside])
    check_slide(slide, facts.slide_checksum, nuclei)
    frame, classes = facts.frame, facts.classes
    outlines = np.array(read_tissue(nuclei.with_name("tissue.geojson"))[1], dtype=object)
    rows = _read_table(nuclei.with_name("composition.csv"))
    shapes = _read_table(nuclei.with_name("morphometry.csv"))
    seams = _read_seams(nuclei.with_name("seams.json"))
    regions = read_written_regions(regions_file, frame.origin_px)

    with open_slide(slide, facts.scene or None) as opened:
        image, mpp = read_thumbnail(opened, frame, threads)
        shown = thumbnail(image, mpp, outlines, regions, rows, frame, _JPEG_QUALITY)
        pieces = level0_to_canvas(outlines, frame)
        del outlines, regions
        # The overview comes and goes before the nuclei come.
        marks = _folds_and_pen(SlideCanvas(opened, frame), pieces, facts, mpp, threads)
        table = read_slide_nuclei(nuclei, classes, frame)
        crops = _crops(opened, nuclei, table, frame, pieces, settings)
        finer = frame.mpp / BLUR_MPP
        colours = NucleusColours(table.row * finer, table.column * finer)
        focus = _measure_focus(opened, frame, pieces, colours, threads)
    density = slide_density(
        table.row, table.column, table.class_code, len(classes), pieces, frame, _DENSITY_CELLS
    )
    marks.append(_unknown(pieces, _outlying(facts, nuclei, table, colours), facts, mpp))
    if focus:
        marks.insert(0, mark_of("blurred", blurred_patches(focus), focus.step_um, mpp))
    composed = written_facts(regions_file)
    assessment = Assessment(
        facts=facts,
        path=str(slide),
        composition=rows,
        seams=seams,
        thumbnail=shown,
        mini=jpeg_uri(shrunk(image, _MINI_PX), _JPEG_QUALITY),
        density=pack_density(*density),
        morphometry=class_shapes(shapes, table.class_code, table.area_um2, classes),
        crops=crops,
        quality=_measure_quality(table, focus),
        region_warnings=tuple(composed.get("region_warnings", ())),
        domain_warning=composed.get("domain_warning", ""),
        review=_review_notes(nuclei.with_name(RECORD), rows),
        marks=tuple(mark for mark in marks if mark),
        further={name: rows[0][name] for name in sheet_columns(list(rows[0]))},
    )
    with published(output) as aside:
        aside.write_bytes(assessment.to_json())
    log.info("%d nuclei, %d regions, %d fields shown", len(table.row), len(rows), len(crops))

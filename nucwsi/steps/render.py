"""`render`: make a viewer of one slide and its nuclei, as a folder for any web browser."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi import __version__
from nucwsi.config import RenderSettings
from nucwsi.errors import ConfigError, StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.inputs import check_file
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.files import read_written_regions
from nucwsi.io.regions.geojson import read_tissue, written_measurements
from nucwsi.io.review.results import results_fingerprint
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.stores.parts import Parts
from nucwsi.io.stores.publish import file_checksum, published
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.report.assessment import Assessment
from nucwsi.report.checks import Check, checks
from nucwsi.report.density import slide_density, tissue_mask
from nucwsi.report.packed_density import pack_density
from nucwsi.report.pyramid import tiles_with_tissue, write_pyramid
from nucwsi.report.slide_nuclei import read_slide_nuclei
from nucwsi.report.viewer_document import (
    WORKLIST,
    image_document,
    regions_document,
    script,
    slide_document,
)
from nucwsi.report.viewer_features import Feature, feature_columns, features_of
from nucwsi.report.viewer_tiles import packed_tiles
from nucwsi.runtime.allocator import return_freed_memory
from nucwsi.slide.tissue import grown

log = logging.getLogger(__name__)

#: Largest number of cells of a density map along the long side of the slide.
_DENSITY_CELLS = 800

#: How far around the tissue the image has full resolution, in cells of the overview.
_MARGIN_CELLS = 4


#: Rises whenever the picture or the tiles of nuclei have another form: then they are made anew.
_FORMAT = 1


def _write_nuclei(
    path: Path, folder: Path, frame: Frame, features: tuple[Feature, ...]
) -> dict[str, int]:
    """Write the nuclei tile by tile; return the number of nuclei of each ``column_row``."""
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True)
    for table in iter_tables(path):
        for (row, column), count, packed in packed_tiles(table, frame, features):
            key = f"{column}_{row}"
            counts[key] += count
            with (folder / f"{key}.js").open("a", encoding="ascii") as stream:
                stream.write(script("nucwsi.nuclei", key, packed))
    return dict(counts)


def _verdicts(path: Path, facts: SlideFacts) -> list[Check]:
    """Read the quality table of the slide; empty if nobody has assessed it."""
    try:
        check_file(path)
        assessment = Assessment.from_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run `nucwsi assess`") from None
    if assessment.facts.slide_checksum != facts.slide_checksum:
        raise StoreError(f"{path}: is of another slide than the nuclei; run `nucwsi assess`")
    return checks(assessment)


def _regions(nuclei: Path, facts: SlideFacts, n_found: int) -> dict[str, Any]:
    """Gather the counts and the outlines of the regions, and what the report says of the slide."""
    path = nuclei.with_name(f"{facts.slide}.regions.geojson")
    regions = read_written_regions(path, facts.frame.origin_px)
    verdicts = _verdicts(nuclei.with_name("assessment.json"), facts)
    try:
        return regions_document(facts, regions, written_measurements(path), n_found, verdicts)
    except (LookupError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path}: lacks the counts of {nuclei} ({error}); run `nucwsi compose`"
        ) from None


def _pages(nuclei: Path, facts: SlideFacts, pieces: NDArray[np.object_]) -> dict[str, str]:
    """Return the scripts, by their names, that are small and made of all nuclei or regions."""
    frame, classes = facts.frame, facts.classes
    table = read_slide_nuclei(nuclei, classes, frame)
    density = slide_density(
        table.row, table.column, table.class_code, len(classes), pieces, frame, _DENSITY_CELLS
    )
    return {
        "regions.js": script("nucwsi.regions", _regions(nuclei, facts, len(table.row))),
        "density.js": script("nucwsi.density", pack_density(*density).model_dump()),
    }


def _shown(pieces: NDArray[np.object_], frame: Frame) -> tuple[NDArray[np.bool_], str]:
    """Return the tiles that have full resolution, and a word for the cells that lie in them."""
    cells = -(-frame.shape[0] // CELL_PX), -(-frame.shape[1] // CELL_PX)
    shown = grown(tissue_mask(pieces, cells, CELL_PX), _MARGIN_CELLS)
    return tiles_with_tissue(shown, frame.shape), hashlib.sha256(shown.tobytes()).hexdigest()


def _copy_page(folder: Path) -> None:
    for item in resources.files("nucwsi.report").joinpath("viewer").iterdir():
        (folder / item.name).write_bytes(item.read_bytes())


def _viewer_folder(output: Path, *inputs: Path) -> Path:
    """Return the folder of the viewer; refuse one that holds files that could be lost."""
    example = output.parent / "viewer" / "index.html"
    if output.name != "index.html":
        raise ConfigError(
            f"{output}: expected a file index.html in a folder of its own, for example {example}"
        )
    folder = output.absolute().parent
    foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / "slide.js").exists()
    if foreign or any(folder in path.absolute().parents for path in inputs):
        raise ConfigError(
            f"{folder}: would be replaced by the viewer, but holds other files; name a folder of"
            f" its own, for example {example}"
        )
    return folder


def render(
    slide: Path, nuclei: Path, output: Path, settings: RenderSettings, *, threads: int = 1
) -> None:
    """Make the viewer of a slide.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself, for its image.
    nuclei : pathlib.Path
        ``nuclei.parquet`` of the slide; beside it lie ``tissue.geojson``,
        ``{slide}.regions.geojson`` and, if the page shall show the quality of the slide,
        ``assessment.json``.
    output : pathlib.Path
        ``viewer/index.html``. Its whole folder is replaced, so it must hold nothing but a viewer.
        Picture and nuclei are taken from a viewer that is there, if they would be the same.
    settings : RenderSettings
        JPEG quality of the image.
    threads : int
        Number of tiles that are made at the same time.

    Raises
    ------
    ConfigError
        If `output` is not called ``index.html``, or its folder holds anything but a viewer or lies
        in an input.
    SlideError
        If the slide cannot be read.
    StoreError
        If an input is missing or of another slide, or the folder cannot be written.
    """
    home = _viewer_folder(output, slide, nuclei)
    check_outputs([home], [slide, nuclei], folder=True)
    facts = read_facts(nuclei)
    check_slide(slide, facts.slide_checksum, nuclei)
    frame = facts.frame
    outlines = np.array(read_tissue(nuclei.with_name("tissue.geojson"))[1], dtype=object)
    pieces = level0_to_canvas(outlines, frame)
    pages = _pages(nuclei, facts, pieces)
    features = features_of(read_columns(nuclei, feature_columns(facts.contrasts)))
    results = results_fingerprint(nuclei)
    wanted, shown = _shown(pieces, frame)
    # The picture takes most of the memory: what is large is made before, and goes.
    del outlines, pieces
    return_freed_memory()

    def _picture(folder: Path) -> dict[str, Any]:
        with open_slide(slide, facts.scene or None) as opened:
            return image_document(
                write_pyramid(opened, frame, wanted, folder, settings.quality, threads)
            )

    with published(home) as folder:
        folder.mkdir()
        parts = Parts(home, folder)
        of = {
            "format": [_FORMAT, __version__],
            "slide": [facts.slide_checksum, facts.scene],
            "frame": asdict(frame),
            "shown": shown,
            "quality": settings.quality,
        }
        image = parts.part("image", of, _picture)
        tiles = parts.part(
            "nuclei",
            {"format": of["format"], "nuclei": [results, file_checksum(nuclei)]},
            lambda place: _write_nuclei(nuclei, place, frame, features),
        )
        document = slide_document(facts, image, tiles, features, results)
        (folder / "slide.js").write_text(script("nucwsi.slide", document), "utf-8")
        for name, text in pages.items():
            (folder / name).write_text(text, "utf-8")
        # The page refuses a worklist of other nuclei.
        old = home / WORKLIST
        (folder / WORKLIST).write_bytes(old.read_bytes() if old.is_file() else b"")
        _copy_page(folder)
    log.info("%d nuclei in %d tiles", sum(tiles.values()), len(tiles))

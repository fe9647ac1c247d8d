"""`render`: make a viewer of one slide and its nuclei, as a folder for any web browser."""

from __future__ import annotations

import logging
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np

from nucwsi.config import RenderSettings
from nucwsi.errors import ConfigError
from nucwsi.grid import CELL_PX, Frame
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.files import read_written_regions
from nucwsi.io.regions.geojson import read_tissue
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.report.density import slide_density, tissue_mask
from nucwsi.report.packed_density import pack_density
from nucwsi.report.pyramid import write_pyramid
from nucwsi.report.slide_nuclei import read_slide_nuclei
from nucwsi.report.viewer_document import script, slide_document
from nucwsi.report.viewer_tiles import packed_tiles
from nucwsi.slide.tissue import grown

log = logging.getLogger(__name__)

#: Largest number of cells of a density map along the long side of the slide.
_DENSITY_CELLS = 800

#: How far around the tissue the image has full resolution, in cells of the overview.
_MARGIN_CELLS = 4


def _write_nuclei(path: Path, folder: Path, frame: Frame) -> dict[str, int]:
    """Write the nuclei tile by tile; return the number of nuclei of each ``column_row``."""
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True)
    for table in iter_tables(path):
        for (row, column), count, packed in packed_tiles(table, frame):
            key = f"{column}_{row}"
            counts[key] += count
            with (folder / f"{key}.js").open("a", encoding="ascii") as stream:
                stream.write(script("nucwsi.nuclei", key, packed))
    return dict(counts)


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
        ``nuclei.parquet`` of the slide; beside it lie ``tissue.geojson`` and
        ``{slide}.regions.geojson``.
    output : pathlib.Path
        ``viewer/index.html``. Its whole folder is replaced, so it must hold nothing but a viewer.
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
    frame, classes = facts.frame, facts.classes
    outlines = np.array(read_tissue(nuclei.with_name("tissue.geojson"))[1], dtype=object)
    pieces = level0_to_canvas(outlines, frame)
    table = read_slide_nuclei(nuclei, classes, frame)
    regions_file = nuclei.with_name(f"{facts.slide}.regions.geojson")
    regions = read_written_regions(regions_file, frame.origin_px)
    with published(home) as folder:
        folder.mkdir()
        cells = -(-frame.shape[0] // CELL_PX), -(-frame.shape[1] // CELL_PX)
        shown = grown(tissue_mask(pieces, cells, CELL_PX), _MARGIN_CELLS)
        with open_slide(slide, facts.scene or None) as opened:
            pyramid = write_pyramid(
                opened, frame, shown, folder / "image", settings.quality, threads
            )
        tiles = _write_nuclei(nuclei, folder / "nuclei", frame)
        document = slide_document(facts, pyramid, table.class_code, regions, tiles)
        (folder / "slide.js").write_text(script("nucwsi.slide", document), "utf-8")
        density = slide_density(
            table.row, table.column, table.class_code, len(classes), pieces, frame, _DENSITY_CELLS
        )
        packed = pack_density(*density).model_dump()
        (folder / "density.js").write_text(script("nucwsi.density", packed), "ascii")
        _copy_page(folder)
    log.info("%d nuclei in %d tiles", len(table.row), len(tiles))

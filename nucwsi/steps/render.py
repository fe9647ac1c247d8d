"""`render`: a viewer of one slide and its nuclei, as a folder for any web browser."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.config import RenderSettings
from nucwsi.errors import ConfigError
from nucwsi.grid import Frame
from nucwsi.io.nuclei.parquet import iter_tables, read_columns, read_facts
from nucwsi.io.regions.files import read_regions
from nucwsi.io.regions.geojson import read_tissue
from nucwsi.io.slides.slide import check_slide, open_slide
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.table import NucleusTable
from nucwsi.report import viewer_tiles as packed
from nucwsi.report.density import tissue_mask
from nucwsi.report.packed_density import packed_density, slide_density
from nucwsi.report.pyramid import CELL_PX, TILE_PX, Pyramid, write_pyramid
from nucwsi.slide.tissue import grown

log = logging.getLogger(__name__)

#: Cells of the density maps along the long side of the slide, at most.
_DENSITY_CELLS = 800

#: How far the tissue is shown beyond its outline, in cells of the overview.
_MARGIN_CELLS = 4


def _script(name: str, *values: Any) -> str:
    """Write data as a script: a page opened from a disk may load scripts, but no other files."""
    return f"{name}({', '.join(orjson.dumps(value).decode() for value in values)});\n"


def _write_nuclei(path: Path, folder: Path, frame: Frame) -> dict[str, int]:
    """Deal the nuclei into tiles, a row group at a time; return how many each holds."""
    (top, left), scale = frame.origin_px, np.array(frame.scale)
    held: Counter[str] = Counter()
    folder.mkdir(parents=True)
    for table in iter_tables(path):
        place = np.column_stack([table.row - top, table.column - left]) / scale
        tile = np.floor(place / packed.TILE_PX).astype(np.int64).clip(0)
        for row, column in np.unique(tile, axis=0).tolist():
            chosen = table.take(np.flatnonzero((tile == (row, column)).all(axis=1)))
            key = f"{column}_{row}"
            held[key] += len(chosen)
            with (folder / f"{key}.js").open("a", encoding="ascii") as stream:
                stream.write(_script("nucwsi.nuclei", key, _packed(chosen, frame, (row, column))))
    return dict(held)


def _packed(table: NucleusTable, frame: Frame, tile: tuple[int, int]) -> str:
    return packed.packed_nuclei(
        table.id,
        table.class_code,
        table.class_probabilities,
        table.area_um2,
        _on_canvas(shapely.from_wkb(table.geometry), frame),
        tile,
    )


def _on_canvas(shapes: Any, frame: Frame) -> Any:
    origin, scale = np.array(frame.origin_px[::-1]), np.array(frame.scale[::-1])
    return shapely.transform(shapes, lambda xy: (xy - origin) / scale)


def _rings(shape: Any) -> list[list[int]]:
    """Return the rings of a region as x, y, x, y …, in whole canvas pixels."""
    simple = shapely.simplify(shape, 1.0)
    rings = shapely.get_rings(shapely.get_parts(simple))
    return [np.rint(shapely.get_coordinates(r)).astype(np.int64).ravel().tolist() for r in rings]


def _regions(path: Path, frame: Frame) -> list[dict[str, Any]]:
    return [
        {
            "name": region.name,
            "class": region.region_class,
            "rings": _rings(_on_canvas(region.geometry, frame)),
        }
        for region in read_regions([path], frame.origin_px, needed=False)
        if region.region_class != "Slide"
    ]


def _facts(facts: dict[str, Any], frame: Frame, pyramid: Pyramid) -> dict[str, Any]:
    return {
        "name": facts["slide"],
        "width": frame.shape[1],
        "height": frame.shape[0],
        "mpp": frame.mpp,
        # What leads from canvas pixels to level-0 pixels from QuPath's origin, along x and y.
        "scale": [frame.scale[1], frame.scale[0]],
        "image": {
            "tile": TILE_PX,
            "min": pyramid.min_level,
            "max": pyramid.max_level,
            "whole": pyramid.max_level - CELL_PX.bit_length() + 1,
            "rows": ["".join("01"[cell] for cell in row) for row in pyramid.tiles.astype(int)],
        },
        "nuclei": {"tile": packed.TILE_PX, "units": packed.UNITS},
    }


def _classes(code: NDArray[np.uint8], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    counts = np.bincount(code, minlength=len(classes)).tolist()
    return [
        {"name": display_name(name), "colour": list(colour), "n": count}
        for (name, colour), count in zip(colours(classes).items(), counts, strict=True)
    ]


def _copy_page(folder: Path) -> None:
    for item in resources.files("nucwsi.report").joinpath("viewer").iterdir():
        (folder / item.name).write_bytes(item.read_bytes())


def _own_folder(output: Path, *inputs: Path) -> Path:
    """Return the folder of the viewer, which must hold nothing that could be lost."""
    if output.name != "index.html":
        raise ConfigError(
            f"{output}: expected a file index.html in a folder of its own, for example"
            f" {output.parent / 'viewer' / 'index.html'}"
        )
    folder = output.absolute().parent
    foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / "slide.js").exists()
    if foreign or any(folder in path.absolute().parents for path in inputs):
        raise ConfigError(
            f"{folder}: is to be made anew, but holds files that are no viewer; name a folder of"
            f" its own, for example {output.parent / 'viewer' / 'index.html'}"
        )
    return folder


def render(
    slide: Path, nuclei: Path, output: Path, settings: RenderSettings, *, threads: int = 1
) -> None:
    """Make the viewer of a slide.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself, for its picture.
    nuclei : pathlib.Path
        ``nuclei.parquet`` of it; beside it lie ``tissue.geojson`` and
        ``{slide}.regions.geojson``.
    output : pathlib.Path
        ``viewer/index.html``; its whole folder, which holds nothing else, is made anew.
    settings : RenderSettings
    threads : int
        Tiles that are made at once.

    Raises
    ------
    ConfigError
        If `output` is not called ``index.html``, or its folder holds anything but a viewer.
    SlideError
        If the slide cannot be read.
    StoreError
        If an input is missing or of another slide, or the folder cannot be written.
    """
    home = _own_folder(output, slide, nuclei)
    facts = read_facts(nuclei)
    check_slide(slide, facts["slide_checksum"], nuclei)
    frame, classes = Frame.from_dict(facts["frame"]), tuple(facts["classes"])
    pieces = _on_canvas(
        np.array(read_tissue(nuclei.with_name("tissue.geojson"))[1], dtype=object), frame
    )
    columns = read_columns(nuclei, ["row", "column", *(f"p_{name}" for name in classes)])
    code = np.argmax([columns[f"p_{name}"] for name in classes], axis=0).astype(np.uint8)
    row, column = (
        (columns[name] - origin) / scale
        for name, origin, scale in zip(("row", "column"), frame.origin_px, frame.scale, strict=True)
    )
    with published(home) as folder:
        folder.mkdir()
        shown = tissue_mask(pieces, _cells(frame), CELL_PX)
        with open_slide(slide) as opened:
            shown = grown(shown, _MARGIN_CELLS)
            quality = settings.quality
            pyramid = write_pyramid(opened, frame, shown, folder / "image", quality, threads)
        document = _facts(facts, frame, pyramid)
        document["classes"] = _classes(code, classes)
        document["regions"] = _regions(nuclei.with_name(f"{facts['slide']}.regions.geojson"), frame)
        document["nuclei"]["tiles"] = _write_nuclei(nuclei, folder / "nuclei", frame)
        (folder / "slide.js").write_text(_script("nucwsi.slide", document), "utf-8")
        maps = slide_density(row, column, code, len(classes), pieces, frame, _DENSITY_CELLS)
        packed_maps = packed_density(*maps)
        (folder / "density.js").write_text(_script("nucwsi.density", packed_maps), "ascii")
        _copy_page(folder)
        shutil.rmtree(home, ignore_errors=True)
    log.info("%d nuclei in %d tiles", len(code), len(document["nuclei"]["tiles"]))


def _cells(frame: Frame) -> tuple[int, int]:
    return -(-frame.shape[0] // CELL_PX), -(-frame.shape[1] // CELL_PX)

"""`assess`: all that the report says and shows of one slide, in one file."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from PIL import Image

from nucwsi.config import AssessSettings
from nucwsi.errors import StoreError
from nucwsi.grid import Frame
from nucwsi.io.nuclei.parquet import iter_tables, read_columns, read_facts
from nucwsi.io.regions.files import read_regions
from nucwsi.io.regions.geojson import read_tissue
from nucwsi.io.slides.canvas import Source
from nucwsi.io.slides.slide import Slide, check_slide, open_slide
from nucwsi.io.stores.publish import published
from nucwsi.report.density import tissue_mask
from nucwsi.report.fields import Choice, FieldSums, chosen_fields, field_sums, n_fields
from nucwsi.report.imagery import data_uri, field, field_window, jpeg, path_data, thumbnail
from nucwsi.report.packed_density import packed_density, slide_density
from nucwsi.report.quality import BLUR_MPP, blur, dark_share, typical_diameter
from nucwsi.slide.tissue import find_ink

log = logging.getLogger(__name__)

#: Side of the fields that are shown and whose blur is measured, in µm.
FIELD_UM = 128.0

#: Fields whose blur is measured, drawn at random; and how much of such a field is tissue.
_BLUR_FIELDS, _BLUR_TISSUE = 48, 0.9

#: A field is shown at the slide's own resolution, up to so many pixels wide.
_MAX_CROP_PX = 512

_JPEG_QUALITY = 82

#: Long side of the picture in the table of slides.
_MINI_PX = 96

#: Points of a tissue cell along each side where its share of a field is measured.
_TISSUE_STEPS = 8

#: Canvas pixels per pixel of the overview, as in `tile`.
_CELL_PX = 16

#: Cells of the density maps along the long side of the slide, at most.
_DENSITY_CELLS = 400

#: Bins of the distribution of areas, in µm²; the last one also holds what is larger.
_AREA_BINS = np.linspace(0, 100, 51)


@dataclass(frozen=True)
class _Nuclei:
    """N nuclei of a slide, in canvas pixels.

    Attributes
    ----------
    row, column : (N,) ndarray of float64
    class_code : (N,) ndarray of uint8
    probability : (N,) ndarray of float32
        Of its class.
    area_um2 : (N,) ndarray of float32
    at_edge : (N,) ndarray of bool
    """

    row: NDArray[np.float64]
    column: NDArray[np.float64]
    class_code: NDArray[np.uint8]
    probability: NDArray[np.float32]
    area_um2: NDArray[np.float32]
    at_edge: NDArray[np.bool_]


def _read_nuclei(path: Path, facts: dict[str, Any], frame: Frame) -> _Nuclei:
    shares = [f"p_{name}" for name in facts["classes"]]
    columns = read_columns(path, ["row", "column", "area_um2", "at_edge", *shares])
    share = np.stack([columns[name] for name in shares])
    (top, left), (down, across) = frame.origin_px, frame.scale
    return _Nuclei(
        (columns["row"] - top) / down,
        (columns["column"] - left) / across,
        share.argmax(axis=0).astype(np.uint8),
        share.max(axis=0),
        columns["area_um2"],
        columns["at_edge"].astype(bool),
    )


def _morphometry(path: Path, nuclei: _Nuclei, classes: list[str]) -> list[dict[str, Any]]:
    """Describe each class of the whole slide: the table's percentiles, and all its areas."""
    found = []
    told = [row for row in _table(path) if row["region_source"] == "slide"]
    for code, name in enumerate(classes):
        areas = nuclei.area_um2[nuclei.class_code == code].clip(0, _AREA_BINS[-1])
        features = {
            row["feature"]: [float(row[percentile]) for percentile in ("p5", "p50", "p95")]
            for row in told
            if row["class"] == name and row["p50"]
        }
        histogram = np.histogram(areas, _AREA_BINS)[0].tolist()
        found.append({"name": name, "n": len(areas), "features": features, "areas": histogram})
    return found


def _fields(
    nuclei: _Nuclei, pieces: NDArray[np.object_], frame: Frame
) -> tuple[FieldSums, NDArray[np.float64]]:
    side_px = round(FIELD_UM / frame.mpp)
    fields = n_fields(frame.shape, side_px)
    sums = field_sums(nuclei.row, nuclei.column, nuclei.probability, fields, side_px)
    fine = (fields[0] * _TISSUE_STEPS, fields[1] * _TISSUE_STEPS)
    mask = tissue_mask(pieces, fine, side_px / _TISSUE_STEPS)
    blocks = mask.reshape(fields[0], _TISSUE_STEPS, fields[1], _TISSUE_STEPS)
    return sums, blocks.mean(axis=(1, 3))


def _blur(slide: Slide, frame: Frame, tissue: NDArray[np.float64], seed: int) -> list[float]:
    """Measure the blur of fields; none where the scan is too coarse to tell."""
    if max(frame.level0_mpp) > 1.1 * BLUR_MPP:
        return []
    whole = np.argwhere(tissue >= _BLUR_TISSUE)
    drawn = np.random.default_rng(seed).permutation(len(whole))[:_BLUR_FIELDS]
    pictures = (field(slide, frame, tuple(whole[at]), FIELD_UM, BLUR_MPP) for at in drawn)
    return [round(blur(picture), 3) for picture in pictures]


def _crops(
    slide: Slide, nuclei: Path, frame: Frame, choices: list[Choice], sums: FieldSums
) -> list[dict[str, Any]]:
    """Show fields with the outlines of their nuclei."""
    mpp = max(*frame.level0_mpp, FIELD_UM / _MAX_CROP_PX)
    boxes = np.array([_box(frame, (c.row, c.column), mpp) for c in choices]).reshape(-1, 4)
    inside = _nuclei_in(nuclei, boxes)
    found = []
    for choice, box, (outlines, code) in zip(choices, boxes, inside, strict=True):
        picture = field(slide, frame, (choice.row, choice.column), FIELD_UM, mpp)
        scale = (frame.level0_mpp[1] / mpp, frame.level0_mpp[0] / mpp)
        paths = [
            {"code": int(one), "d": path_data(outlines[code == one], scale, box[:2])}
            for one in np.unique(code)
        ]
        certainty = sums.certainty[choice.row, choice.column]
        found.append(
            {
                "rule": choice.rule,
                # In QuPath's frame, as the viewer has it.
                "x": round((box[0] + box[2]) / 2 - frame.origin_px[1]),
                "y": round((box[1] + box[3]) / 2 - frame.origin_px[0]),
                "n": int(sums.n_nuclei[choice.row, choice.column]),
                "certainty": float(certainty) if np.isfinite(certainty) else None,
                "size": [picture.shape[1], picture.shape[0]],
                "mpp": mpp,
                "image": data_uri(jpeg(picture, _JPEG_QUALITY), "image/jpeg"),
                "paths": paths,
            }
        )
    return found


def _box(frame: Frame, place: tuple[int, int], mpp: float) -> tuple[float, float, float, float]:
    """Return xmin, ymin, xmax, ymax of a field as it is shown, in level-0 pixels."""
    view, window = field_window(frame, place, FIELD_UM, mpp)
    corners = [(window.row, window.column), (window.row_stop, window.column_stop)]
    (ymin, xmin), (ymax, xmax) = view.to_level0(np.array(corners, np.float64)).tolist()
    return xmin, ymin, xmax, ymax


def _nuclei_in(path: Path, boxes: NDArray[np.float64]) -> list[tuple[Any, NDArray[np.uint8]]]:
    """Find the outlines and classes of the nuclei that reach into each of some boxes."""
    outlines: list[list[Any]] = [[] for _ in boxes]
    codes: list[list[Any]] = [[] for _ in boxes]
    for table in iter_tables(path) if len(boxes) else ():
        for index, (xmin, ymin, xmax, ymax) in enumerate(boxes.tolist()):
            left, top, right, bottom = table.bounds.T
            near = (right > xmin) & (left < xmax) & (bottom > ymin) & (top < ymax)
            outlines[index].append(shapely.from_wkb(table.geometry[near]))
            codes[index].append(table.class_code[near])
    nothing = np.empty(0, object), np.empty(0, np.uint8)
    return [
        (np.concatenate(shapes), np.concatenate(code)) if shapes else nothing
        for shapes, code in zip(outlines, codes, strict=True)
    ]


def _table(path: Path) -> list[dict[str, str]]:
    """Read a table of `compose`, without the squares of the grid."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [row for row in csv.DictReader(stream) if row["region_source"] != "grid"]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi compose`") from None
    except KeyError:
        raise StoreError(f"{path}: is no table of nucwsi; run `nucwsi compose`") from None


def _seams(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); run `nucwsi stitch`") from None
    return found


def _drawn_regions(
    path: Path, rows: list[dict[str, str]], frame: Frame, mpp: float
) -> list[dict[str, Any]]:
    """Match the outlines of regions to their rows; those without area have no outline."""
    left = iter(enumerate(rows))
    scale = (frame.level0_mpp[1] / mpp, frame.level0_mpp[0] / mpp)
    drawn = []
    for region in read_regions([path], frame.origin_px, needed=False):
        wanted = (region.name, region.region_class)
        same = ((n, r) for n, r in left if (r["region_name"], r["region_class"]) == wanted)
        number, row = next(same, (0, rows[0]))
        if row["region_source"] != "slide":
            shape = shapely.simplify(region.geometry, max(frame.scale))
            d = path_data(np.array([shape]), scale, frame.origin_px[::-1])
            drawn.append({"row": number, "source": row["region_source"], "d": d})
    return drawn


def assess(
    slide: Path, nuclei: Path, output: Path, settings: AssessSettings, *, threads: int = 1
) -> None:
    """Gather what the report says and shows of a slide.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself, for pictures at full resolution.
    nuclei : pathlib.Path
        ``nuclei.parquet`` of it; beside it lie ``tissue.geojson``, ``composition.csv``,
        ``morphometry.csv``, ``{slide}.regions.geojson`` and ``seams.json``.
    output : pathlib.Path
        ``assessment.json``.
    settings : AssessSettings
    threads : int
        Pieces of the slide that are read at once.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    StoreError
        If an input is missing or of another slide, or the output cannot be written.
    """
    facts = read_facts(nuclei)
    check_slide(slide, facts["slide_checksum"], nuclei)
    frame, classes = Frame.from_dict(facts["frame"]), list(facts["classes"])
    _, level0_pieces = read_tissue(nuclei.with_name("tissue.geojson"))
    outlines = np.array(level0_pieces, dtype=object)
    across, down = frame.scale[1], frame.scale[0]
    origin = np.array(frame.origin_px[::-1])
    pieces = shapely.transform(outlines, lambda xy: (xy - origin) / (across, down))
    found, rows = _read_nuclei(nuclei, facts, frame), _table(nuclei.with_name("composition.csv"))
    drawn = nuclei.with_name(f"{facts['slide']}.regions.geojson")
    sums, share = _fields(found, pieces, frame)
    choices = chosen_fields(sums, share, settings.crops, settings.seed)
    with open_slide(slide) as opened:
        overview, _ = Source(opened, frame).overview(_CELL_PX, threads)
        picture, mpp = thumbnail(opened, frame, threads)
        crops = _crops(opened, nuclei, frame, choices, sums)
        blurs = _blur(opened, frame, share, settings.seed)
    cells = tissue_mask(pieces, overview.shape[:2], _CELL_PX)
    um2 = (_CELL_PX * frame.mpp) ** 2
    scale = (frame.level0_mpp[1] / mpp, frame.level0_mpp[0] / mpp)
    document = {
        "kind": "assessment",
        "facts": facts,
        "path": str(slide),
        "composition": rows,
        "seams": _seams(nuclei.with_name("seams.json")),
        "thumbnail": {
            "image": data_uri(jpeg(picture, _JPEG_QUALITY), "image/jpeg"),
            "size": [picture.shape[1], picture.shape[0]],
            "mpp": mpp,
            "tissue": path_data(shapely.simplify(outlines, max(frame.scale)), scale, origin),
            "regions": _drawn_regions(drawn, rows, frame, mpp),
        },
        "mini": data_uri(jpeg(_shrunk(picture), _JPEG_QUALITY), "image/jpeg"),
        "density": packed_density(
            *slide_density(
                found.row,
                found.column,
                found.class_code,
                len(classes),
                pieces,
                frame,
                _DENSITY_CELLS,
            )
        ),
        "morphometry": _morphometry(nuclei.with_name("morphometry.csv"), found, classes),
        "crops": crops,
        "quality": {
            "diameter_um": typical_diameter(found.area_um2),  # orjson writes NaN as null
            "certainty": float(found.probability.mean()) if len(found.row) else None,
            "blur": blurs,
            "ink_mm2": float(find_ink(overview).sum() * um2 / 1e6),
            "dark": dark_share(overview, cells),
            "at_edge": int(found.at_edge.sum()),
        },
    }
    with published(output) as aside:
        aside.write_bytes(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
    log.info("%d nuclei, %d regions, %d fields shown", len(found.row), len(rows), len(crops))


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a picture for the line of a table."""
    small = Image.fromarray(picture)
    small.thumbnail((_MINI_PX, _MINI_PX))
    return np.asarray(small)

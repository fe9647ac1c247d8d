"""Whole runs and what they must give: digests of `tests/golden` for each `RESULT_VERSION`.

Without a network the results are the same on every machine: the maps are computed from the tiles in
whole numbers, so that no processor rounds them otherwise. With one they are alike.

As a program this writes the digests of a slide anew, after `RESULT_VERSION` has risen:
``PYTHONPATH=tests python tests/golden.py NAME [SLIDE]``.
"""

import csv
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import shapely
from scipy import ndimage

from nucwsi import RESULT_VERSION
from nucwsi.config import (
    ComposeSettings,
    ExportSettings,
    PredictSettings,
    SegmentSettings,
    StitchSettings,
    TileSettings,
)
from nucwsi.facts import Member
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.io.stores.arrays import pack
from nucwsi.io.stores.maps_writer import MapsWriter
from nucwsi.io.stores.reader import opened
from nucwsi.labels.targets import hv_targets
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import Phantom
from nucwsi.steps.compose import compose
from nucwsi.steps.export import export
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile import tile

FOLDER = Path(__file__).resolve().parent / "golden"
MEMBERS = ("default",)
CLASSES = ("epithelial", "inflammatory", "spindle", "other")
CONSTANTS = PostProcessing(0.5, 0.16, 1.0, dict.fromkeys(CLASSES, 5.0))

#: Where the red channel, averaged over 5 x 5 pixels, is darker, there is a nucleus.
_DARK = 150

#: What differs from run to run, or with the version alone.
_PASSING = {"pipeline_version", "model_id"}


def write_phantom_slide(folder):
    """Paint the phantom of the golden results."""
    path = folder / "phantom.tiff"
    write_phantom(path, Phantom((1600, 2100), seed=5))
    return path


def _maps_of(rgb, n_classes):
    """Take dark pixels for nuclei, their red for the class: (H, W), (2, H, W) and (C, H, W)."""
    red = np.pad(rgb[0].astype(np.int64), 2, mode="edge")
    summed = sum(
        red[r : r + rgb.shape[1], c : c + rgb.shape[2]] for r in range(5) for c in range(5)
    )
    mean = summed // 25
    instances, n_instances = ndimage.label(mean < _DARK)
    # As sure as it is dark: 128 at the threshold.
    np_map = np.clip(128 + (_DARK - mean) * 2, 0, 255).astype(np.uint8)
    hv_map = np.rint(hv_targets(instances) * 127).astype(np.int8)
    darkest = np.full(n_instances + 1, 255)
    np.minimum.at(darkest, instances, mean)
    code = (darkest // 20) % n_classes
    tp_map = np.where(np.arange(n_classes)[:, None, None] == code[instances], 171, 28)
    return np_map, hv_map, tp_map.astype(np.uint8)


def _write_maps(tiles, output):
    with opened(tiles, "tiles") as store:
        facts = store.facts.with_(
            kind="maps",
            classes=CLASSES,
            members=(Member(name="darkness", checksum="0" * 32),),
            post_processing=CONSTANTS,
        )
        grid, (height, width) = store.grid, store.frame.shape
        rgb = np.full((3, height, width), 255, np.uint8)
        for at in grid.positions():
            core = grid.core(*at)
            rgb[:, *core.slices] = store.chunk("0", *at)[:, : core.height, : core.width]
        maps = _maps_of(rgb, len(CLASSES))
        writer = MapsWriter(output.with_suffix(".folder"), facts, store.tissue())
        for at in grid.positions():
            core = grid.core(*at)
            writer.write(at, core, [values[..., *core.slices] for values in maps])
    pack(output.with_suffix(".folder"), output)


def run(slide, folder, core_px=512, regions=(), **settings):
    """Run all steps from `tile` to `export` without a network; return the folder of the results."""
    maps, part = folder / "maps.zarr.zip", folder / "part.parquet"
    tiles, tissue = folder / "tiles.zarr.zip", folder / "tissue.geojson"
    analysed = TileSettings(core_px=core_px, **settings)
    tile(slide, tiles, tissue, analysed, name="golden", members=MEMBERS, regions=regions)
    _write_maps(tiles, maps)
    segment([maps], part, SegmentSettings())
    nuclei = folder / "nuclei.parquet"
    stitch([part], nuclei, folder / "seams.json", StitchSettings())
    compose(
        nuclei,
        tissue,
        folder / "composition.csv",
        ComposeSettings(grid_um=200),
        geojson=folder / "golden.regions.geojson",
        morphometry=folder / "morphometry.csv",
        neighbours=folder / "neighbours.csv",
    )
    export(nuclei, folder / "golden.nuclei.qupath.zip", ExportSettings())
    return folder


def counts_of_default(slide, folder):
    """Count the nuclei of each class that the default ensemble finds."""
    tiles, maps = folder / "tiles.zarr.zip", folder / "maps.zarr.zip"
    tile(slide, tiles, folder / "tissue.geojson", TileSettings(), name="golden", members=MEMBERS)
    predict(tiles, maps, PredictSettings(device="cpu"), members=MEMBERS, threads=2)
    segment([maps], folder / "part.parquet", SegmentSettings())
    codes = [table.class_code for table in iter_tables(folder / "part.parquet")]
    classes = read_facts(folder / "part.parquet", "part").classes
    numbers = np.bincount(np.concatenate(codes), minlength=len(classes))
    return dict(zip(classes, numbers.tolist(), strict=True))


def _digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def _table_digest(path):
    """Digest a CSV file, its numbers to six digits: the last ones are the libraries'."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    def shown(text):
        try:
            return f"{float(text):.6g}"
        except ValueError:
            return text

    kept = [{k: shown(v) for k, v in row.items() if k not in _PASSING} for row in rows]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]


def digest(folder):
    """Condense the results of `run`: ids, outlines, classes and tables."""
    table = NucleusTable.concatenated(list(iter_tables(folder / "nuclei.parquet")))
    points, owner = shapely.get_coordinates(shapely.from_wkb(table.geometry), return_index=True)
    return {
        "result_version": RESULT_VERSION,
        "n_nuclei": len(table),
        "ids": _digest(table.id),
        "classes": _digest(table.class_code),
        "corners": _digest(owner),
        # A thousandth of a pixel: what lies below is rounding of the libraries.
        "outlines": _digest(np.rint(points * 1000).astype(np.int64)),
        "area_um2": _digest(np.rint(table.area_um2 * 100).astype(np.int64)),
        **{name: _table_digest(folder / f"{name}.csv") for name in ("composition", "morphometry")},
        "neighbours": _table_digest(folder / "neighbours.csv"),
    }


def stored(name):
    """Read the digest that a slide must have."""
    return json.loads((FOLDER / f"{name}.json").read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        name = sys.argv[1]
        source = write_phantom_slide(place) if name == "phantom" else Path(sys.argv[2])
        FOLDER.mkdir(exist_ok=True)
        made = digest(run(source, place)) | {"default": counts_of_default(source, place)}
        text = json.dumps(made, indent=1)
        (FOLDER / f"{name}.json").write_text(f"{text}\n")

"""What else comes in from outside: pictures, masks, nuclei, networks, answers, a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import exports_made
import foreign_made
import geopandas
import numpy as np
import pandas as pd
import tifffile
import torch
from commands import succeeded
from networks_made import published_weights
from PIL import Image
from rasterio.features import rasterize
from reviewed import centre, exported, frames_in, made_results, mark, nuclei_in, worklist
from shown import phantom_nuclei, write_results
from slides_made import picture, write_slide
from stores import cells_of, write_member, write_tiles

from fuzz import containers
from fuzz.mutators import (
    BYTES,
    CHECKED,
    FREE,
    TABLE,
    Mutator,
    encoded,
    json_value,
    listed,
    nowhere,
    numbered,
    with_,
)
from fuzz.pictures import header_value, png_chunk
from fuzz.subject import Subject, answer, canvas, cards, contents, corrected, maps, nuclei
from fuzz.tiff import TIFF
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.models import hovernet
from nucwsi.models.hovernet import FORMS, HoVerNet
from nucwsi.phantom import Phantom
from nucwsi.workflow import run as workflow_run

#: Nuclei of another program: they are as good as a few hundred.
_N_FOREIGN = 40


def pictures(folder: Path) -> None:
    image = picture(560, 760)
    whole = Image.fromarray(image)
    for name, options in (("a.png", {}), ("a.jpg", {"quality": 95}), ("a.bmp", {})):
        whole.save(folder / name, **options)
    whole.save(folder / "a.webp", lossless=True, method=0)
    write_member(folder / "member.safetensors")


def areas(folder: Path) -> None:
    write_slide(folder / "jpeg.tiff", picture(560, 760))
    write_member(folder / "member.safetensors")
    mask = np.zeros((140, 190), np.uint8)
    mask[40:100, 60:150] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    tifffile.imwrite(folder / "mask.tif", mask, tile=(64, 64), compression="deflate")
    box = [[300, 100], [700, 100], [700, 450], [300, 450], [300, 100]]
    shape = {"type": "Polygon", "coordinates": [box]}
    drawn = {"type": "Feature", "geometry": shape, "properties": {"name": "one"}}
    text = json.dumps({"type": "FeatureCollection", "features": [drawn]})
    for name in ("mask.geojson", "only.geojson"):
        (folder / name).write_text(text)


def foreign(folder: Path) -> None:
    phantom = Phantom((600, 800), seed=3)
    write_phantom(folder / "small.tiff", phantom)
    shapes, names = [], []
    for nucleus in phantom.nuclei():
        shape = phantom.polygon(nucleus)
        if shape.geom_type == "Polygon" and shape.area > 9 and len(shapes) < _N_FOREIGN:
            shapes.append(shape)
            names.append(nucleus.class_name)
    kinds = [1 + number % 2 for number in range(len(shapes))]
    foreign_made.qupath_cells(folder / "cells.geojson", shapes, names)
    foreign_made.qupath_detections(folder / "detections.geojson", shapes, names)
    foreign_made.hovernet(folder / "hovernet.json", shapes, kinds, mag=40)
    foreign_made.cellvit(folder / "cellvit.json", shapes, kinds)
    numbered_shapes = zip(shapes, range(1, len(shapes) + 1), strict=True)
    labels = rasterize(numbered_shapes, (600, 800), dtype="int32")
    np.save(folder / "labels.npy", labels)
    tifffile.imwrite(folder / "labels.tif", labels, tile=(256, 256), compression="deflate")
    frame = geopandas.GeoDataFrame({"class": names}, geometry=shapes)
    frame.to_parquet(folder / "nuclei.geoparquet", write_page_checksum=True)


def taught(folder: Path) -> None:
    slide = folder / "small.tiff"
    write_phantom(slide, Phantom((1600, 2100), seed=5))
    write_results(slide, folder / "r", phantom_nuclei(keep=120))
    found, table = folder / "r" / "nuclei.parquet", folder / "r" / "features.parquet"
    succeeded("features", slide, found, "-o", table)
    known = pd.read_parquet(table)[["id", "area_um2"]].head(60)
    known["class"] = np.where(known["area_um2"] > known["area_um2"].median(), "large", "small")
    known[["id", "class"]].to_csv(folder / "answers.csv", index=False)
    succeeded("teach", folder / "r", folder / "answers.csv", "-o", folder / "sizes.classifier")


def reviewed(folder: Path) -> None:
    made_results(folder / "r", n=400)
    drawn = worklist(folder / "r", folder / "worklist.geojson", "--labels", 40, "--frames", 5)
    [key] = [path.stem for path in (folder / "r").rglob("*.json") if path.parent != folder / "r"]
    frames = frames_in(drawn)
    middles = [centre(frame) for frame in frames]
    drawn["features"] += [mark(x + 1, y, "plasma") for x, y in middles]
    exported(folder / "answers.geojson", drawn)
    ids = [one["properties"]["nucleus_id"] for one in nuclei_in(drawn)]
    table = pd.DataFrame({"id": ids, "class": "plasma", "draw": key})
    table.to_csv(folder / "answers.csv", index=False)
    missed = {"x": 900.0, "y": 800.0, "class": "plasma"}
    saved = {
        "kind": "answers",
        "draw": key,
        "slide": "made",
        "answers": [{"id": str(one), "class": "plasma"} for one in ids],
        "frames": [{"id": frames[0]["id"], "done": True, "missed": [missed]}],
    }
    (folder / "viewer.json").write_text(json.dumps(saved))


def small_hovernet() -> None:
    """Give HoVer-Net so few channels that it is quick."""
    hovernet.WIDTHS, hovernet.GROWTH = (8, 16, 32, 64), 4


def networks(folder: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (3, 150, 190), np.uint8)
    write_tiles(folder / "tiles.zarr.zip", rgb, cells_of(np.ones(rgb.shape[1:], bool)), 256)
    for name, write in (
        ("tiny.pt2", exports_made.write_pt2),
        ("tiny.onnx", exports_made.write_onnx),
    ):
        write(folder / name)
        (folder / f"{name}.json").write_text(json.dumps(exports_made.CARD))


def weights(folder: Path) -> None:
    small_hovernet()
    network = published_weights(HoVerNet(FORMS["hovernet_original"], 4))
    torch.save({"desc": network.state_dict()}, folder / "consep.tar")


def folder_of_run(folder: Path) -> None:
    write_slide(folder / "a b.tiff", picture(560, 700))
    config = folder / "results" / "config"
    config.mkdir(parents=True)
    rows = ("slide\tpath\tmpp\tpatient", f"a\t{folder / 'a b.tiff'}\t0.25\t007")
    (config / "slides.tsv").write_text("\n".join(rows) + "\n")
    (config / "config.yaml").write_text(
        "slides: config/slides.tsv\noutput: .\nmembers:\n- default\npredict:\n  views: 2\n"
        "compose:\n  grid_um: 500\n"
    )


def without_snakemake() -> None:
    """Print what Snakemake would be given instead of starting it."""

    def planned(command: list[str], check: bool) -> SimpleNamespace:
        config = Path(command[command.index("--configfile") + 1])
        print((config.with_name("slides.tsv")).read_text("utf-8"))  # noqa: T201
        kept = config.read_text("utf-8").splitlines()
        print([line for line in kept if str(config.parent) not in line])  # noqa: T201
        return SimpleNamespace(returncode=0)

    workflow_run.subprocess = SimpleNamespace(run=planned)


#: Of files without checksums that people may change.
_JSON = (*BYTES, *3 * (json_value(nowhere),))
_TABLE = (*FREE, *TABLE)
_COLUMN = with_(containers.parquet_column, telling=False)
_FEATURES = (*CHECKED, containers.parquet_facts, *2 * (containers.parquet_column,))

_TILE = "-o out/tiles.zarr.zip --tissue-output out/t.geojson --member in/member.safetensors"
_CLASSIFY = (
    "classify in/small.tiff in/r/nuclei.parquet -o out/nuclei.parquet"
    " --classifier in/sizes.classifier --features in/r/features.parquet"
)
_TEACH = "teach in/r in/answers.csv -o out/c"


def _picture(file: str, *more: Mutator) -> Subject:
    command = f"tile in/{file} {_TILE} --mpp 0.25"
    damage = (*BYTES, *2 * (header_value,), *more)
    return Subject(file, pictures, file, damage, (command,), tolerance=0.03, result=canvas)


def _area(file: str, words: str, damage: tuple[Mutator, ...]) -> Subject:
    command = f"tile in/jpeg.tiff {_TILE} {words} in/{file}"
    return Subject(file, areas, file, damage, (command,), tolerance=0.03, result=canvas)


def _foreign(file: str, *damage: Mutator) -> Subject:
    command = f"import in/{file} --slide in/small.tiff -o out/nuclei.parquet"
    return Subject(file, foreign, file, damage, (command,), result=nuclei)


def _taught(
    name: str, file: str, damage: tuple[Mutator, ...], command: str, result: Any = contents
) -> Subject:
    return Subject(name, taught, file, damage, (command,), result=result)


def _answers(file: str, damage: tuple[Mutator, ...], words: str = "") -> Subject:
    command = f"correct in/r in/{file} {words} -o out/c"
    return Subject(f"{file} for correct", reviewed, file, damage, (command,), result=corrected)


def _network(file: str, *damage: Mutator) -> Subject:
    name = file.removesuffix(".json")
    command = f"predict in/tiles.zarr.zip -o out/maps.zarr.zip --device cpu --member in/{name}"
    return Subject(file, networks, file, damage, (command,), result=maps)


def _run(file: str, damage: tuple[Mutator, ...]) -> Subject:
    command = ("run -o in/results --dry-run",)
    name, place = f"{file} of run", f"results/config/{file}"
    return Subject(
        name, folder_of_run, place, damage, command, result=answer, before=without_snakemake
    )


DOORS: tuple[Subject, ...] = (
    _picture("a.png", png_chunk, png_chunk),
    *map(_picture, ("a.jpg", "a.webp", "a.bmp")),
    _area("mask.png", "--tissue", (*BYTES, header_value, png_chunk)),
    _area("mask.tif", "--tissue", TIFF),
    _area("mask.geojson", "--tissue", _JSON),
    _area("only.geojson", "--only-regions --regions", _JSON),
    _foreign("cells.geojson", *_JSON),
    _foreign("detections.geojson", *_JSON),
    _foreign("hovernet.json", *_JSON),
    _foreign("cellvit.json", *_JSON),
    _foreign("labels.npy", *FREE, numbered(r"\((\d+), "), numbered(r"'descr': ('[^']*')")),
    _foreign("labels.tif", *TIFF),
    _foreign("nuclei.geoparquet", *FREE, containers.parquet_facts, *2 * (_COLUMN,)),
    _taught("features for classify", "r/features.parquet", _FEATURES, _CLASSIFY, nuclei),
    _taught("nuclei for classify", "r/nuclei.parquet", _FEATURES, _CLASSIFY, nuclei),
    _taught(
        "classifier", "sizes.classifier", (*BYTES, *4 * (json_value(nowhere),)), _CLASSIFY, nuclei
    ),
    _taught(
        "nuclei for features",
        "r/nuclei.parquet",
        _FEATURES,
        "features in/small.tiff in/r/nuclei.parquet -o out/f.parquet",
    ),
    _taught("answers for teach", "answers.csv", _TABLE, _TEACH),
    _taught("features for teach", "r/features.parquet", _FEATURES, _TEACH),
    _answers("answers.geojson", _JSON),
    _answers("answers.csv", _TABLE),
    _answers("viewer.json", _JSON),
    _answers("worklist.geojson", _JSON, "in/answers.geojson"),
    _network("tiny.pt2", *BYTES, containers.zip_member, containers.zip_json("model.json", nowhere)),
    _network("tiny.onnx", *BYTES),
    *(
        _network(f"tiny.{form}.json", *BYTES, *4 * (json_value(nowhere),))
        for form in ("pt2", "onnx")
    ),
    Subject(
        "consep.tar",
        weights,
        "consep.tar",
        (*BYTES, containers.zip_member),
        ("adopt in/consep.tar",),
        result=cards,
        before=small_hovernet,
    ),
    _run("slides.tsv", _TABLE),
    _run("config.yaml", (*FREE, *2 * (listed,), encoded)),
)

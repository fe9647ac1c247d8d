"""What is damaged: small sound files, and the commands that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from region_texts import SQUARE, annotation, aperio, asap, region
from regions_made import SHAPES, write_geojson
from shown import assessed, phantom_nuclei, write_results
from slides_made import picture, write_aperio, write_slide
from stores import cells_of, write_maps, write_member, write_tiles
from tables_made import write_result

from fuzz import containers
from fuzz.doors import DOORS
from fuzz.mutators import BYTES, CHECKED, FREE, TABLE, attribute, json_value, nowhere, numbered
from fuzz.subject import Subject, answer, canvas, maps, viewed
from fuzz.tiff import TIFF
from nucwsi.config import ComposeSettings, ExportSettings, SegmentSettings
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom
from nucwsi.steps.compose import compose
from nucwsi.steps.export import export
from nucwsi.steps.segment import segment


def slides(folder: Path) -> None:
    # The first column of tiles is glass: a tile with a sliver of tissue may be missing unnoticed.
    image = np.pad(picture(560, 700), ((0, 0), (60, 0), (0, 0)), mode="edge")
    axes = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    write_slide(folder / "jpeg.tiff", image)
    write_aperio(folder / "aperio.svs", image)
    write_slide(
        folder / "z.ome.tif", image, unit=None, subifds=True, compression="zlib", metadata=axes
    )
    write_slide(folder / "lzw.tif", image, compression="lzw", predictor=True)
    write_slide(folder / "jpeg2000.tif", image, compression="jpeg2000")
    write_member(folder / "member.safetensors")
    rows = ("slide\tpath\tmpp\tregions", "a\tin/jpeg.tiff\t0.25\t", "b-2\tin/lzw.tif\t\t")
    (folder / "slides.tsv").write_text("# my slides\n" + "\n".join(rows) + "\n")


def stores(folder: Path) -> None:
    phantom = Phantom((300, 380), seed=2)
    answers = phantom.maps()
    tissue = cells_of(np.ones(answers[0].shape, bool))
    rgb = np.random.default_rng(1).integers(0, 256, (3, *answers[0].shape), np.uint8)
    write_member(folder / "member.safetensors")
    write_tiles(folder / "tiles.zarr.zip", rgb, tissue, 256)
    write_maps(folder / "maps.zarr.zip", answers, tissue, 256)
    segment([folder / "maps.zarr.zip"], folder / "part.parquet", SegmentSettings())


def results(folder: Path) -> None:
    write_phantom(folder / "small.tiff", Phantom((1600, 2100), seed=5))
    write_results(folder / "small.tiff", folder / "r", phantom_nuclei(keep=120), ("one", "two"))
    for path in (folder / "r").iterdir():
        path.rename(folder / path.name)
    (folder / "r").rmdir()
    assessed(folder / "small.tiff", folder)


def regions(folder: Path) -> None:
    nuclei, tissue, _ = write_result(folder, 200, origin=(0.0, 0.0))
    inside = {name: shape for name, shape in SHAPES.items() if name != "all"}
    write_geojson(folder / "drawn.geojson", inside)
    outlines = region(SQUARE, Id="1", Text="one"), region([[150, 90], [300, 95], [250, 200]])
    (folder / "aperio.xml").write_text(aperio(*outlines))
    (folder / "asap.xml").write_text(asap(annotation(SQUARE), annotation(SQUARE[:3])))
    settings = ComposeSettings()
    drawn = [folder / "drawn.geojson"]
    compose(nuclei, tissue, folder / "composition.csv", settings, regions=drawn)
    compose(nuclei, tissue, folder / "other.csv", settings)
    export(nuclei, folder / "nuclei.qupath.zip", ExportSettings())


def _in_frame(path: tuple[Any, ...]) -> bool:
    return path[:1] == ("nucwsi",) and "frame" in path


def _in_coordinates(path: tuple[Any, ...]) -> bool:
    return "coordinates" in path


_TILE = "tile in/{file} -o out/tiles.zarr.zip --tissue-output out/t.geojson --member {member}"
_SEGMENT = "segment {maps} -o out/part.parquet"
_COMPOSE = (
    "compose in/nuclei.parquet -o out/c.csv --geojson out/r.geojson --morphometry out/m.csv"
    " --neighbours out/n.csv --regions in/{file}"
)
_PARQUET = (
    *CHECKED,
    containers.parquet_facts,
    containers.parquet_column,
    containers.parquet_column,
)
_STORE = (*CHECKED, containers.zip_member, containers.zip_json(".zattrs", _in_frame))


def _slide(file: str) -> Subject:
    command = _TILE.format(file=file, member="in/member.safetensors")
    return Subject(file, slides, file, TIFF, (command,), tolerance=0.03, result=canvas)


SUBJECTS: tuple[Subject, ...] = (
    *map(_slide, ("jpeg.tiff", "aperio.svs", "z.ome.tif", "lzw.tif", "jpeg2000.tif")),
    Subject(
        "slides.tsv",
        slides,
        "slides.tsv",
        (*FREE, *TABLE, *TABLE),
        ("check in/slides.tsv --member in/member.safetensors",),
        result=answer,
        judges=True,
    ),
    Subject(
        "checkpoint",
        stores,
        "member.safetensors",
        (
            *BYTES,
            *3 * (containers.checkpoint_field,),
            containers.safetensors_header,
            containers.checkpoint_weights,
        ),
        (
            "predict in/tiles.zarr.zip -o out/maps.zarr.zip --device cpu"
            " --member in/member.safetensors",
            _SEGMENT.format(maps="out/maps.zarr.zip"),
        ),
        result=maps,
    ),
    Subject(
        "tiles.zarr.zip",
        stores,
        "tiles.zarr.zip",
        (*_STORE, containers.zip_json(".zarray", nowhere)),
        (
            "predict in/tiles.zarr.zip -o out/maps.zarr.zip --device cpu"
            " --member in/member.safetensors",
        ),
    ),
    Subject(
        "maps.zarr.zip",
        stores,
        "maps.zarr.zip",
        (*_STORE, containers.zip_json(".zarray", nowhere)),
        (_SEGMENT.format(maps="in/maps.zarr.zip"),),
    ),
    Subject(
        "part.parquet",
        stores,
        "part.parquet",
        _PARQUET,
        ("stitch in/part.parquet -o out/n.parquet --seams out/s.json",),
    ),
    Subject(
        "nuclei for compose",
        regions,
        "nuclei.parquet",
        _PARQUET,
        (_COMPOSE.format(file="drawn.geojson"),),
    ),
    Subject(
        "nuclei for export",
        regions,
        "nuclei.parquet",
        _PARQUET,
        ("export in/nuclei.parquet -o out/n.zip",),
    ),
    Subject(
        "nuclei for assess",
        results,
        "nuclei.parquet",
        _PARQUET,
        ("assess in/small.tiff in/nuclei.parquet -o out/a.json",),
    ),
    Subject(
        "nuclei for render",
        results,
        "nuclei.parquet",
        _PARQUET,
        ("render in/small.tiff in/nuclei.parquet -o out/v/index.html",),
        result=viewed,
    ),
    Subject(
        "tissue.geojson",
        regions,
        "tissue.geojson",
        (*BYTES, *2 * (json_value(_in_coordinates),)),
        (_COMPOSE.format(file="drawn.geojson"),),
    ),
    Subject(
        "drawn.geojson",
        regions,
        "drawn.geojson",
        (*BYTES, *3 * (json_value(_in_coordinates),)),
        (_COMPOSE.format(file="drawn.geojson"),),
    ),
    *(
        Subject(
            file,
            regions,
            file,
            (*BYTES, numbered(r'[XY]="([^"]*)"'), attribute),
            (_COMPOSE.format(file=file),),
        )
        for file in ("aperio.xml", "asap.xml")
    ),
    Subject(
        "composition.csv",
        regions,
        "composition.csv",
        (*BYTES, *TABLE),
        ("summary in/other.csv in/composition.csv -o out/c.csv",),
    ),
    Subject(
        "seams.json",
        results,
        "seams.json",
        (*BYTES, *2 * (json_value(nowhere),)),
        ("assess in/small.tiff in/nuclei.parquet -o out/a.json",),
    ),
    Subject(
        "morphometry.csv",
        results,
        "morphometry.csv",
        (*BYTES, *TABLE),
        ("assess in/small.tiff in/nuclei.parquet -o out/a.json",),
    ),
    Subject(
        "assessment.json",
        results,
        "assessment.json",
        (*BYTES, *3 * (json_value(_in_frame),)),
        ("report in/assessment.json -o out/report.html",),
    ),
    Subject(
        "zip for QuPath",
        regions,
        "nuclei.qupath.zip",
        (*BYTES, containers.zip_member),
        ("check-geojson in/nuclei.qupath.zip",),
        judges=True,
    ),
    *DOORS,
)

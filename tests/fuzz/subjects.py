"""What is damaged: small sound files, the commands that read them, and what is compared."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
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
from fuzz.mutators import BYTES, CHECKED, FREE, TABLE, Mutator, attribute, json_value, numbered
from fuzz.tiff import TIFF
from nucwsi.config import ComposeSettings, ExportSettings, SegmentSettings
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.io.stores.reader import opened
from nucwsi.phantom import Phantom
from nucwsi.steps.compose import compose
from nucwsi.steps.export import export
from nucwsi.steps.segment import segment

Kit = Callable[[Path], None]

#: From this mean colour on, 0 to 255, a field of the slides is glass.
_GLASS = 240.0


def contents(out: Path) -> Any:
    """Condense all results, byte by byte."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def answer(out: Path) -> Any:
    """Return what a command has printed."""
    return (out.parent / "stdout").read_text("utf-8")


def canvas(out: Path) -> Any:
    """Tell what `tile` made of a slide: its size, its tissue, and the mean colours of 16 fields."""
    with opened(out / "tiles.zarr.zip", "tiles") as store:
        facts = store.facts
        height, width = (min(side, 512) for side in facts.frame.shape)
        rgb = store.chunk("0", 0, 0)[:, :height, :width]
    blocks = [block for rows in np.array_split(rgb, 4, 1) for block in np.array_split(rows, 4, 2)]
    return {
        "sides": [float(side) for side in facts.frame.level0_shape],
        "mpp": list(facts.frame.level0_mpp),
        "tissue": facts.tissue_um2,
        # Glass may as well be white: a tile of it may be missing.
        "colours": [min(float(block.mean()), _GLASS) for block in blocks if block.size],
    }


def maps(out: Path) -> Any:
    """Tell what `predict` made: its arrays, and their facts but for the checkpoint's checksum."""
    with opened(out / "maps.zarr.zip", "maps") as store:
        facts = store.facts.with_(members=()).to_json()
    with zipfile.ZipFile(out / "maps.zarr.zip") as archive:
        arrays = {item.filename: item.CRC for item in archive.infolist()}
    return {**facts, **{name: crc for name, crc in arrays.items() if name != ".zattrs"}}


@dataclass(frozen=True)
class Subject:
    """A file that is damaged, and what reads it.

    Attributes
    ----------
    name : str
        In the log.
    kit : callable
        Writes the sound file, and what its command needs besides, into a folder.
    file : str
        Name of the file that is damaged.
    mutators : tuple of callable
        Each as likely as the others; one that is listed twice, twice as likely.
    commands : tuple of str
        Run one after the other in a folder with the kit in ``in/`` and results in ``out/``. Once
        the first one has accepted the file, none of the others may refuse it.
    tolerance : float
        By which share numbers of a result may differ and still be the same.
    result : callable
        Reads from the folder of results what is compared.
    judges : bool
        Whether the command answers with its exit code what it thinks of the file.
    """

    name: str
    kit: Kit
    file: str
    mutators: tuple[Mutator, ...]
    commands: tuple[str, ...]
    tolerance: float = 0.0
    result: Callable[[Path], Any] = contents
    judges: bool = False


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


def _nowhere(_path: tuple[Any, ...]) -> bool:
    return False


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
        (*_STORE, containers.zip_json(".zarray", _nowhere)),
        (
            "predict in/tiles.zarr.zip -o out/maps.zarr.zip --device cpu"
            " --member in/member.safetensors",
        ),
    ),
    Subject(
        "maps.zarr.zip",
        stores,
        "maps.zarr.zip",
        (*_STORE, containers.zip_json(".zarray", _nowhere)),
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
        (*BYTES, *2 * (json_value(_nowhere),)),
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
)

"""The command that takes in nuclei of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import FILE, options, output_option, settings_of, threads_option
from nucwsi.config import TileSettings
from nucwsi.errors import ConfigError


@click.command("import")
@click.argument("nuclei", type=click.Path(path_type=Path))
@output_option
@click.option("--slide", type=FILE, required=True, help="the slide that they were found in")
@click.option(
    "--tissue-output",
    type=FILE,
    help="outlines of the tissue to write  [default: tissue.geojson beside the output]",
)
@click.option(
    "--seams",
    type=FILE,
    help="audit of the seams to write  [default: seams.json beside the output]",
)
@click.option("--name", help="name of the slide in all results  [default: that of its file]")
@click.option(
    "--mpp",
    "slide_mpp",
    type=float,
    help="µm per level-0 pixel, where the slide states none or is wrong",
)
@click.option("--scene", help="number, from 1, or name of the scene, where the slide holds several")
@click.option(
    "--nuclei-mpp",
    type=click.FloatRange(0.01, 10),
    help="µm per pixel that NUCLEI count in  [default: what they say, or level 0]",
)
@click.option(
    "--classes",
    metavar="1=NAME,2=NAME",
    help="names of the classes, where NUCLEI number them",
)
@threads_option
@options(TileSettings)
def import_(
    nuclei: Path,
    output: Path,
    slide: Path,
    tissue_output: Path | None,
    seams: Path | None,
    name: str | None,
    slide_mpp: float | None,
    scene: str | None,
    nuclei_mpp: float | None,
    classes: str | None,
    threads: int,
    **values: Any,
) -> None:
    """Take in NUCLEI that another program has found.

    NUCLEI are GeoJSON of QuPath (StarDist, InstanSeg, Cellpose), JSON of HoVer-Net or CellViT, a
    label image (TIFF, OME-Zarr, npy) or GeoParquet. All verbs that follow `stitch` work with them.
    """
    settings = settings_of(TileSettings, values)
    from nucwsi.io.foreign.numbered import numbered_names
    from nucwsi.io.slides.names import name_fault, slide_name
    from nucwsi.steps.import_nuclei import import_nuclei as step

    name = name or slide_name(slide)
    if fault := name_fault(name):
        raise ConfigError(f"the name {name!r} of the slide {fault}; give another with --name")
    step(
        nuclei,
        output,
        slide=slide,
        tissue_output=tissue_output or output.with_name("tissue.geojson"),
        seams=seams or output.with_name("seams.json"),
        name=name,
        settings=settings,
        slide_mpp=slide_mpp,
        scene=scene,
        nuclei_mpp=nuclei_mpp,
        class_names=numbered_names(classes or "", "--classes"),
        threads=threads,
    )

"""The command line: one subcommand a verb, its options made from the verb's settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from nucwsi import __version__
from nucwsi.cli.options import (
    FILE,
    Commands,
    member_option,
    options,
    output_option,
    part_options,
    settings_of,
    threads_option,
)
from nucwsi.cli.process import prepare
from nucwsi.config import (
    AssessSettings,
    ComposeSettings,
    EvaluateSettings,
    ExportSettings,
    ImportSettings,
    PredictSettings,
    RenderSettings,
    ReportSettings,
    SegmentSettings,
    StitchSettings,
    TileSettings,
    TrainSettings,
)
from nucwsi.errors import ConfigError
from nucwsi.runtime.allocator import share_one_heap

_LAYOUTS = ("conic", "consep", "lizard", "manifest", "monusac", "monuseg", "pannuke")


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Find, classify and count the nuclei of H&E whole-slide images."""
    prepare()


@main.command()
@click.argument("slide", type=FILE)
@output_option
@click.option("--tissue-output", type=FILE, required=True, help="outlines to make")
@click.option("--name", help="name of the slide in all results  [default: the file's]")
@click.option("--mpp", "slide_mpp", type=float, help="µm per level-0 pixel, if the file is wrong")
@member_option
@threads_option
@options(TileSettings)
def tile(
    slide: Path,
    output: Path,
    tissue_output: Path,
    name: str | None,
    slide_mpp: float | None,
    members: tuple[str, ...],
    threads: int,
    **values: Any,
) -> None:
    """Bring the tissue of SLIDE to the resolution of the ensemble."""
    settings = settings_of(TileSettings, values)
    from nucwsi.io.slides.sheet import slide_name
    from nucwsi.steps.tile import tile as step

    # Other threads read the overview than the tiles, and would keep its memory for themselves.
    share_one_heap()
    step(
        slide,
        output,
        tissue_output,
        settings,
        name=name or slide_name(slide),
        members=members,
        slide_mpp=slide_mpp,
        threads=threads,
    )


@main.command()
@click.argument("tiles", type=FILE)
@output_option
@member_option
@part_options
@threads_option
@options(PredictSettings)
def predict(
    tiles: Path,
    output: Path,
    members: tuple[str, ...],
    part: int,
    parts: int,
    threads: int,
    **values: Any,
) -> None:
    """Predict the maps of TILES (tiles.zarr.zip)."""
    settings = settings_of(PredictSettings, values)
    from nucwsi.steps.predict import predict as step

    step(tiles, output, settings, members=members, part=part, parts=parts, threads=threads)


@main.command()
@click.argument("maps", type=FILE, nargs=-1, required=True)
@output_option
@part_options
@threads_option
@options(SegmentSettings)
def segment(
    maps: tuple[Path, ...], output: Path, part: int, parts: int, threads: int, **values: Any
) -> None:
    """Cut the nuclei out of all MAPS of a slide."""
    settings = settings_of(SegmentSettings, values)
    from nucwsi.steps.segment import segment as step

    step(list(maps), output, settings, part=part, parts=parts, threads=threads)


@main.command()
@click.argument("parts", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--seams", type=FILE, required=True, help="audit of the seams to make")
@options(StitchSettings)
def stitch(parts: tuple[Path, ...], output: Path, seams: Path, **values: Any) -> None:
    """Join the nuclei of all PARTS of a slide into one table."""
    settings = settings_of(StitchSettings, values)
    from nucwsi.steps.stitch import stitch as step

    step(list(parts), output, seams, settings)


@main.command()
@click.argument("nuclei", type=FILE)
@output_option
@click.option("--tissue", type=FILE, help="of the slide  [default: tissue.geojson beside NUCLEI]")
@click.option(
    "--regions",
    type=FILE,
    multiple=True,
    help="regions to count in: GeoJSON, ImageScope, ASAP or HALO; may be given several times",
)
@click.option("--beside", is_flag=True, help="the REGIONS were found, not named: may hold none")
@click.option("--geojson", type=FILE, help="regions for QuPath to make")
@click.option("--morphometry", type=FILE, help="table of features by region and class to make")
@click.option("--neighbours", type=FILE, help="table of classes side by side to make")
@options(ComposeSettings)
def compose(
    nuclei: Path,
    output: Path,
    tissue: Path | None,
    regions: tuple[Path, ...],
    beside: bool,
    geojson: Path | None,
    morphometry: Path | None,
    neighbours: Path | None,
    **values: Any,
) -> None:
    """Count NUCLEI (nuclei.parquet) by class and region."""
    settings = settings_of(ComposeSettings, values)
    from nucwsi.steps.compose import compose as step

    step(
        nuclei,
        tissue or nuclei.with_name("tissue.geojson"),
        output,
        settings,
        regions=regions,
        beside=beside,
        geojson=geojson,
        morphometry=morphometry,
        neighbours=neighbours,
    )


@main.command()
@click.argument("nuclei", type=FILE)
@output_option
@options(ExportSettings)
def export(nuclei: Path, output: Path, **values: Any) -> None:
    """Write NUCLEI (nuclei.parquet) as a zip for QuPath."""
    settings = settings_of(ExportSettings, values)
    from nucwsi.steps.export import export as step

    step(nuclei, output, settings)


@main.command()
@click.argument("tables", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--conic", is_flag=True, help="make the table of counts of the CoNIC challenge")
def summary(tables: tuple[Path, ...], output: Path, conic: bool) -> None:
    """Join the TABLES of several slides, such as all composition.csv."""
    from nucwsi.steps.summary import summary as step

    step(list(tables), output, conic=conic)


@main.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@output_option
@threads_option
@options(AssessSettings)
def assess(slide: Path, nuclei: Path, output: Path, threads: int, **values: Any) -> None:
    """Gather what the report says of SLIDE, from NUCLEI and the tables beside it."""
    settings = settings_of(AssessSettings, values)
    from nucwsi.steps.assess import assess as step

    step(slide, nuclei, output, settings, threads=threads)


@main.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@output_option
@threads_option
@options(RenderSettings)
def render(slide: Path, nuclei: Path, output: Path, threads: int, **values: Any) -> None:
    """Make a viewer of SLIDE and NUCLEI; OUTPUT is its page, its folder is made anew."""
    settings = settings_of(RenderSettings, values)
    from nucwsi.steps.render import render as step

    step(slide, nuclei, output, settings, threads=threads)


@main.command()
@click.argument("assessments", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--benchmarks", type=FILE, help="folder of Snakemake's benchmark files, for times")
@options(ReportSettings)
def report(
    assessments: tuple[Path, ...], output: Path, benchmarks: Path | None, **values: Any
) -> None:
    """Write one page about all slides of ASSESSMENTS (assessment.json)."""
    settings = settings_of(ReportSettings, values)
    from nucwsi.steps.report import report as step

    step(assessments, output, settings, benchmarks=benchmarks)


@main.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any that is free")
@click.option("--browser/--no-browser", default=True, show_default=True, help="open a browser")
def view(results: Path, port: int, browser: bool) -> None:
    """Show the report and the viewers in the folder RESULTS, on this computer only."""
    from nucwsi.steps.view import view as step

    def ready(address: str) -> None:
        click.echo(f"{address}  (Ctrl+C ends it)")
        if browser:
            click.launch(address)

    step(results, port=port, ready=ready)


@main.command()
@click.argument("nuclei", type=FILE)
@output_option
@click.option("--slide", type=FILE, help="the slide's file")
@click.option("--benchmarks", type=FILE, help="folder of Snakemake's benchmark files")
def provenance(nuclei: Path, output: Path, slide: Path | None, benchmarks: Path | None) -> None:
    """Write down how NUCLEI (nuclei.parquet) and what lies beside it were made."""
    from nucwsi.steps.provenance import provenance as step

    step(nuclei, output, slide=slide, benchmarks=benchmarks)


@main.group()
def data() -> None:
    """Prepare labelled images for training and evaluation."""


@data.command("import")
@click.argument("source", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="folder to make")
@click.option("--from", "layout", type=click.Choice(_LAYOUTS), required=True, help="its layout")
@click.option("--mpp", type=float, help="µm per pixel of all images, instead of the publication's")
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME=SPLIT",
    help="use a part of the publication, such as fold1, as train, val or test",
)
@options(ImportSettings)
def import_data(
    source: Path,
    output: Path,
    layout: str,
    mpp: float | None,
    parts: tuple[str, ...],
    **values: Any,
) -> None:
    """Bring the data set in the folder SOURCE into the form of docs/data.md."""
    settings = settings_of(ImportSettings, values)
    chosen = dict(part.partition("=")[::2] for part in parts)
    from nucwsi.steps.data import import_data as step

    step(layout, source, output, settings, mpp=mpp, parts=chosen)


@main.command()
@click.argument("data", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--name", help="name of the member  [default: the file's]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N")
@threads_option
@options(TrainSettings)
def train(
    data: tuple[Path, ...],
    output: Path,
    name: str | None,
    device: str,
    threads: int,
    **values: Any,
) -> None:
    """Train a member of an ensemble on folders of labelled images, DATA."""
    settings = settings_of(TrainSettings, values)
    from nucwsi.steps.train import train as step

    step(list(data), output, settings, name=name or output.stem, device=device, threads=threads)


@main.command()
@click.argument("data", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=FILE, required=True, help="folder to make")
@member_option
@threads_option
@options(EvaluateSettings)
def evaluate(
    data: tuple[Path, ...], output: Path, members: tuple[str, ...], threads: int, **values: Any
) -> None:
    """Score an ensemble on folders of labelled images, DATA."""
    settings = settings_of(EvaluateSettings, values)
    from nucwsi.steps.evaluate import evaluate as step

    step(list(data), output, settings, members=members, threads=threads)


@main.command()
@click.argument("output", type=FILE)
@click.option("--height", type=int, default=3000, show_default=True, help="level-0 pixels")
@click.option("--width", type=int, default=4000, show_default=True, help="level-0 pixels")
@click.option("--mpp", type=float, default=0.25, show_default=True, help="µm per level-0 pixel")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--density", type=float, default=1.0, show_default=True, help="1: common tissue")
def phantom(output: Path, height: int, width: int, mpp: float, seed: int, density: float) -> None:
    """Paint a slide of known nuclei to OUTPUT (.tiff), its truth beside it."""
    from nucwsi.io.slides.phantom import write_phantom
    from nucwsi.phantom import Phantom

    try:
        painted = Phantom((height, width), mpp, seed, density)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    truth = write_phantom(output, painted)
    click.echo(f"{output} and its truth {truth}")


@main.command("check-geojson")
@click.argument("files", type=FILE, nargs=-1, required=True)
def check_geojson(files: tuple[Path, ...]) -> None:
    """Check whether QuPath will open FILES (.geojson, .gz or .zip) as they are meant."""
    from nucwsi.io.regions.check import check_geojson as check

    faulty = False
    for path in files:
        verdict = check(path)
        for fault in verdict.faults:
            click.echo(f"{path}: {fault}")
        if verdict.n_faults > len(verdict.faults):
            click.echo(f"{path}: and {verdict.n_faults - len(verdict.faults)} more")
        click.echo(f"{path}: {verdict.n_features} objects, {verdict.n_faults} faults")
        faulty |= verdict.n_faults > 0
    sys.exit(1 if faulty else 0)

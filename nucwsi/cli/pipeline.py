"""Commands of the workflow: one per rule, with the settings of its section as options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import (
    FILE,
    listed,
    member_option,
    options,
    output_option,
    part_options,
    settings_of,
    threads_option,
)
from nucwsi.config import (
    AssessSettings,
    ComposeSettings,
    ExportSettings,
    PredictSettings,
    RenderSettings,
    ReportSettings,
    SegmentSettings,
    StitchSettings,
    TileSettings,
)
from nucwsi.errors import ConfigError
from nucwsi.runtime.allocator import share_one_heap


@click.command()
@click.argument("slide", type=FILE)
@output_option
@click.option(
    "--tissue-output", type=FILE, required=True, help="outlines of the tissue to write (GeoJSON)"
)
@click.option("--name", help="name of the slide in all results  [default: that of its file]")
@click.option(
    "--mpp",
    "slide_mpp",
    type=float,
    help="µm per level-0 pixel, where the file states none or is wrong",
)
@click.option("--scene", help="number, from 1, or name of the scene, where the file holds several")
@click.option(
    "--regions",
    type=FILE,
    multiple=True,
    help="drawn regions, for --only-regions; may be given several times",
)
@member_option
@threads_option
@options(TileSettings)
def tile(
    slide: Path,
    output: Path,
    tissue_output: Path,
    name: str | None,
    slide_mpp: float | None,
    scene: str | None,
    regions: tuple[Path, ...],
    members: tuple[str, ...],
    threads: int,
    **values: Any,
) -> None:
    """Bring the tissue of SLIDE to the ensemble's resolution."""
    settings = settings_of(TileSettings, values)
    from nucwsi.io.slides.names import name_fault, slide_name
    from nucwsi.steps.tile import tile as step

    name = name or slide_name(slide)
    fault = name_fault(name)
    if fault:
        raise ConfigError(f"the name {name!r} of the slide {fault}; give another with --name")
    # The threads that read the overview are not those that read the tiles; with heaps of their own
    # they would keep its memory.
    share_one_heap()
    step(
        slide,
        output,
        tissue_output,
        settings,
        name=name,
        members=members,
        slide_mpp=slide_mpp,
        scene=scene,
        regions=regions,
        threads=threads,
    )


@click.command()
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


@click.command()
@click.argument("maps", type=FILE, nargs=-1, required=True)
@output_option
@part_options
@threads_option
@options(SegmentSettings)
def segment(
    maps: tuple[Path, ...], output: Path, part: int, parts: int, threads: int, **values: Any
) -> None:
    """Cut the nuclei of one part out of the MAPS of a slide.

    MAPS are those of all parts, because a nucleus may reach into the next part.
    """
    settings = settings_of(SegmentSettings, values)
    from nucwsi.steps.segment import segment as step

    share_one_heap()
    step(list(maps), output, settings, part=part, parts=parts, threads=threads)


@click.command()
@click.argument("parts", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--seams", type=FILE, required=True, help="audit of the seams to write (JSON)")
@options(StitchSettings)
def stitch(parts: tuple[Path, ...], output: Path, seams: Path, **values: Any) -> None:
    """Join the nuclei of all PARTS of a slide into one table."""
    settings = settings_of(StitchSettings, values)
    from nucwsi.steps.stitch import stitch as step

    share_one_heap()
    step(list(parts), output, seams, settings)


@click.command()
@click.argument("nuclei", type=FILE)
@output_option
@click.option(
    "--tissue", type=FILE, help="outlines of the tissue  [default: tissue.geojson beside NUCLEI]"
)
@click.option(
    "--regions",
    type=FILE,
    multiple=True,
    help="regions to count in: GeoJSON, ImageScope, ASAP or HALO; may be given several times",
)
@click.option(
    "--beside",
    is_flag=True,
    help="--regions were found beside the slide, not named by the user: they may hold none",
)
@click.option(
    "--slide", type=FILE, help="file of the slide; NUCLEI that were made from another are refused"
)
@click.option("--geojson", type=FILE, help="regions for QuPath to write")
@click.option("--morphometry", type=FILE, help="table of features by region and class to write")
@click.option("--neighbours", type=FILE, help="table of neighbouring classes to write")
@click.option(
    "--further",
    type=(str, str),
    multiple=True,
    metavar="COLUMN TEXT",
    help="column that every table gets, such as patient or group; may be given several times",
)
@options(ComposeSettings)
def compose(
    nuclei: Path,
    output: Path,
    tissue: Path | None,
    regions: tuple[Path, ...],
    beside: bool,
    slide: Path | None,
    geojson: Path | None,
    morphometry: Path | None,
    neighbours: Path | None,
    further: tuple[tuple[str, str], ...],
    **values: Any,
) -> None:
    """Count NUCLEI (nuclei.parquet) by class and region."""
    settings = settings_of(ComposeSettings, values)
    from nucwsi.steps.compose import compose as step

    share_one_heap()
    step(
        nuclei,
        tissue or nuclei.with_name("tissue.geojson"),
        output,
        settings,
        regions=regions,
        beside=beside,
        slide=slide,
        geojson=geojson,
        morphometry=morphometry,
        neighbours=neighbours,
        further=dict(further),
    )


@click.command()
@click.argument("nuclei", type=FILE)
@output_option
@click.option(
    "--slide", type=FILE, help="file of the slide; NUCLEI that were made from another are refused"
)
@click.option("--features", type=FILE, help="features.parquet of NUCLEI, for AnnData")
@options(ExportSettings)
def export(
    nuclei: Path, output: Path, slide: Path | None, features: Path | None, **values: Any
) -> None:
    """Write NUCLEI (nuclei.parquet) as a zip for QuPath."""
    settings = settings_of(ExportSettings, values)
    from nucwsi.steps.export import export as step

    share_one_heap()
    step(nuclei, output, settings, slide=slide, features=features)


@click.command()
@click.argument("tables", type=FILE, nargs=-1, required=True, callback=listed)
@output_option
@click.option("--conic", is_flag=True, help="write the table of counts of the CoNIC challenge")
@click.option(
    "--corrected", is_flag=True, help="TABLES are corrected.json: add up the corrected numbers"
)
@click.option(
    "--any-classes",
    is_flag=True,
    help="cells of classes that a slide does not have stay empty; without it they are an error",
)
def summary(
    tables: tuple[Path, ...], output: Path, conic: bool, corrected: bool, any_classes: bool
) -> None:
    """Join TABLES of several slides, such as composition.csv.

    @LIST stands for the paths in the lines of the file LIST.
    """
    if corrected:
        from nucwsi.steps.correct.cohort import corrected_cohort

        corrected_cohort(tables, output)
        return
    from nucwsi.steps.summary import summary as step

    step(list(tables), output, conic=conic, any_classes=any_classes)


@click.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@output_option
@threads_option
@options(AssessSettings)
def assess(slide: Path, nuclei: Path, output: Path, threads: int, **values: Any) -> None:
    """Gather what the report says of SLIDE.

    The facts come from NUCLEI (nuclei.parquet) and the files beside it.
    """
    settings = settings_of(AssessSettings, values)
    from nucwsi.steps.assess import assess as step

    share_one_heap()
    step(slide, nuclei, output, settings, threads=threads)


@click.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@output_option
@threads_option
@options(RenderSettings)
def render(slide: Path, nuclei: Path, output: Path, threads: int, **values: Any) -> None:
    """Make a viewer of SLIDE and NUCLEI (nuclei.parquet).

    OUTPUT is its page, index.html; the folder of that page is made anew.
    """
    settings = settings_of(RenderSettings, values)
    from nucwsi.steps.render import render as step

    share_one_heap()
    step(slide, nuclei, output, settings, threads=threads)


@click.command()
@click.argument("assessments", type=FILE, nargs=-1, required=True, callback=listed)
@output_option
@click.option(
    "--benchmarks", type=FILE, help="folder of Snakemake's benchmark files, which hold run times"
)
@click.option("--failed", type=FILE, help="JSON list of slides that failed, to be shown first")
@click.option("--groups", type=FILE, help="table of the comparisons of groups to write")
@click.option("--patients", type=FILE, help="table of the patients that are compared to write")
@click.option("--multiqc", type=FILE, help="folder for files that MultiQC shows")
@options(ReportSettings)
def report(
    assessments: tuple[Path, ...],
    output: Path,
    benchmarks: Path | None,
    failed: Path | None,
    groups: Path | None,
    patients: Path | None,
    multiqc: Path | None,
    **values: Any,
) -> None:
    """Write one page about the slides of ASSESSMENTS.

    ASSESSMENTS are the files assessment.json of the slides; @LIST stands for the paths in the lines
    of the file LIST.
    """
    settings = settings_of(ReportSettings, values)
    from nucwsi.steps.report import report as step

    step(
        assessments,
        output,
        settings,
        benchmarks=benchmarks,
        failed=failed,
        groups=groups,
        patients=patients,
        multiqc=multiqc,
    )


@click.command()
@click.argument("nuclei", type=FILE)
@output_option
@click.option("--slide", type=FILE, help="file of the slide")
@click.option(
    "--benchmarks", type=FILE, help="folder of Snakemake's benchmark files, which hold run times"
)
@click.option("--origin", help="where SLIDE was fetched from, if it is a copy")
def provenance(
    nuclei: Path, output: Path, slide: Path | None, benchmarks: Path | None, origin: str | None
) -> None:
    """Record how NUCLEI and the files beside it were made.

    NUCLEI is nuclei.parquet in the folder of a slide's results.
    """
    from nucwsi.steps.provenance import provenance as step

    step(nuclei, output, slide=slide, benchmarks=benchmarks, origin=origin)

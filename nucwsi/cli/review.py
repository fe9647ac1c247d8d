"""Commands of a pathologist's review: draw a worklist, correct the counts by its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import FILE, options, settings_of
from nucwsi.config import ReviewSettings


@click.command()
@click.argument("results", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    help="worklist to write (.geojson); of a cohort one for each slide, which has its name",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="NAME",
    help="region to draw from, by its name or id in composition.csv; may be given several times"
    "  [default: the whole slide]",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME",
    help="class that answers may name besides those of the network; may be given several times",
)
@options(ReviewSettings)
def review(
    results: Path, output: Path, regions: tuple[str, ...], classes: tuple[str, ...], **values: Any
) -> None:
    """Draw nuclei and frames of RESULTS for a pathologist.

    RESULTS is the folder of a slide's results, or of a cohort's.
    """
    settings = settings_of(ReviewSettings, values)
    from nucwsi.steps.review import review as step

    for path in step(results, output, settings, regions=regions, classes=classes):
        click.echo(path)


@click.command()
@click.argument("results", type=FILE)
@click.argument("answers", type=FILE, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="folder to write; of a slide only  [default: corrected columns are added to RESULTS]",
)
@click.option(
    "--composition",
    type=FILE,
    help="folder of composition.csv and the regions of the slide  [default: RESULTS]",
)
def correct(
    results: Path, answers: tuple[Path, ...], output: Path | None, composition: Path | None
) -> None:
    """Correct the counts of RESULTS by ANSWERS to a worklist.

    RESULTS is the folder of a slide's results, or of a cohort's. ANSWERS are what QuPath exports,
    files of the viewer, or tables (CSV) with the columns id and class.
    """
    from nucwsi.steps.correct import correct as step

    for line in step(results, answers, output=output, composition=composition):
        click.echo(line)

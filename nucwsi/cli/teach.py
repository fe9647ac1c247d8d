"""Commands for classes of a user's own: features of nuclei, teach a classifier, apply it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import FILE, options, output_option, settings_of, threads_option
from nucwsi.config import TeachSettings


@click.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@output_option
@threads_option
def features(slide: Path, nuclei: Path, output: Path, threads: int) -> None:
    """Describe each nucleus of SLIDE in numbers.

    NUCLEI is nuclei.parquet; OUTPUT has a row for each nucleus, in the same order.
    """
    from nucwsi.steps.features import features as step

    step(slide, nuclei, output, threads=threads)


@click.command()
@click.argument("sources", type=FILE, nargs=-1, required=True, metavar="RESULTS... ANSWERS...")
@click.option("-o", "--output", type=FILE, required=True, help="classifier to write")
@click.option(
    "--slide",
    "slides",
    type=FILE,
    multiple=True,
    help="file of a slide, where the results hold no features and do not say where the slide is;"
    " may be given several times",
)
@options(TeachSettings)
def teach(sources: tuple[Path, ...], output: Path, slides: tuple[Path, ...], **values: Any) -> None:
    """Learn classes of your own from ANSWERS.

    RESULTS are folders of results, of slides or of a cohort. ANSWERS are what QuPath exports, files
    of the viewer, or tables (CSV) with the columns id and class.
    """
    settings = settings_of(TeachSettings, values)
    from nucwsi.steps.teach import teach as step

    for line in step(sources, output, settings, slides=slides):
        click.echo(line)


@click.command()
@click.argument("slide", type=FILE)
@click.argument("nuclei", type=FILE)
@click.option(
    "--classifier", type=FILE, required=True, help="classifier, as `nucwsi teach` makes it"
)
@output_option
@click.option(
    "--features", type=FILE, help="features.parquet of NUCLEI  [default: measured on SLIDE]"
)
@threads_option
def classify(
    slide: Path,
    nuclei: Path,
    classifier: Path,
    output: Path,
    features: Path | None,
    threads: int,
) -> None:
    """Give NUCLEI of SLIDE classes that were taught.

    NUCLEI is nuclei.parquet; OUTPUT holds the same nuclei, and the network's classes beside the
    taught ones.
    """
    from nucwsi.steps.classify import classify as step

    step(slide, nuclei, classifier, output, features=features, threads=threads)

"""Commands of the second workflow: import labelled images, train members, evaluate them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import (
    FILE,
    member_option,
    options,
    output_option,
    settings_of,
    threads_option,
)
from nucwsi.config import EvaluateSettings, ImportSettings, TrainSettings

#: Layouts of published data sets that `data import` reads: the keys of `io.datasets.READERS`, whose
#: modules the help need not load.
LAYOUTS = ("conic", "consep", "lizard", "manifest", "monusac", "monuseg", "pannuke")

#: `steps.data.REVIEW`.
REVIEW = "review"


#: Option of commands that take it as no setting.
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="device of the networks: auto, cpu, cuda, cuda:N, mps or xpu",
)


@click.group()
def data() -> None:
    """Prepare labelled images for training and evaluation."""


@data.command("import")
@click.argument("source", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="folder to write")
@click.option(
    "--from",
    "layout",
    type=click.Choice((*LAYOUTS, REVIEW)),
    required=True,
    help="layout of SOURCE; review: results for which --answers are given",
)
@click.option(
    "--mpp", type=float, help="µm per pixel of all images, instead of the published value"
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME=SPLIT",
    help="assign a part of the publication, such as fold1, to train, val or test",
)
@click.option(
    "--answers",
    type=FILE,
    multiple=True,
    help="a pathologist's answers, with --from review; may be given several times",
)
@click.option(
    "--slide",
    "slides",
    type=FILE,
    multiple=True,
    help="a slide that is not where its results say, with --from review",
)
@options(ImportSettings)
def import_data(
    source: Path,
    output: Path,
    layout: str,
    mpp: float | None,
    parts: tuple[str, ...],
    answers: tuple[Path, ...],
    slides: tuple[Path, ...],
    **values: Any,
) -> None:
    """Convert the published data set in the folder SOURCE.

    The folder OUTPUT has the form that docs/data.md describes.
    """
    settings = settings_of(ImportSettings, values)
    chosen = dict(part.partition("=")[::2] for part in parts)
    from nucwsi.steps.data import import_data as step

    step(
        layout,
        source,
        output,
        settings,
        mpp=mpp,
        parts=chosen,
        answers=answers,
        slides=slides,
    )


@click.command()
@click.argument("data", type=FILE, nargs=-1, required=True)
@output_option
@click.option("--name", help="name of the member  [default: that of OUTPUT]")
@device_option
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
    """Train a member of an ensemble on labelled images.

    DATA are folders in the form of docs/data.md, or their manifest.csv.
    """
    settings = settings_of(TrainSettings, values)
    from nucwsi.steps.train import train as step

    step(list(data), output, settings, name=name or output.stem, device=device, threads=threads)


@click.command()
@click.argument("member")
@click.argument("data", type=FILE, nargs=-1, required=True)
@output_option
@device_option
@threads_option
def calibrate(member: str, data: tuple[Path, ...], output: Path, device: str, threads: int) -> None:
    """Measure how far the counts of a member can be trusted.

    MEMBER is the name or the file of a checkpoint, which OUTPUT may replace. DATA are folders in
    the form of docs/data.md, or their manifest.csv.
    """
    from nucwsi.steps.calibrate import calibrate as step

    step(member, list(data), output, device=device, threads=threads)


@click.command()
@click.argument("data", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=FILE, required=True, help="folder to write")
@member_option
@threads_option
@options(EvaluateSettings)
def evaluate(
    data: tuple[Path, ...], output: Path, members: tuple[str, ...], threads: int, **values: Any
) -> None:
    """Score an ensemble on labelled images.

    DATA are folders in the form of docs/data.md, or their manifest.csv.
    """
    settings = settings_of(EvaluateSettings, values)
    from nucwsi.steps.evaluate import evaluate as step

    step(list(data), output, settings, members=members, threads=threads)

"""The program ``nucwsi`` and its subcommands, in the order of the pipeline."""

from __future__ import annotations

import click

from nucwsi import __version__
from nucwsi.cli import check_slides, foreign, pipeline, review, teach, tools, training
from nucwsi.cli.options import Commands
from nucwsi.cli.process import prepare
from nucwsi.cli.run import batch, run


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Find, classify and count the nuclei of H&E whole-slide images."""
    prepare()


for _command in (
    run,
    check_slides.check,
    pipeline.tile,
    pipeline.predict,
    pipeline.segment,
    pipeline.stitch,
    foreign.import_,
    teach.features,
    teach.classify,
    pipeline.compose,
    pipeline.export,
    pipeline.summary,
    pipeline.assess,
    pipeline.render,
    pipeline.report,
    review.review,
    review.correct,
    teach.teach,
    tools.view,
    pipeline.provenance,
    batch,
    training.data,
    training.train,
    training.calibrate,
    training.evaluate,
    tools.adopt,
    tools.phantom,
    tools.check_geojson,
):
    main.add_command(_command)

"""The commands that run the workflow: all of it, or the slides of one batch."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import FILE


class _WithWords(click.Command):
    """A command that keeps what stands after ``--`` for another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split the arguments at the first ``--``.

        Parameters
        ----------
        ctx : click.Context
            Its `obj` becomes the words after the ``--``, a tuple of str.
        args : list of str
            Words of the command line.

        Returns
        -------
        list of str
            What click has left over.
        """
        at = args.index("--") if "--" in args else len(args)
        ctx.obj = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])


def _show_where(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from nucwsi.workflow.place import SNAKEFILE

        click.echo(SNAKEFILE)
        ctx.exit()


@click.command(cls=_WithWords, options_metavar="[OPTIONS]")
@click.argument("slides", type=FILE, nargs=-1)
@click.option(
    "-o",
    "--output",
    type=FILE,
    default="results",
    show_default=True,
    help="folder of all results; slides are added to those that it holds",
)
@click.option(
    "--mpp",
    type=float,
    help="µm per level-0 pixel of SLIDES, where the files state none or a wrong one",
)
@click.option(
    "--configfile",
    "configuration",
    multiple=True,
    metavar="FILE",
    help="settings: a file, or fast, balanced, accurate or tumour; may be given several times"
    "  [default: those of the results]",
)
@click.option(
    "--profile",
    default="local",
    show_default=True,
    metavar="NAME",
    help="where jobs run: local, slurm, or a folder of your own",
)
@click.option("--cores", metavar="N", help="processor cores to use, or all")
@click.option("-n", "--dry-run", "dry", is_flag=True, help="say what would be done, and do nothing")
@click.option(
    "--snakefile",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_where,
    help="say where the Snakefile lies, and do nothing",
)
@click.pass_obj
def run(
    words: tuple[str, ...], /, slides: tuple[Path, ...], cores: str | None, **values: Any
) -> None:
    """Analyse SLIDES: find, classify and count their nuclei.

    SLIDES are slides, folders, whose sub-folders are searched as well, or slide sheets; without
    any, the run of the results goes on. What follows `--` is passed on to Snakemake.
    """
    from nucwsi.workflow.run import Request
    from nucwsi.workflow.run import run as start

    more = ("--cores", cores) if cores else ()
    request = Request(
        slides=slides,
        results=values["output"],
        mpp=values["mpp"],
        configuration=values["configuration"],
        profile=values["profile"],
        dry=values["dry"],
        words=(*more, *words),
    )

    sys.exit(start(request, note=partial(click.echo, err=True), say=click.echo))


@click.command(hidden=True)
@click.argument("slides", nargs=-1, required=True)
@click.option("--configuration", required=True, help="configuration of the run, as JSON")
@click.option("--threads", type=click.IntRange(1), default=1, help="processor cores to use")
@click.option("--memory", "memory_mb", type=click.IntRange(1), required=True, help="MB to use")
@click.option("--gpus", type=click.IntRange(0), default=0, help="GPUs to use")
@click.option("--snakemake", "words", multiple=True, help="further words for Snakemake")
def batch(slides: tuple[str, ...], **values: Any) -> None:
    """Take SLIDES, which the configuration names, through all steps.

    The workflow calls this command if `batch` is more than 1.
    """
    from nucwsi.cli.forked import MODULES, run_call
    from nucwsi.runtime.forks import warm_up

    warm_up(MODULES)
    from nucwsi.workflow.batch import Batch, run_batch

    run_batch(Batch(slides=slides, **values), run_call)

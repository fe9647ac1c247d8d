"""The command `check`: what slides are, whether they can be analysed, and what they will cost."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nucwsi.cli.options import FILE, member_option, options, settings_of, threads_option
from nucwsi.config import TileSettings
from nucwsi.runtime.forecast import Extent, Machine, forecast, total


@click.command()
@click.argument("slides", type=FILE, nargs=-1, required=True)
@click.option(
    "--mpp",
    "slide_mpp",
    type=float,
    help="µm per level-0 pixel, where a sheet names none and the files state none or are wrong",
)
@click.option("--views", type=int, default=1, show_default=True, help="views of each tile")
@click.option("--viewer/--no-viewer", default=True, help="whether viewers will be made")
@click.option("--profile", help="forecast for a profile, such as slurm  [default: this machine]")
@click.option(
    "--results",
    type=FILE,
    help="folder of the results: forecasts learn from its benchmarks, and are kept in it",
)
@click.option(
    "--only", multiple=True, help="name of a slide to look at; may be given several times"
)
@member_option
@threads_option
@options(TileSettings)
def check(
    slides: tuple[Path, ...],
    slide_mpp: float | None,
    views: int,
    viewer: bool,
    profile: str | None,
    results: Path | None,
    only: tuple[str, ...],
    members: tuple[str, ...],
    threads: int,
    **values: Any,
) -> None:
    """Say whether SLIDES can be analysed, and at what cost.

    SLIDES are slides, folders of slides or slide sheets. The exit code is 1 if one of them cannot
    be analysed, or if the results would not fit on the disk of --results.
    """
    settings = settings_of(TileSettings, values)
    from nucwsi.io.slides.sheet import read_sheet
    from nucwsi.steps.check import check as step
    from nucwsi.workflow.forecasts import machine_of

    listed = [entry for path in slides for entry in read_sheet(path, lambda _: True)]
    named = [entry for entry in listed if not only or entry.name in only]
    entries = [replace(entry, mpp=entry.mpp or slide_mpp) for entry in named]
    machine, extents, n_faulty = machine_of(profile), {}, 0
    # What the readers would log is part of each verdict.
    logger = logging.getLogger("nucwsi")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        for verdict in step(entries, settings, members=members, threads=threads, passes=views):
            click.echo(f"{verdict.name}: {verdict.description or 'cannot be analysed'}")
            for warning in verdict.warnings:
                click.echo(f"  look at: {warning}")
            if verdict.fault:
                click.echo(f"  {verdict.fault}")
                n_faulty += 1
            if verdict.extent:
                extents[verdict.name] = verdict.extent
    finally:
        logger.setLevel(level)
    if extents:
        for line in forecast_lines(extents, machine, viewer, results, views * len(members)):
            click.echo(line)
    n_sound = len(entries) - n_faulty
    click.echo(f"{n_sound} of {len(entries)} slides can be analysed")
    sys.exit(1 if n_faulty else 0)


def forecast_lines(
    extents: Mapping[str, Extent], machine: Machine, viewer: bool, results: Path | None, passes: int
) -> Iterator[str]:
    """Say what slides will cost; keep it in the folder of the results.

    Parameters
    ----------
    extents : mapping
        Name of each slide -> how large it is.
    machine : Machine
        Where the jobs will be.
    viewer : bool
        Whether viewers are made.
    results : pathlib.Path or None
        Folder of the results, from whose benchmarks is learnt; None if it is not known.
    passes : int
        Networks times views.

    Yields
    ------
    str
        A heading, a line for each slide, and the sums.

    Raises
    ------
    StoreError
        If the results do not fit on their disk, or the forecasts cannot be kept there.
    """
    from nucwsi.workflow.disk import free_mb, refuse_full_disk, shown_mb
    from nucwsi.workflow.forecasts import costs_of, keep_forecasts, learnt

    costs = costs_of(viewer, machine)
    if results is not None:
        machine = learnt(machine, costs, extents, results, passes)
    forecasts = {name: forecast(extent, costs, machine) for name, extent in extents.items()}
    if results is not None:
        keep_forecasts(results, forecasts)
    device = "a GPU" if machine.gpu else f"{machine.threads['predict']} threads"
    yield f"Forecast for {machine.name}, `predict` on {device}, if nothing else runs there:"
    for name, one in forecasts.items():
        sums = _shown(one.wall_s, one.peak_mb, one.kept_mb, one.temporary_mb)
        yield f"  {name}: {one.tissue_mm2:.3g} mm², {sums}"
    made = [
        one
        for name, one in forecasts.items()
        if results is None or not (results / name / "provenance.json").exists()
    ]
    if not made:
        yield "  all of them have results"
        return
    seconds, peak, kept, temporary = total(made, machine)
    plural = "slide" if len(made) == 1 else "slides"
    area = sum(one.tissue_mm2 for one in made)
    yield (
        f"  {len(made)} {plural} to analyse: {area:.3g} mm²,"
        f" {_shown(seconds, peak, kept, temporary)}"
    )
    if results is not None:
        refuse_full_disk(results, kept + temporary, kept)
        yield f"  {shown_mb(free_mb(results))} of disk are free for {results}"


def _shown(seconds: float, peak_mb: float, kept_mb: float, temporary_mb: float) -> str:
    from nucwsi.workflow.disk import shown_mb

    return (
        f"{_duration(seconds)}, {shown_mb(peak_mb)} of memory, {shown_mb(kept_mb)} of disk and"
        f" {shown_mb(temporary_mb)} until it is done"
    )


def _duration(seconds: float) -> str:
    """Render a duration in the unit in which people think of it."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.3g} h"

"""Commands beside the workflow: show results, paint a slide, check a file for QuPath."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nucwsi.cli.options import FILE
from nucwsi.errors import ConfigError


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="port of the server; 0: any free one"
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="open a browser")
@click.option(
    "--token/--no-token",
    default=None,
    help="serve those only who know the address, with its token  [default: where other users have"
    " accounts, and in sessions by SSH]",
)
def view(results: Path, port: int, browser: bool, token: bool | None) -> None:
    """Show the report and viewers in the folder RESULTS.

    They are served to this computer only. With a token, open the address yourself.
    """
    from nucwsi.steps.view import is_shared_computer
    from nucwsi.steps.view import view as step

    if token is None:
        token = is_shared_computer()

    def ready(address: str) -> None:
        click.echo(f"{address}  (Ctrl+C ends it)")
        # The command line of the browser can be read by the users whom the token keeps out.
        if browser and not token:
            click.launch(address)

    step(results, port=port, token=token, ready=ready)


@click.command()
@click.argument("output", type=FILE)
@click.option("--height", type=int, default=3000, show_default=True, help="in level-0 pixels")
@click.option("--width", type=int, default=4000, show_default=True, help="in level-0 pixels")
@click.option("--mpp", type=float, default=0.25, show_default=True, help="µm per level-0 pixel")
@click.option("--seed", type=int, default=1, show_default=True, help="seed of the nuclei")
@click.option(
    "--density",
    type=float,
    default=1.0,
    show_default=True,
    help="nuclei per area, as a factor of common tissue",
)
def phantom(output: Path, height: int, width: int, mpp: float, seed: int, density: float) -> None:
    """Paint a slide of known nuclei.

    OUTPUT is a .tiff; a .truth.geojson beside it holds the true outlines.
    """
    from nucwsi.io.slides.phantom import write_phantom
    from nucwsi.phantom import Phantom

    try:
        painted = Phantom((height, width), mpp, seed, density)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    truth = write_phantom(output, painted)
    click.echo(f"{output} and its truth {truth}")


@click.command("check-geojson")
@click.argument("files", type=FILE, nargs=-1, required=True)
def check_geojson(files: tuple[Path, ...]) -> None:
    """Check whether QuPath will open FILES as intended.

    FILES end in .geojson, .gz or .zip. The exit code is 1 if any has a fault.
    """
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

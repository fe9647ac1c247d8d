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

    They are served to this computer only. With a token, open the address yourself. Answers to a
    worklist are kept in the folder, but not where others could write them without a token.
    """
    from nucwsi.runtime.computer import is_shared_computer
    from nucwsi.steps.view import view as step

    shared = is_shared_computer()
    if token is None:
        token = shared

    def ready(address: str) -> None:
        click.echo(f"{address}  (Ctrl+C ends it)")
        # The command line of the browser can be read by the users whom the token keeps out.
        if browser and not token:
            click.launch(address)

    step(results, port=port, token=token, writable=token or not shared, ready=ready)


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
@click.option(
    "--scene",
    type=click.Choice(("tissue", "seams")),
    default="tissue",
    show_default=True,
    help="tissue with a corner of hard cases, or what breaks tiled segmentation all over",
)
def phantom(
    output: Path, height: int, width: int, mpp: float, seed: int, density: float, scene: str
) -> None:
    """Paint a slide of known nuclei.

    OUTPUT is a .tiff; a .truth.geojson beside it holds the true outlines.
    """
    from nucwsi.io.slides.phantom import write_phantom
    from nucwsi.phantom import Phantom

    try:
        painted = Phantom((height, width), mpp, seed, density, scene=scene)
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


@click.command()
@click.argument("file", type=FILE)
@click.option("--name", help="the member's name in results  [default: that of FILE]")
@click.option(
    "--classes",
    callback=lambda _context, _option, text: _names(text),
    help="names of its classes, in the order of its `tp` output, with commas between them",
)
@click.option("--mpp", type=float, help="µm per pixel that it was trained at")
@click.option("--like", help="a member whose classes, resolution and constants it has")
@click.option("--np", "np_output", help="output that says where nuclei are, by name or number")
@click.option("--hv", "hv_output", help="output with the position of each pixel in its nucleus")
@click.option("--tp", "tp_output", help="output with the class of each pixel's nucleus")
@click.option(
    "--logits", is_flag=True, help="its outputs are still to be activated: sigmoid, tanh, softmax"
)
@click.option(
    "--stride",
    type=click.IntRange(1, 4096),
    help="pixels of which the height and width of its windows must be multiples",
)
@click.option(
    "--radius",
    type=click.IntRange(0, 4096),
    help="pixels that it sees to each side of a pixel  [default: as far as it is seen to see]",
)
@click.option("--not-local", is_flag=True, help="the whole window counts for each pixel")
def adopt(
    file: Path,
    name: str | None,
    classes: tuple[str, ...],
    mpp: float | None,
    like: str | None,
    np_output: str | None,
    hv_output: str | None,
    tp_output: str | None,
    logits: bool,
    stride: int | None,
    radius: int | None,
    not_local: bool,
) -> None:
    """Make a member of FILE, the network of another program.

    FILE is an exported network (.pt2, .onnx), or holds published weights (.pth, .tar). Its card,
    FILE.json, is written once it has answered, and sees, as it says.
    """
    from nucwsi.steps.adopt import Claims
    from nucwsi.steps.adopt import adopt as step

    if not_local and radius is not None:
        raise ConfigError("--radius is of a network that is local; leave it or --not-local out")
    claims = Claims(
        *(name, classes, mpp, np_output, hv_output, tp_output, logits, stride, radius),
        local=not not_local,
        like=like,
    )
    card = step(file, claims)
    click.echo(
        f"{card.path}.json: {len(card.classes)} classes ({', '.join(card.classes)}) at {card.mpp:g}"
        f" µm/px, halo {card.halo_px} px, {'local' if card.local else 'not local'}"
    )
    click.echo(f"in the configuration: members: [{str(card.path)!r}]")


def _names(text: str | None) -> tuple[str, ...]:
    """Split names at commas."""
    return tuple(name.strip() for name in text.split(",")) if text else ()

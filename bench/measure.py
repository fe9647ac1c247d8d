"""The cost of a command in time and memory, as the kernel counts it."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nucwsi.io.slides.names import slide_name

ROOT = Path(__file__).resolve().parent.parent

_NUCWSI = Path(sys.executable).with_name("nucwsi")

#: Processor cores for the verbs that can use more than one.
THREADS = 2


class SkipError(Exception):
    """A slide or data set that a section measures is missing."""


def shared(*parts: str) -> Path:
    """Return a file or folder of the slides and images that are not part of the repository.

    Raises
    ------
    SkipError
        If it is missing.
    """
    root = Path(os.environ.get("NUCWSI_SHARED", ROOT.parent / "shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        raise SkipError(f"{path} is not there; set NUCWSI_SHARED to the folder that holds it")
    return path


class Cost(NamedTuple):
    """Wall and processor time in seconds, peak of resident memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def total(costs: list[Cost]) -> Cost:
    """Add up the times of commands that ran one after the other; the largest peak counts."""
    wall_s, cpu_s, peak_mb = zip(*costs, strict=True)
    return Cost(sum(wall_s), sum(cpu_s), max(peak_mb))


def least(costs: list[Cost]) -> Cost:
    """Return the least of each cost over several runs: a disturbance only ever adds to one."""
    return Cost(*(min(values) for values in zip(*costs, strict=True)))


@cache
def _environment() -> dict[str, str]:
    """Return the environment of what is measured, for which nucwsi is compiled, as pip does."""
    compileall.compile_dir(ROOT / "nucwsi", quiet=1)
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _run(words: list[object]) -> tuple[Cost, str]:
    command = [str(word) for word in words]
    with tempfile.NamedTemporaryFile("r") as cost:
        waiting = [sys.executable, ROOT / "bench" / "waited.py", cost.name]
        ran = subprocess.run(
            [*waiting, *command], capture_output=True, text=True, env=_environment(), check=False
        )
        if ran.returncode:
            raise SystemExit(f"{' '.join(command)}:\n{ran.stderr}")
        return Cost(**json.load(cost)), ran.stdout


def nucwsi(*words: object) -> Cost:
    """Run the command line in a process of its own, interpreter and imports included."""
    return _run([_NUCWSI, *words])[0]


def n_nuclei(zipped: Path) -> int:
    """Count the nuclei in a zip for QuPath, which must be valid."""
    printed = _run([_NUCWSI, "check-geojson", zipped])[1]
    return int(printed.rpartition(": ")[2].split()[0])


def program(
    module: str, *words: object, python: str = sys.executable
) -> tuple[Cost, dict[str, Any]]:
    """Run a program of this package in a process of its own; return its cost and its JSON.

    The JSON is its last line: libraries may write a log before it.
    """
    cost, printed = _run([python, "-m", f"bench.{module}", *words])
    return cost, json.loads(printed.splitlines()[-1])


def last_verbs(
    parts: list[Path], folder: Path, *regions: object, name: str = "answer"
) -> dict[str, list[object]]:
    """Return the commands that follow `segment`, with every table that the workflow makes."""
    nuclei = folder / "nuclei.parquet"
    tables = {
        "-o": "composition.csv",
        "--morphometry": "morphometry.csv",
        "--neighbours": "neighbours.csv",
        "--geojson": f"{name}.regions.geojson",
    }
    asked = [word for flag, name in tables.items() for word in (flag, folder / name)]
    return {
        "stitch": [*parts, "-o", nuclei, "--seams", folder / "seams.json"],
        "compose": [nuclei, "--tissue", folder / "tissue.geojson", *regions, *asked],
        "export": [nuclei, "-o", folder / "nuclei.qupath.zip"],
    }


def analyse(
    slide: Path,
    folder: Path,
    members: Sequence[str] = (),
    views: int = 1,
    parts: int = 1,
    rest: Callable[[Path, Path], None] | None = None,
) -> dict[str, Cost]:
    """Take a slide through all verbs as the workflow does; return the cost of each.

    Without `members` the default one is used. Of several `parts`, `predict` brings the middle one
    alone, and `rest` makes the maps of all the slide from its tiles.
    """
    name, nuclei = slide_name(slide), folder / "nuclei.parquet"
    tiles, tissue = folder / "tiles.zarr.zip", folder / "tissue.geojson"
    maps, part = folder / "1-of-1.zarr.zip", folder / "1-of-1.parquet"
    middle = (parts + 1) // 2
    some = folder / f"{middle}-of-{parts}.zarr.zip"
    threads = ("--threads", THREADS)
    asked = [word for member in members for word in ("--member", member)]
    commands: dict[str, list[object]] = {
        "tile": [
            *(slide, "-o", tiles, "--tissue-output", tissue, "--name", name),
            *(*asked, *threads),
        ],
        "predict": [
            *(tiles, "-o", some, "--device", "cpu", "--views", views),
            *("--part", middle, "--parts", parts),
            *(*asked, *threads),
        ],
        "segment": [maps, "-o", part, *threads],
        **last_verbs([part], folder, name=name),
        "assess": [slide, nuclei, "-o", folder / "assessment.json", *threads],
        "render": [slide, nuclei, "-o", folder / "viewer" / "index.html", *threads],
    }
    # A viewer that is there would give its picture to the next.
    shutil.rmtree(folder / "viewer", ignore_errors=True)
    costs = {}
    for verb, words in commands.items():
        costs[verb] = nucwsi(verb, *words)
        if verb == "predict" and rest is not None:
            rest(tiles, maps)
    return costs

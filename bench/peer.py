"""How do time and memory of a whole run compare with TIAToolbox's, with the same network?"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.measure import THREADS, Cost, SkipError, n_nuclei, nucwsi, program, shared
from bench.report import Finding, table, verdict
from nucwsi.io.benchmarks import read_benchmark
from nucwsi.io.slides.names import slide_name

#: Names Python of an environment with TIAToolbox, whose requirements exclude ours.
VARIABLE = "NUCWSI_PEER_PYTHON"

_VERSION = "import importlib.metadata as m; print(m.version('tiatoolbox'))"

_SETTINGS = "members: [default]\npredict:\n  views: 1\n  device: cpu\n"


class Geometry(NamedTuple):
    """Side of the patches that the network sees and answers for, in pixels; patches of a batch."""

    seen_px: int
    answered_px: int
    batch: int


#: The first is that of TIAToolbox's HoVer-Net, whose margin and pixels of a batch the second keeps.
GEOMETRIES = {"default": Geometry(256, 164, 8), "large": Geometry(1024, 932, 1)}


class Run(NamedTuple):
    """What a whole run cost, how much of it was the network, and what it found."""

    cost: Cost
    network_s: float
    n_nuclei: int

    @property
    def outside_s(self) -> float:
        """Wall seconds that are not the network's."""
        return self.cost.wall_s - self.network_s


def measure(folder: Path, slide: str) -> str:
    """Run TIAToolbox in each geometry, and then nucwsi, on a slide of `$NUCWSI_SHARED/slides`."""
    python, release = _peer()
    path, network = shared("slides", slide), folder / "network.pt"
    exported = program("network", "exported", network)[1]
    theirs = {
        f"TIAToolbox, {geometry.seen_px:,} px for {geometry.answered_px}": _their_run(
            python, path, network, folder / name, geometry
        )
        for name, geometry in GEOMETRIES.items()
    }
    ours = _our_run(path, folder)
    conditions = (
        f"`{slide}`, TIAToolbox {release}, the member `default` in {exported['precision']} at"
        f" {exported['mpp']} µm/px in both, one view, {THREADS} threads, one run each."
    )
    runs = {**theirs, "`nucwsi run`": ours}
    return f"{conditions}\n\n{verdict(_findings(ours, theirs))}\n\n{_table(runs)}"


def _peer() -> tuple[str, str]:
    """Return Python of TIAToolbox's environment, and the release that is installed there."""
    python = os.environ.get(VARIABLE)
    if not python:
        raise SkipError(
            f"{VARIABLE} is not set; set it to Python of an environment with TIAToolbox"
        )
    command = [python, "-c", _VERSION]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
    except OSError as error:
        raise SkipError(f"{VARIABLE}: {python} cannot be run: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SkipError(f"{VARIABLE}: {python} has no TIAToolbox: {reason}") from None
    return python, asked.stdout.strip()


def _their_run(python: str, slide: Path, network: Path, folder: Path, geometry: Geometry) -> Run:
    """Take a slide to GeoJSON for QuPath with TIAToolbox."""
    asked = {
        **geometry._asdict(),
        "slide": str(slide),
        "network": str(network),
        "folder": str(folder),
        "threads": THREADS,
    }
    cost, told = program("peer_program", json.dumps(asked), python=python)
    features = json.loads(Path(told["written"]).read_text("utf-8"))["features"]
    return Run(cost, told["network_s"], len(features))


def _our_run(slide: Path, folder: Path) -> Run:
    """Take a slide to all results.

    The network takes the share of `predict` that it takes when `predict` runs once more; loading
    libraries is no part of `predict`, because `nucwsi run` loads them while others work.
    """
    settings, results, tiles = folder / "s.yaml", folder / "results", folder / "tiles.zarr.zip"
    settings.write_text(_SETTINGS, "utf-8")
    cost = nucwsi("run", slide, "-o", results, "--configfile", settings, "--cores", THREADS)
    tissue, threads = ("--tissue-output", folder / "tissue.geojson"), ("--threads", THREADS)
    nucwsi("tile", slide, "-o", tiles, *tissue, *threads)
    _, told = program("network", "within", tiles, folder / "maps.zarr.zip")
    name = slide_name(slide)
    jobs = read_benchmark(results / "benchmarks" / name / "predict.1-of-1.tsv")
    predict_s = sum(job.wall_s or 0 for job in jobs)
    count = n_nuclei(results / name / f"{name}.nuclei.qupath.zip")
    return Run(cost, predict_s * told["network_s"] / told["predict_s"], count)


def _findings(ours: Run, theirs: dict[str, Run]) -> list[Finding]:
    """Compare with the faster of TIAToolbox's runs; ratios are theirs to ours."""
    fastest = min(theirs.values(), key=lambda run: run.cost.wall_s)
    faster = fastest.cost.wall_s / ours.cost.wall_s
    outside = fastest.outside_s / ours.outside_s
    peak_mb = ours.cost.peak_mb
    return [
        Finding("from the slide to all results", "≥ 3 times faster", f"{faster:.2f}", faster >= 3),
        Finding("outside the network", "≥ 6 times less", f"{outside:.2f}", outside >= 6),
        Finding(
            "processor time", "", f"{fastest.cost.cpu_s / ours.cost.cpu_s:.2f} times less", None
        ),
        Finding("peak memory", "< 1.0 GB", f"{peak_mb / 1000:.2f} GB", peak_mb < 1000),
        Finding("peak memory", "", f"{fastest.cost.peak_mb / peak_mb:.2f} times less", None),
    ]


def _table(runs: dict[str, Run]) -> str:
    head = ["", "wall, s", "in the network, s", "processor, s", "peak memory, MB", "nuclei"]
    rows = [
        [
            name,
            *(f"{value:.1f}" for value in (run.cost.wall_s, run.network_s, run.cost.cpu_s)),
            f"{run.cost.peak_mb:.0f}",
            f"{run.n_nuclei:,}",
        ]
        for name, run in runs.items()
    ]
    return table(head, rows)

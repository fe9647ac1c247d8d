"""What does each verb cost on a real slide, from the file to QuPath, CSV, report and viewer, and
how much of it is the network?
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.measure import (
    THREADS,
    Cost,
    analyse,
    least,
    n_nuclei,
    nucwsi,
    program,
    shared,
    total,
)
from bench.report import Finding, costs, verdict

_REPEATS = 3


def measure(folder: Path) -> str:
    """Run all verbs and the network alone in turn, three times, and keep the least cost of each."""
    slide = shared("slides", "lung-scc.svs")
    runs: list[dict[str, Cost]] = []
    one_core: list[Cost] = []
    alone: list[dict[str, Any]] = []
    shares: list[tuple[float, float]] = []
    tiles, maps = folder / "tiles.zarr.zip", folder / "1-of-1.zarr.zip"
    command = ("segment", maps, "-o", folder / "one-core.parquet", "--threads", 1)
    for repeat in range(_REPEATS):
        runs.append(analyse(slide, folder))
        one_core.append(nucwsi(*command))
        alone.append(program("network", "alone", tiles)[1])
        cost, inside = program("network", "within", tiles, folder / f"again{repeat}.zarr.zip")
        shares.append((cost.wall_s, inside["network_s"] / cost.wall_s))
    best = {verb: least([run[verb] for run in runs]) for verb in runs[0]}
    core_s, whole_s = (min(run[key] for run in alone) for key in ("core_s", "whole_s"))
    count = n_nuclei(folder / "nuclei.qupath.zip")
    conditions = (
        f"`{slide.name}`, {alone[0]['n_tiles']} tiles with tissue, one member in"
        f" {alone[0]['precision']}, one view, {THREADS} threads; the least of {_REPEATS} runs."
    )
    # The goals are those of the numbers: the report's pictures and the viewer come on top.
    counted = [cost for verb, cost in best.items() if verb not in ("assess", "render")]
    named = {f"`{verb}`": cost for verb, cost in best.items()}
    named["all"] = total(list(best.values()))
    cut = total([least(one_core), best["stitch"]])
    # The share of the fastest run: what disturbs a run lowers it.
    findings = _findings(total(counted), cut, count, min(shares)[1], core_s, whole_s)
    return f"{conditions}\n\n{verdict(findings)}\n\n{costs(named)}\n\n{_small(folder / 'small')}"


def _small(folder: Path) -> str:
    """Measure the verbs on a slide whose time is mostly start-up."""
    slide = shared("slides", "CMU-1-Small-Region.svs")
    folder.mkdir()
    runs = [analyse(slide, folder) for _ in range(_REPEATS)]
    best = {f"`{verb}`": least([run[verb] for run in runs]) for verb in runs[0]}
    return f"`{slide.name}`, likewise:\n\n{costs({**best, 'all': total(list(best.values()))})}"


def _findings(
    everything: Cost, cut: Cost, count: int, share: float, core_s: float, whole_s: float
) -> list[Finding]:
    """Compare with the goals; `cut` is the cost of `segment` and `stitch` on one core."""
    speed, wall_s = count / cut.cpu_s, everything.wall_s
    return [
        Finding("time of `predict` in the network", "≥ 80 %", f"{share:.0%}", share >= 0.8),
        Finding(
            f"`segment` and `stitch` on one core, {count} nuclei, start-up included",
            "≥ 5,000 per second and core",
            f"{speed:,.0f}",
            speed >= 5000,
        ),
        Finding(
            "verbs up to `export` against the plain network on the same tiles",
            "≤ 1.3 times",
            f"{wall_s:.1f} s / {whole_s:.1f} s = {wall_s / whole_s:.2f}",
            wall_s <= 1.3 * whole_s,
        ),
        Finding(
            "against the network without what only halos need",
            "",
            f"{wall_s:.1f} s / {core_s:.1f} s = {wall_s / core_s:.2f}",
        ),
        Finding(
            "peak memory",
            "≤ 1.2 GB",
            f"{everything.peak_mb / 1000:.2f} GB",
            everything.peak_mb <= 1200,
        ),
    ]

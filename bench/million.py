"""What time and memory does it take to stitch, count and export a million nuclei?"""

from __future__ import annotations

from pathlib import Path

from bench.measure import last_verbs, nucwsi, program, total
from bench.report import Finding, costs, verdict

N_NUCLEI, N_REGIONS = 1_000_000, 1_000


def measure(folder: Path) -> str:
    """Make nuclei without a network, and measure the verbs that handle them."""
    program("synthetic", folder, N_NUCLEI, N_REGIONS)
    parts = sorted(folder.glob("[0-9].parquet"))
    commands = last_verbs(parts, folder, "--regions", folder / "regions.geojson")
    named = {f"`{verb}`": nucwsi(verb, *words) for verb, words in commands.items()}
    everything = total(list(named.values()))
    findings = [
        Finding("time", "< 90 s", f"{everything.wall_s:.0f} s", everything.wall_s < 90),
        Finding(
            "peak memory",
            "< 3 GB",
            f"{everything.peak_mb / 1000:.2f} GB",
            everything.peak_mb < 3000,
        ),
    ]
    conditions = (
        f"{N_NUCLEI:,} nuclei in {len(parts)} parts, {N_REGIONS:,} drawn regions beside the grid;"
        f" one run, one core."
    )
    return f"{conditions}\n\n{verdict(findings)}\n\n{costs({**named, 'all': everything})}"

"""What does a slide cost in a cohort of 50 small ones, against one alone?"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.measure import THREADS, Cost, nucwsi, shared
from bench.report import table

N_SLIDES = 50


def _run(slide: Path, count: int, folder: Path, batch: int) -> Cost:
    """Analyse copies of a slide with the workflow; return what it cost."""
    slides = folder / "slides"
    slides.mkdir(parents=True)
    for number in range(count):
        shutil.copy(slide, slides / f"slide{number:02}{slide.suffix}")
    settings = folder / "settings.yaml"
    settings.write_text(f"batch: {batch}\n")
    words = ("-o", folder / "results", "--configfile", settings, "--cores", THREADS)
    return nucwsi("run", slides, *words)


def measure(folder: Path, batch: int = 1, count: int = N_SLIDES) -> str:
    """Run the workflow on one slide, and on many; `batch` slides share a job."""
    slide = shared("slides", "CMU-1-Small-Region.svs")
    runs = {n: _run(slide, n, folder / str(n), batch) for n in (1, count)}
    rows = [[str(n), f"{cost.wall_s / n:.1f}", f"{cost.cpu_s / n:.1f}"] for n, cost in runs.items()]
    one, many = (cost.wall_s / n for n, cost in runs.items())
    return (
        f"`{slide.name}`, `nucwsi run` with {THREADS} cores, `batch: {batch}`; report and viewers"
        f" included.\n\n{table(['slides', 'wall, s per slide', 'processor, s per slide'], rows)}"
        f"\n\nA slide of {count} takes {many / one:.2f} times as long as one alone."
    )

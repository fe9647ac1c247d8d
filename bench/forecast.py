"""Fit what a forecast is made from to runs that were measured, and say how far it was off.

``python -m bench.forecast RESULTS...``: each is a folder of results that was made from the folder
above it, with its sheet in config/slides.tsv. The first, made on an idle machine, gives the sizes
and times of the table. The others give memory alone, of which the largest counts: Snakemake samples
it, and sees less of short jobs.
"""

from __future__ import annotations

import csv
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from nucwsi.config import TileSettings
from nucwsi.io.benchmarks import COSTS, read_benchmark, read_costs
from nucwsi.io.slides.sheet import read_sheet
from nucwsi.runtime.forecast import Cost, Extent, Machine, forecast
from nucwsi.steps.check import check

#: Verb -> what it grows with, threads, what it writes (relative to the slide's folder), kept.
_VERBS = {
    "tile": ("tissue_mm2", 2, (), 0),
    "predict": ("network_mp", 64, ("maps",), 1),
    "segment": ("tissue_mm2", 64, (), 0),
    "stitch": ("tissue_mm2", 1, ("nuclei.parquet",), 1),
    "compose": ("tissue_mm2", 1, ("*.csv", "*.geojson"), 1),
    "export": ("tissue_mm2", 1, ("*.qupath.zip",), 1),
    "assess": ("tissue_mm2", 2, ("assessment.json",), 1),
    "render": ("canvas_mp", 2, ("viewer",), 1),
    "provenance": ("tissue_mm2", 1, ("*.json",), 1),
}

#: Size of tiles.zarr.zip in MB for mm² of tissue, measured by hand, as it is removed: of lung-scc,
#: CMU-1-Small-Region and the phantom.
_STORE_MB = {3.86: 86.69, 0.637: 16.60, 0.462: 9.61}

#: Peaks in MB of a slide of 117,000 x 55,000 px of the tiles of lung-scc (docs/performance.md,
#: "Memory against the size of the slide"), and how large it is: what three small slides tell of
#: memory does not reach as far.
_LARGE = Extent(tissue_mm2=101.0, network_mp=0.0, canvas_mp=3677.0)
_LARGE_MB = {
    "tile": 241.0,
    "segment": 222.0,
    "stitch": 149.0,
    "compose": 160.0,
    "export": 137.0,
    "assess": 308.0,
    "render": 345.0,
}


def extents(results: Path) -> dict[str, Extent]:
    """Return how large each slide of a folder of results is."""
    sheet = results.parent / "config" / "slides.tsv"
    entries = read_sheet(sheet, lambda _: True)
    entries = [replace(e, path=(results.parent / e.path)) for e in entries]
    verdicts = check(entries, TileSettings(), members=("default",), threads=2)
    return {one.name: one.extent for one in verdicts if one.extent}


def measured(results: Path, slide: str, verb: str) -> tuple[float, float, float]:
    """Return wall and processor seconds and MB of a verb; 0 where nothing was measured."""
    files = sorted((results / "benchmarks" / slide).glob(f"{verb}*.tsv"))
    rows = [row for file in files for row in read_benchmark(file)]
    return (
        sum(row.wall_s or 0 for row in rows),
        sum(row.cpu_s or 0 for row in rows),
        max((row.max_rss_mb or 0 for row in rows), default=0),
    )


def _size_mb(folder: Path, patterns: tuple[str, ...]) -> float:
    files = [file for pattern in patterns for top in folder.glob(pattern) for file in _files(top)]
    return sum(file.stat().st_size for file in files) / 1e6


def _files(top: Path) -> list[Path]:
    return [file for file in top.rglob("*") if file.is_file()] if top.is_dir() else [top]


def _line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Fit ``a + b x`` to relative errors, neither below 0."""
    scale = 1 / np.maximum(y, 1e-9)
    system = np.column_stack([scale, scale * np.asarray(x)])
    (a, b), _ = nnls(system, np.ones(len(y)))
    return float(a), float(b)


def _power(x: list[float], y: list[float]) -> tuple[float, float]:
    """Fit ``a x ** b`` to relative errors."""
    b, a = np.polyfit(np.log(np.maximum(x, 1)), np.log(y), 1)
    return (float(np.exp(a)), float(b)) if b > 0 else (float(max(y)), 0.0)


def fitted(verb: str, sizes: dict[str, Extent], folders: list[Path], cores: int) -> Cost:
    """Fit one row of the table."""
    driver, threads, written, kept = _VERBS[verb]
    slides, first = list(sizes), folders[0]
    x = [getattr(sizes[slide], driver) for slide in slides]
    walls = [measured(first, slide, verb)[0] for slide in slides]
    s, s_per = _line(x, [wall * min(threads, cores) for wall in walls])
    peaks = [max(measured(one, slide, verb)[2] for one in folders) for slide in slides]
    (mb, power), mb_per = _power(x, peaks), 0.0
    if verb in _LARGE_MB:
        mb, power = max(peaks), 0.0
        mb_per = max(0.0, _LARGE_MB[verb] - mb) / getattr(_LARGE, driver)
    area = [sizes[slide].tissue_mm2 for slide in slides]
    disk = (0.0, 0.0)
    if verb == "tile":
        disk = _line(list(_STORE_MB), list(_STORE_MB.values()))
    elif written:
        disk = _line(area, [_size_mb(first / slide, written) for slide in slides])
    numbers = (float(f"{value:.4g}") for value in (s, s_per, mb, power, mb_per, *disk))
    return Cost(verb, driver, threads, *numbers, kept)


def main(folders: list[Path]) -> None:
    """Write the table, and print measured and forecast times side by side."""
    sizes, cores = extents(folders[0]), os.cpu_count() or 1
    with COSTS.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Cost._fields)
        table.writerows(fitted(verb, sizes, folders, cores) for verb in _VERBS)
    costs, machine = read_costs(), Machine("this machine", {}, cores)
    for folder in folders:
        for slide, extent in sizes.items():
            said = forecast(extent, costs, machine)
            seen = [measured(folder, slide, verb) for verb in _VERBS]
            wall, peak = sum(one[0] for one in seen), max(one[2] for one in seen)
            kept = sum(f.stat().st_size for f in _files(folder / slide)) / 1e6
            print(
                f"{folder} {slide}: wall {wall:.1f} s, forecast {said.wall_s:.1f};"
                f" {peak:.0f} MB, forecast {said.peak_mb:.0f}; disk {kept:.1f} MB,"
                f" forecast {said.kept_mb:.1f}"
            )


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])

"""bfloat16 against float32 on a CPU."""

from __future__ import annotations

from pathlib import Path

from bench.measure import THREADS, nucwsi, program
from bench.report import table


def measure(folder: Path) -> str:
    """Show tiles of a painted slide to the network in both precisions."""
    slide, tiles = folder / "phantom.tiff", folder / "tiles.zarr.zip"
    nucwsi("phantom", slide)
    nucwsi("tile", slide, "-o", tiles, "--tissue-output", folder / "tissue.geojson")
    told = program("precision", tiles)[1]
    rows = [
        ["speed of bfloat16, float32 = 1", f"{told['ratio']:.2f}"],
        ["pixels of `np` within 2 of 255", f"{told['within_2_of_255']:.3%}"],
        ["largest difference of `np`", f"{told['largest_of_255']} of 255"],
        ["pixels on the same side of the threshold", f"{told['same_mask']:.3%}"],
        ["pixels of nuclei with the same class", f"{told['same_class']:.3%}"],
    ]
    about = f"On this processor nucwsi takes {told['chosen']}; {THREADS} threads."
    return f"{about}\n\n{table(['', ''], rows)}"

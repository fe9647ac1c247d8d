"""Is the network faster in bfloat16 than in float32 here, and are its maps the same?"""

from __future__ import annotations

from pathlib import Path

from bench.measure import THREADS, nucwsi, program
from bench.report import table


def measure(folder: Path) -> str:
    """Run the network on the tiles of a painted slide in both precisions."""
    slide, tiles = folder / "phantom.tiff", folder / "tiles.zarr.zip"
    nucwsi("phantom", slide)
    nucwsi("tile", slide, "-o", tiles, "--tissue-output", folder / "tissue.geojson")
    compared = program("precision", tiles)[1]
    rows = [
        ["speed of bfloat16, float32 = 1", f"{compared['ratio']:.2f}"],
        ["pixels of `np` within 2 of 255", f"{compared['within_2_of_255']:.3%}"],
        ["largest difference of `np`", f"{compared['largest_of_255']} of 255"],
        ["pixels on the same side of the threshold", f"{compared['same_mask']:.3%}"],
        ["pixels of nuclei with the same class", f"{compared['same_class']:.3%}"],
    ]
    about = f"On this processor nucwsi takes {compared['chosen']}; {THREADS} threads."
    return f"{about}\n\n{table(['', ''], rows)}"

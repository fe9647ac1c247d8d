"""Peak memory of each verb at two sizes of a slide that differ by ten."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Cost, analyse, nucwsi
from bench.report import table

#: Sides in level-0 pixels; at 0.5 µm per pixel the canvas is as large.
_SIDES = (2350, 7431)


def measure(folder: Path) -> str:
    """Paint two slides, and take both through all verbs."""
    peaks: list[dict[str, Cost]] = []
    for side in _SIDES:
        place = folder / str(side)
        place.mkdir()
        slide = place / "phantom.tiff"
        nucwsi("phantom", slide, "--height", side, "--width", side, "--mpp", 0.5)
        peaks.append(analyse(slide, place))
    small, large = peaks
    megapixels = [side**2 / 1e6 for side in _SIDES]
    more = megapixels[1] - megapixels[0]
    rows = [
        [
            f"`{verb}`",
            f"{small[verb].peak_mb:.0f}",
            f"{large[verb].peak_mb:.0f}",
            f"{large[verb].peak_mb / small[verb].peak_mb:.2f}",
            f"{(large[verb].peak_mb - small[verb].peak_mb) / more:.2f}",
        ]
        for verb in small
    ]
    head = ["", *(f"{size:.0f} MP, MB" for size in megapixels), "ratio", "MB more per MP"]
    return f"Painted slides of one density, all tissue.\n\n{table(head, rows)}"

"""How does the memory of each verb grow when a slide has ten times as many pixels?"""

from __future__ import annotations

from pathlib import Path

from bench.measure import Cost, analyse, n_nuclei, nucwsi, total
from bench.report import table

#: Sides in pixels of 0.5 µm.
_SIDES = (2350, 7431)


def measure(folder: Path) -> str:
    """Paint two slides of one density, and take both through all verbs."""
    runs: list[dict[str, Cost]] = []
    speeds: list[str] = []
    for side in _SIDES:
        place = folder / str(side)
        place.mkdir()
        slide = place / "phantom.tiff"
        nucwsi("phantom", slide, "--height", side, "--width", side, "--mpp", 0.5)
        runs.append(analyse(slide, place))
        cut = total([runs[-1]["segment"], runs[-1]["stitch"]])
        count = n_nuclei(place / "nuclei.qupath.zip")
        speeds.append(f"{count / cut.cpu_s:,.0f} ({count:,} nuclei)")
    small, large = runs
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
    return (
        f"Painted slides of one density, all tissue.\n\n{table(head, rows)}\n\n"
        "`segment` and `stitch`, start-up included, nuclei per second and core:"
        f" {' and '.join(speeds)}."
    )

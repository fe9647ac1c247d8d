"""Does the memory of any verb grow with the slide?"""

from __future__ import annotations

from pathlib import Path

from bench.large_slide import repeated
from bench.measure import analyse, n_nuclei, program, shared
from bench.report import Finding, table, verdict

#: Height and width of the large slide in level-0 pixels.
_LARGE = (55_000, 117_000)

#: `predict` is measured on one of so many parts of the large slide, which has as many tiles as the
#: small one.
_PARTS = 26

#: Largest ratio of the peaks.
_FLAT = 1.15


def measure(folder: Path, large: tuple[int, int] = _LARGE) -> str:
    """Take a slide, and one of the same tiles many times over, through all verbs."""
    slides = [shared("slides", "lung-scc.svs"), folder / "large.svs"]
    period = repeated(slides[0], slides[1], *large)
    places = [folder / slide.stem for slide in slides]
    for place in places:
        place.mkdir()

    def _rest(tiles: Path, maps: Path) -> None:
        program("large_maps", places[0] / maps.name, tiles, maps, *period)

    small = analyse(slides[0], places[0])
    big = analyse(slides[1], places[1], parts=_PARTS, rest=_rest)
    counts = [n_nuclei(place / "nuclei.qupath.zip") for place in places]
    ratios = {verb: big[verb].peak_mb / small[verb].peak_mb for verb in small}
    rows = [
        [
            f"`{verb}`",
            f"{small[verb].peak_mb:.0f}",
            f"{big[verb].peak_mb:.0f}",
            f"{ratio:.2f}",
            f"{small[verb].cpu_s:.1f}",
            f"{big[verb].cpu_s:.1f}",
        ]
        for verb, ratio in ratios.items()
    ]
    heads = [f"{count:,} nuclei" for count in counts]
    head = [
        "",
        *(f"{one}, MB" for one in heads),
        "ratio",
        *(f"{one}, processor s" for one in heads),
    ]
    most = max(ratios, key=lambda verb: ratios[verb])
    finding = Finding(
        "peak memory of every verb, large to small",
        f"≤ {_FLAT}",
        f"{ratios[most]:.2f} (`{most}`)",
        ratios[most] <= _FLAT,
    )
    return (
        f"`{slides[0].name}`, and a slide of {large[1]:,} x {large[0]:,} px of its compressed"
        " tiles, repeated (`python -m bench.large_slide`). Its maps are those of the small one,"
        " repeated as well (`bench.large_maps`): `predict` made the middle one of"
        f" {_PARTS} parts.\n\n"
        f"{verdict([finding])}\n\n{table(head, rows)}"
    )

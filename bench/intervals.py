"""How often do intervals hold the true count on sources that their fit has not seen, and which
images are out of domain?
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.accuracy import presets
from bench.measure import THREADS, program, shared
from bench.report import table

#: Rule of the program `left_out` -> what it is called in the table.
_RULES = {
    "share": "of all nuclei",
    "class": "by class",
    "class, widened": "by class, and by domain",
}


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _coverage(found: dict[str, Any]) -> str:
    rows = [
        [
            row["source"],
            f"{row['images']} {row['of']}",
            f"{row['nuclei']:.0f}",
            _RULES[row["rule"]],
        ]
        + [_number(value) for value in row["coverage"]]
        + [_number(value, 0) for value in row["width"]]
        for row in found["intervals"]
    ]
    classes = found["classes"]
    head = ["source that was left out", "images", "nuclei, median", "error"]
    return table([*head, *classes, *(f"width, {name}" for name in classes)], rows)


def _rates(found: dict[str, Any]) -> str:
    rows = [
        [
            row["source"],
            "yes" if row["learnt"] else "no",
            str(row["images"]),
            _number(row["inside"]),
            _number(row["left out"]),
        ]
        for row in found["domains"]
    ]
    head = ["source", "learnt from", "images", "out of domain", "if the source is left out"]
    altered = [[how, f"{share:.2f}"] for how, share in found["altered"].items()]
    title = f"{found['n_altered']} validation images of sources that were learnt from, altered"
    return "\n\n".join((table(head, rows), table([title, "out of domain"], altered)))


def measure(_folder: Path) -> str:
    """Look at all labelled images with the first member of `fast`."""
    folders = [str(shared("nuclei")), str(shared("nuclei_more"))]
    member = presets()["fast"][0][0]
    _, found = program("left_out", json.dumps(folders), member, THREADS)
    return f"Member `{member}`, one view.\n\n{_coverage(found)}\n\n{_rates(found)}"

"""Tables in Markdown, and the pages of docs that they are written into."""

from __future__ import annotations

import datetime as dt
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from bench.measure import ROOT, Cost

PAGES = [
    ROOT / "docs" / name
    for name in ("performance.md", "accuracy.md", "review.md", "counting.md", "teach.md")
]


class Finding(NamedTuple):
    """What was measured, against its goal; `met` is None where there is no goal."""

    what: str
    goal: str
    measured: str
    met: bool | None = None


def table(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(findings: list[Finding]) -> str:
    """Lay out findings as a table, with whether each goal is met."""
    said = {True: "yes", False: "**no**", None: ""}
    rows = [[f.what, f.goal, f.measured, said[f.met]] for f in findings]
    return table(["what", "goal", "measured", "met"], rows)


def costs(named: dict[str, Cost]) -> str:
    """Lay out the cost of each command as a table."""
    rows = [
        [name, f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_mb:.0f}"]
        for name, cost in named.items()
    ]
    return table(["", "wall, s", "processor, s", "peak memory, MB"], rows)


def machine() -> str:
    """Name the date, the processor and the version of torch."""
    listed = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    named = re.search(r"^model name\s*: (.*)$", listed, re.MULTILINE)
    model = named.group(1) if named else "unknown processor"
    today = dt.datetime.now(tz=dt.UTC).date()
    return f"{today}, {model}, {os.cpu_count()} cores, torch {version('torch')}"


def publish(section: str, text: str) -> None:
    """Print a section, and put it between its marks on the page that has them."""
    print(f"\n## {section}\n\n{text}", flush=True)
    first, last = f"<!-- bench {section} -->", f"<!-- end {section} -->"
    pages = {path: path.read_text("utf-8") for path in PAGES}
    path = next((path for path, page in pages.items() if first in page and last in page), None)
    if path is None:
        names = ", ".join(str(path) for path in PAGES)
        raise SystemExit(f"{names}: lack the marks {first} and {last}")
    before, after = pages[path].split(first)[0], pages[path].split(last)[1]
    command = f"`python -m bench {section}`, {machine()}"
    path.write_text(f"{before}{first}\n{command}\n\n{text}\n{last}{after}", "utf-8")

"""Run benchmarks, print their tables, and write them into the pages of docs."""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

from bench import (
    ablation,
    accuracy,
    bfloat16,
    cohort,
    growth,
    intervals,
    million,
    peer,
    review,
    slide,
    sources,
    teach,
)
from bench.measure import SkipError
from bench.report import publish

#: Section of the pages -> module whose docstring says what it answers, and whose `measure` does.
SECTIONS: dict[str, ModuleType] = {
    "slide": slide,
    "bfloat16": bfloat16,
    "million": million,
    "growth": growth,
    "cohort": cohort,
    "peer": peer,
    "accuracy": accuracy,
    "intervals": intervals,
    "review": review,
    "teach": teach,
    "ablation": ablation,
    "sources": sources,
}

#: Takes half an hour or more, or an environment of its own: runs only when asked for by name.
_ON_REQUEST = {"ablation", "sources", "growth", "cohort", "peer"}


def help_text() -> str:
    """List the sections, and what each answers."""
    lines = []
    for name, module in SECTIONS.items():
        answer = " ".join((module.__doc__ or "").split())
        if name in _ON_REQUEST:
            answer += " Takes more than the others: runs only when it is named."
        indent = " " * 14
        lines.append(
            textwrap.fill(answer, 90, initial_indent=f"  {name:12}", subsequent_indent=indent)
        )
    return "sections:\n" + "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sections", nargs="*", metavar="section", help="default: all but the long ones"
    )
    parser.add_argument("--batch", type=int, default=1, help="of cohort: slides that share a job")
    parser.add_argument("--slide", default="CMU-1-Small-Region.svs", help="of peer: its name")
    asked = parser.parse_args()
    options = {"cohort": {"batch": asked.batch}, "peer": {"slide": asked.slide}}
    chosen = asked.sections or [name for name in SECTIONS if name not in _ON_REQUEST]
    for name in chosen:
        if name not in SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="nucwsi-bench-") as folder:
            try:
                publish(name, SECTIONS[name].measure(Path(folder), **options.get(name, {})))
            except SkipError as error:
                print(f"{name} is skipped: {error}")


if __name__ == "__main__":
    main()

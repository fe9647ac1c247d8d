"""Measure, print, and write the pages of docs: ``python -m bench [section ...]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import ablation, accuracy, bfloat16, growth, million, slide
from bench.measure import SkipError
from bench.report import publish

SECTIONS = {
    "slide": slide.measure,
    "bfloat16": bfloat16.measure,
    "million": million.measure,
    "growth": growth.measure,
    "accuracy": accuracy.measure,
    "ablation": ablation.measure,
}

#: Takes an hour or more, and runs only when it is asked for by name.
_ON_REQUEST = {"ablation"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or [name for name in SECTIONS if name not in _ON_REQUEST]
    for name in chosen:
        if name not in SECTIONS:
            parser.error(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="nucwsi-bench-") as folder:
            try:
                publish(name, SECTIONS[name](Path(folder)))
            except SkipError as error:
                print(f"{name} is skipped: {error}")


if __name__ == "__main__":
    main()

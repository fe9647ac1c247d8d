"""Damage files for a given time, and tell what came of it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# The libraries read these when they are loaded; a process with threads must not be forked.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from fuzz.log import Log, described
from fuzz.runner import Bench, Limits


def arguments() -> argparse.Namespace:
    """Read what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides what is damaged, and how")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--cases", type=int, help="how many cases to run instead")
    parser.add_argument("--case", type=int, help="the one case to repeat")
    parser.add_argument("--only", default="", help="only files whose name holds this")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="folder for failing cases")
    parser.add_argument("--cpu-s", type=int, default=20, help="processor seconds for a case")
    parser.add_argument("--memory-mb", type=float, default=1000.0, help="memory for a case")
    return parser.parse_args()


def numbers(asked: argparse.Namespace) -> Iterator[int]:
    """Yield the numbers of the cases that are asked for, until the time is over."""
    if asked.case is not None:
        yield asked.case
    elif asked.cases is not None:
        yield from range(asked.cases)
    else:
        end, number = time.monotonic() + asked.seconds, 0
        while time.monotonic() < end:
            yield number
            number += 1


def main() -> int:
    """Run cases, print what was tried, and return 1 if any fails."""
    asked = arguments()
    log, started = Log(asked.seed, asked.keep), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nucwsi-fuzz-") as folder:
        bench = Bench(Path(folder), Limits(asked.cpu_s, 6.0 * asked.cpu_s, asked.memory_mb))
        for number in numbers(asked):
            case = bench.case(asked.seed, number)
            if asked.only not in case.subject.name:
                continue
            verdict, ran = bench.judge(case)
            said = log.add(case, verdict, ran)
            if asked.case is not None:
                said = f"{described(case, verdict)}\n{ran.told}"
            if said:
                print(said, flush=True)  # noqa: T201
    took = time.monotonic() - started
    print(f"\nseed {asked.seed}: {log.n_cases} cases in {took:.0f} s, {log.n_faults} fail")  # noqa: T201
    print(f"\n{log.text()}")  # noqa: T201
    return 1 if log.n_faults else 0


if __name__ == "__main__":
    sys.exit(main())

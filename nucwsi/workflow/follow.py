"""How far a run has come, as the logs of its jobs tell: a live line for each slide on a terminal.

Every job writes its log and, when it has succeeded, its benchmark into the folder of the results,
on this computer as on a cluster. So a run can be followed by looking at these files.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nucwsi.runtime.progress import Reached, reached

#: Bytes at the end of a log in which its last line lies.
_TAIL = 512

#: What Snakemake writes after every job.
_STEPS = re.compile(r"(\d+) of (\d+) steps")

#: A slide is looked at so often, in seconds; where looking takes long, a tenth of the time at most
#: is spent on it.
_PAUSE_S, _SHARE = 0.5, 10

#: Where output is no terminal, a slide has a new line after so many seconds.
_QUIET_S = 30.0


class Running(NamedTuple):
    """The jobs of a slide that are running.

    Attributes
    ----------
    slide : str
        Name of the slide.
    steps : tuple of str
        Their verbs, each once, such as ``predict``.
    reached : Reached or None
        How far they have come, all parts together; None if they do not say.
    """

    slide: str
    steps: tuple[str, ...]
    reached: Reached | None


def running(results: Path, since: float, now: float) -> list[Running]:
    """List the slides that are worked on.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.
    since : float
        When the run began, in seconds of `time.time`: older logs are those of another run.
    now : float
        The time; a job that has told its speed is taken to have gone on with it.

    Returns
    -------
    list of Running
        In the order of their names.
    """
    logs = sorted(path for path in (results / "logs").glob("*") if path.is_dir())
    found = (_of_slide(folder, results / "benchmarks" / folder.name, since, now) for folder in logs)
    return [one for one in found if one is not None]


def _of_slide(logs: Path, benchmarks: Path, since: float, now: float) -> Running | None:
    verbs: dict[str, None] = {}
    told = []
    for log in sorted(logs.glob("*.log")):
        written = _written(log)
        if written < since or _written(benchmarks / f"{log.stem}.tsv") >= written:
            continue
        verbs[log.name.partition(".")[0]] = None
        state = reached(_tail(log))
        if state is not None:
            passed = min(max(0.0, now - written), _QUIET_S)
            done = min(state.total, state.done + int(state.rate * passed))
            told.append(state._replace(done=done))
    if not verbs:
        return None
    together = None
    if told:
        done, total, rate = (sum(getattr(s, n) for s in told) for n in ("done", "total", "rate"))
        together = Reached(done, total, told[0].unit, rate)
    return Running(logs.name, tuple(verbs), together)


def _written(path: Path) -> float:
    """Return when a file was last written; minus infinity if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("-inf")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def finished_steps(log: Path) -> tuple[int, int]:
    """Read how many jobs of a run are done.

    Parameters
    ----------
    log : pathlib.Path
        What Snakemake writes to stderr.

    Returns
    -------
    (int, int)
        Jobs that are done, and all jobs; zeros until the first is done.
    """
    try:
        counts = _STEPS.findall(log.read_text("utf-8", "replace"))
    except OSError:
        return 0, 0
    return (int(counts[-1][0]), int(counts[-1][1])) if counts else (0, 0)


def follow(results: Path, log: Path, is_over: Callable[[float], bool]) -> None:
    """Show on standard error how far a run has come, until it is over.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.
    log : pathlib.Path
        What Snakemake writes to stderr; it was made when the run began.
    is_over : callable
        Waits for so many seconds at most; returns whether the run is over.
    """
    since = log.stat().st_mtime
    with _live() if sys.stderr.isatty() else _lines() as show:
        pause = _PAUSE_S
        while not is_over(pause):
            started = time.monotonic()
            show(running(results, since, time.time()), finished_steps(log))
            pause = max(_PAUSE_S, _SHARE * (time.monotonic() - started))


#: Shows the slides that are worked on, and how many jobs of how many are done.
_Show = Callable[[list[Running], tuple[int, int]], None]


@contextmanager
def _live() -> Iterator[_Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    columns = (
        TextColumn("{task.fields[slide]}"),
        TextColumn("{task.fields[steps]}", style="cyan"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def _put(key: str, done: int, total: int | None, **fields: Any) -> None:
            if key not in tasks:
                tasks[key] = bar.add_task("", total=total, **fields)
            bar.update(tasks[key], completed=done, total=total, **fields)

        def _show(slides: list[Running], steps: tuple[int, int]) -> None:
            for gone in set(tasks) - {one.slide for one in slides} - {""}:
                bar.remove_task(tasks.pop(gone))
            done, total = steps
            told = f"{done} of {total} jobs" if total else ""
            _put("", done, total or None, slide="all slides", steps="", told=told)
            for one in slides:
                state = one.reached
                counts = (state.done, state.total) if state else (0, None)
                _put(one.slide, *counts, slide=one.slide, steps=_verbs(one), told=_told(state))

        yield _show


@contextmanager
def _lines() -> Iterator[_Show]:
    last: dict[str, tuple[tuple[str, ...], float]] = {}

    def _show(slides: list[Running], steps: tuple[int, int]) -> None:
        now = time.monotonic()
        for one in slides:
            before, at = last.get(one.slide, ((), 0.0))
            if one.steps == before and (one.reached is None or now - at < _QUIET_S):
                continue
            last[one.slide] = (one.steps, now)
            done = f"  ({steps[0]} of {steps[1]} jobs done)" if steps[1] else ""
            words = f"{one.slide}: {_verbs(one)} {_told(one.reached)}".rstrip()
            sys.stderr.write(words + done + "\n")
        sys.stderr.flush()

    yield _show


def _verbs(one: Running) -> str:
    return ", ".join(one.steps)


def _told(state: Reached | None) -> str:
    if state is None:
        return ""
    left = (state.total - state.done) / state.rate if state.rate else 0.0
    minutes, seconds = divmod(round(left), 60)
    speed = f"{state.rate:.2f} {state.unit}/s"
    return f"{state.done} of {state.total} {state.unit}, {speed}, {minutes}:{seconds:02d} left"

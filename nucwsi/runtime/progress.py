"""Progress of a step: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

log = logging.getLogger(__name__)

#: Shortest and longest time between two lines of a log, in seconds; between them, the time grows by
#: this share of what has passed, so that a log shows progress early and stays short.
_LEAST_PAUSE_S, _PAUSE_S, _PAUSE_SHARE = 1.0, 30.0, 0.1

#: What `_lines` writes while a loop runs, and how it is read.
_LINE = "%d of %d %s, %.2f/s, %.0f s left"
_READ = re.compile(r"(\d+) of (\d+) ([^,]+), ([\d.]+)/s, \d+ s left$")


class Advance(Protocol):
    """What a loop calls when it has finished items."""

    def __call__(self, count: int, *, earlier: bool = False) -> None:
        """Count finished items; those that an `earlier` run finished do not count as speed."""


class Reached(NamedTuple):
    """How far a loop has come, as its log tells.

    Attributes
    ----------
    done, total : int
        Items that are finished, and that there are in all.
    unit : str
        What an item is, in the plural.
    rate : float
        Items per second.
    """

    done: int
    total: int
    unit: str
    rate: float


def reached(text: str) -> Reached | None:
    """Read from a log how far its loop has come.

    Parameters
    ----------
    text : str
        The log, or its end.

    Returns
    -------
    Reached or None
        What the last line says; None if it says something else.

    Examples
    --------
    >>> reached("12:00:01 30 of 100 tiles, 0.50/s, 140 s left")
    Reached(done=30, total=100, unit='tiles', rate=0.5)
    """
    found = _READ.search(text.rstrip().rpartition("\n")[2])
    return found and Reached(int(found[1]), int(found[2]), found[3], float(found[4]))


@contextmanager
def progress(verb: str, total: int, unit: str) -> Iterator[Advance]:
    """Report the progress of a loop on standard error.

    Parameters
    ----------
    verb : str
        Name of the step, which begins the bar.
    total : int
        Items that there are in all.
    unit : str
        What an item is, in the plural, such as ``tiles``.

    Yields
    ------
    Advance
        To be called with the number of items that were finished.
    """
    # A notebook shows the bar below its cell.
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    with _bar(verb, total, unit) if seen else _lines(total, unit) as advance:
        yield advance


@contextmanager
def _bar(verb: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    started, before = time.monotonic(), 0
    speed = TextColumn("{task.fields[rate]:.2f} " + unit + "/s")
    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(), speed)
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(verb, total=total, rate=0.0)

        def _advance(count: int, *, earlier: bool = False) -> None:
            nonlocal before
            before += count * earlier
            done = bar.tasks[0].completed + count - before
            bar.update(task, advance=count, rate=done / (time.monotonic() - started))

        yield _advance


@contextmanager
def _lines(total: int, unit: str) -> Iterator[Advance]:
    started, before, done = time.monotonic(), 0, 0
    last_line = started

    def _advance(count: int, *, earlier: bool = False) -> None:
        nonlocal done, last_line, before
        done += count
        before += count * earlier
        now = time.monotonic()
        pause = min(max(_LEAST_PAUSE_S, _PAUSE_SHARE * (now - started)), _PAUSE_S)
        if now - last_line >= pause and done > before:
            last_line = now
            rate = (done - before) / (now - started)
            log.info(_LINE, done, total, unit, rate, (total - done) / rate)

    yield _advance
    seconds = time.monotonic() - started
    log.info("%d %s in %.1f s", done - before, unit, seconds)

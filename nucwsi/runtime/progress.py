"""Progress of a step: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)

#: Seconds between two lines of a log.
_PAUSE_S = 30.0


class Advance(Protocol):
    """What a loop calls when it has finished items."""

    def __call__(self, count: int, *, earlier: bool = False) -> None:
        """Count finished items; those that an `earlier` run finished do not count as speed."""


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
    with _bar(verb, total, unit) if sys.stderr.isatty() else _lines(total, unit) as advance:
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
        if now - last_line >= _PAUSE_S and done > before:
            last_line = now
            rate = (done - before) / (now - started)
            left = (total - done) / rate
            log.info("%d of %d %s, %.2f/s, %.0f s left", done, total, unit, rate, left)

    yield _advance
    seconds = time.monotonic() - started
    log.info("%d %s in %.1f s", done - before, unit, seconds)

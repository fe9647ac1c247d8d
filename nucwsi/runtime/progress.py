"""How far a step has come: a bar on a terminal, plain lines in a log."""

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
    """What a loop calls to say how far it has come."""

    def __call__(self, count: int, *, earlier: bool = False) -> None:
        """Take the number of items just finished, or finished `earlier`, by a run before."""


@contextmanager
def progress(verb: str, total: int, unit: str) -> Iterator[Advance]:
    """Report the advance of a loop on standard error.

    Parameters
    ----------
    verb : str
        Name of the step.
    total : int
        Items to do.
    unit : str
        What the items are, in the plural.

    Yields
    ------
    Advance
    """
    started, before = time.monotonic(), 0
    if sys.stderr.isatty():
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        speed = TextColumn("{task.fields[rate]:.2f} " + unit + "/s")
        columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
        with Progress(*columns, speed, TimeRemainingColumn()) as bar:
            task = bar.add_task(verb, total=total, rate=0.0)

            def _advance_bar(count: int, *, earlier: bool = False) -> None:
                nonlocal before
                before += count * earlier
                done = bar.tasks[0].completed + count - before
                bar.update(task, advance=count, rate=done / (time.monotonic() - started))

            yield _advance_bar
        return
    done, told = 0, started

    def _advance_log(count: int, *, earlier: bool = False) -> None:
        nonlocal done, told, before
        done += count
        before += count * earlier
        now = time.monotonic()
        if now - told >= _PAUSE_S and done > before:
            told = now
            rate = (done - before) / (now - started)
            left = (total - done) / rate
            log.info("%d of %d %s, %.2f/s, %.0f s left", done, total, unit, rate, left)

    yield _advance_log
    seconds = time.monotonic() - started
    log.info("%d %s in %.1f s", done - before, unit, seconds)

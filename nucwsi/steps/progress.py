"""How far a step has come: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

#: Seconds between two lines of a log.
_PAUSE_S = 30.0


@contextmanager
def progress(verb: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
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
    callable
        Takes the number of items that were just finished.
    """
    started = time.monotonic()
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

            def _advance_bar(count: int) -> None:
                done = bar.tasks[0].completed + count
                bar.update(task, advance=count, rate=done / (time.monotonic() - started))

            yield _advance_bar
        return
    done, told = 0, started

    def _advance_log(count: int) -> None:
        nonlocal done, told
        done += count
        now = time.monotonic()
        if now - told >= _PAUSE_S:
            told = now
            rate = done / (now - started)
            left = (total - done) / rate
            log.info("%d of %d %s, %.2f/s, %.0f s left", done, total, unit, rate, left)

    yield _advance_log
    seconds = time.monotonic() - started
    log.info("%d %s in %.1f s", done, unit, seconds)

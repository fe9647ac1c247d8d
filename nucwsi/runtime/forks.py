"""A process that has loaded libraries, from which others are forked within milliseconds.

Libraries are loaded once, and work that crashes or runs out of memory takes no other with it: each
is a process of its own.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")

#: To start a process asks how the others have ended; two threads that read the exit code of one
#: process at once get a wrong one.
_ONE_ASKS = threading.Lock()

#: Is set when all is loaded.
_LOADED = threading.Event()


def warm_up(modules: Sequence[str]) -> None:
    """Start the process from which others are forked; it loads libraries while they work.

    Parameters
    ----------
    modules : sequence of str
        What it is to load.
    """
    from multiprocessing import forkserver

    # macOS ends forked processes that use its own libraries; there only Python is started once.
    _FORKS.set_forkserver_preload(list(modules) if sys.platform == "linux" else [])
    forkserver.ensure_running()
    threading.Thread(target=_wait_until_loaded, daemon=True).start()


def _wait_until_loaded() -> None:
    """Fork a process that does nothing: the first one starts when all is loaded."""
    with suppress(OSError, EOFError):
        forked(int)
        _LOADED.set()


def is_warm() -> bool:
    """Tell whether all is loaded, so that a fork starts at once.

    Returns
    -------
    bool
        It stays False if the process could not load.
    """
    return _LOADED.is_set()


def forked(target: Callable[..., object], *args: Any) -> int:
    """Call a function in a process of its own, and wait for its end.

    Parameters
    ----------
    target : callable
        Of the top level of a module.
    *args
        What it is called with; is pickled.

    Returns
    -------
    int
        Exit code of the process; negative if a signal has ended it.
    """
    process = _FORKS.Process(target=target, args=args)
    with _ONE_ASKS:
        process.start()
    wait([process.sentinel])
    with _ONE_ASKS:
        return process.exitcode or 0

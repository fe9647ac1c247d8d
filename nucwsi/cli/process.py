"""What a process of the command line sets up before it begins to work."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from typing import Any

from nucwsi.errors import NOT_ON_WINDOWS, ConfigError

#: Exit code of a command that ran out of memory: the same command may succeed with more. It is
#: EX_TEMPFAIL of sysexits.h, "temporary failure, try again". Any other error ends with 1 or 2.
EXIT_MEMORY = 75

#: With fewer bytes of addresses libraries abort, end the process or hang (OpenBLAS) as they load.
_LEAST_ADDRESSES = 1 << 30


def prepare() -> None:
    """Set up garbage collection, libraries that are loaded later, signals and the log.

    Raises
    ------
    ConfigError
        On Windows.
    MemoryError
        If the process may not have the addresses that libraries need to load.
    """
    if sys.platform == "win32":
        raise ConfigError(NOT_ON_WINDOWS)
    import resource  # Windows has none.

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_ADDRESSES:
        raise MemoryError(f"`ulimit -v` allows {limit} bytes, expected {_LEAST_ADDRESSES}")
    # Verbs make arrays and hardly any reference cycles. Searching for cycles after every 700
    # objects takes a tenth of the time of most verbs; at exit, searching torch takes half a second.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Arrow's own allocator keeps freed memory. Arrow reads this variable when it is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Preparing OpenBLAS for large matrices and pydantic for plugins takes a tenth of a second, and
    # nucwsi uses neither.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A scheduler announces with SIGTERM that it ends a job: exiting removes half-written files.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _exit)
        signal.signal(signal.SIGALRM, _exit)
        sys.unraisablehook = _unraisable
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )


def _exit(*_: Any) -> None:
    sys.exit(128 + signal.SIGTERM)


def _unraisable(unraisable: Any) -> None:
    """Exit a little later if Python was in a finaliser, from which no exception gets out."""
    if isinstance(unraisable.exc_value, SystemExit):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(unraisable)

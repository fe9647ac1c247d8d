"""What a process of the command line sets up before it works."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
import threading


def prepare() -> None:
    """Set up collection of garbage, libraries that are not loaded yet, signals and the log."""
    # Verbs make arrays, hardly ever cycles. To look for these at every 700 objects takes a tenth of
    # the time of most verbs, and to look through all of torch at the end half a second.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    # Arrow's own allocator keeps what was freed; said before Arrow is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # To get ready for large matrices and for plugins takes a tenth of a second; here are neither.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A cluster that ends a job says so first: what is half written is taken away.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )

"""A command in a process that was forked for it."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucwsi.workflow.calls import Call

#: What the process has loaded from which calls are forked: what verbs import at once, and on the
#: way.
MODULES = (
    *("nucwsi.cli.commands", "nucwsi.cli.forked", "nucwsi.workflow.calls"),
    *(f"nucwsi.steps.{name}" for name in ("tile", "predict", "segment", "stitch", "compose")),
    *(f"nucwsi.steps.{name}" for name in ("export", "assess", "render", "provenance")),
    *(f"nucwsi.steps.{name}" for name in ("summary", "report")),
    *("zarr", "safetensors.torch", "pyarrow.compute", "scipy.sparse.csgraph"),
)


def run_call(call: Call, folder: str) -> None:
    """Run a command of nucwsi in this process, which was forked for it.

    Parameters
    ----------
    call : Call
        Its words, and the files that get its messages and its cost.
    folder : str
        The working directory, from which relative paths start.

    Raises
    ------
    SystemExit
        At its end, with the exit code of the command.
    """
    from nucwsi.cli.commands import main

    threading.Thread(target=_end_with_workflow, daemon=True).start()
    os.chdir(folder)
    with open(call.log, "wb") as log:  # noqa: PTH123 (a file descriptor is wanted)
        os.dup2(log.fileno(), 2)
        if call.has_output:
            os.dup2(log.fileno(), 1)
    began = time.perf_counter()
    try:
        main(call.words, prog_name="nucwsi")
    except SystemExit as end:
        if call.benchmark and not end.code:
            _write_cost(call.benchmark, time.perf_counter() - began)
        raise


def _end_with_workflow() -> None:
    """Leave no step behind that holds the locks of its outputs, if its workflow is killed."""
    workflow = multiprocessing.parent_process()
    if workflow is not None:
        workflow.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _write_cost(path: str, wall_s: float) -> None:
    """Write a benchmark file as Snakemake does, with what is known of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime
    peak_mb = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    minutes, seconds = divmod(int(wall_s), 60)
    row = {
        "s": f"{wall_s:.4f}",
        "h:m:s": f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}",
        "max_rss": f"{peak_mb:.2f}",
        **dict.fromkeys(("max_vms", "max_uss", "max_pss", "io_in", "io_out"), "NA"),
        "mean_load": f"{100 * cpu_s / max(wall_s, 1e-9):.2f}",
        "cpu_time": f"{cpu_s:.2f}",
    }
    with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")

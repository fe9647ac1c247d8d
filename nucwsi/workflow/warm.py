"""An executor of Snakemake whose jobs are forked from a process that has loaded everything.

Libraries are loaded once, and a verb that crashes or runs out of memory takes no other with it:
each is a process of its own, which starts within milliseconds.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, ClassVar

from snakemake.exceptions import SpawnedJobError
from snakemake.executors import local
from snakemake.executors.local import common_settings

from nucwsi.workflow.calls import Call, call_of

__all__ = ["Executor", "common_settings", "warm_up"]

#: Where the workflow of a batch finds this module, as a plug-in of Snakemake.
NAME = "nucwsi"

_FORKS = multiprocessing.get_context("forkserver")

#: To start a process asks how the others have ended; two threads that read the exit code of one
#: process at once get a wrong one.
_ONE_ASKS = threading.Lock()

#: What the forked processes have loaded: what verbs import at once, and on the way.
_MODULES = (
    *("nucwsi.cli.commands", "nucwsi.cli.forked", "nucwsi.workflow.calls"),
    *(f"nucwsi.steps.{name}" for name in ("tile", "predict", "segment", "stitch", "compose")),
    *(f"nucwsi.steps.{name}" for name in ("export", "assess", "render", "provenance")),
    *("zarr", "safetensors.torch", "pyarrow.compute"),
)


class Executor(local.Executor):  # type: ignore[misc]
    """Runs jobs here, those of nucwsi as forks; an executor in the sense of Snakemake's plug-ins.

    Attributes
    ----------
    target : callable
        What a fork does with its `Call`; of the command line, which is not known here.
    failed : list of pathlib.Path
        Logs of the calls that have failed.
    """

    target: Callable[[Call], object]
    failed: ClassVar[list[Path]] = []

    def run_jobs(self, jobs: list[Any]) -> None:
        """Start jobs; from now on SIGTERM ends this process at once, and with it the forks.

        Snakemake's own handler waits until the jobs that run are done, or, where it interrupts a
        moment in which its thread holds the scheduler's lock, without end.

        Parameters
        ----------
        jobs : list of snakemake.jobs.Job
            Those that Snakemake has chosen.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        super().run_jobs(jobs)

    def run_single_job(self, job: Any) -> Any:
        """Start a job.

        Parameters
        ----------
        job : snakemake.jobs.Job
            One that Snakemake has chosen.

        Returns
        -------
        concurrent.futures.Future
            Is done when the job has ended.
        """
        call = call_of(job.shellcmd, str(job.benchmark or "")) if job.is_shell else None
        if call is None:
            return super().run_single_job(job)
        self.workflow.async_run(job.prepare())
        return self.pool.submit(self._forked, call)

    def _forked(self, call: Call) -> None:
        process = _FORKS.Process(target=type(self).target, args=(call,))
        with _ONE_ASKS:
            process.start()
        wait([process.sentinel])
        with _ONE_ASKS:
            code = process.exitcode
        if code:
            self.failed.append(Path(call.log))
            raise SpawnedJobError


def warm_up(modules: Sequence[str] = _MODULES) -> None:
    """Start the process from which jobs are forked; it loads libraries while others work.

    Parameters
    ----------
    modules : sequence of str
        What it is to load.
    """
    from multiprocessing import forkserver

    # macOS ends forked processes that use its own libraries; there only Python is started once.
    _FORKS.set_forkserver_preload(list(modules) if sys.platform == "linux" else [])
    forkserver.ensure_running()

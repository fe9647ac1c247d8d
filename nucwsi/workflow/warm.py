"""Snakemake's local executor, whose jobs are forked from a process that has loaded everything."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from snakemake.cli import main
from snakemake.exceptions import SpawnedJobError
from snakemake.executors import local
from snakemake.executors.local import common_settings
from snakemake_interface_executor_plugins.registry import (  # type: ignore[import-untyped]
    ExecutorPluginRegistry,
)

from nucwsi.runtime.forks import forked, is_warm
from nucwsi.workflow.calls import Call, call_of

__all__ = ["Executor", "common_settings", "snakemake"]


class Executor(local.Executor):  # type: ignore[misc]
    """Runs jobs here, those of nucwsi as forks; an executor in the sense of Snakemake's plug-ins.

    Attributes
    ----------
    target : callable
        What a fork does with its `Call` and its working directory; of the command line, which is
        not known here.
    in_batch : bool
        Whether this is the job of a batch.
    failed : list of pathlib.Path
        Logs of the calls that have failed.
    """

    target: Callable[[Call, str], object]
    in_batch: ClassVar[bool] = False
    failed: ClassVar[list[Path]] = []

    def run_jobs(self, jobs: list[Any]) -> None:
        """Start jobs; in a batch, SIGTERM from now on ends this process at once, and its forks.

        Snakemake's own handler waits until the jobs that run are done, or, where it interrupts a
        moment in which its thread holds the scheduler's lock, without end.

        Parameters
        ----------
        jobs : list of snakemake.jobs.Job
            Those that Snakemake has chosen.
        """
        if self.in_batch:
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
        if call is None or not self._may_fork(job):
            return super().run_single_job(job)
        self.workflow.async_run(job.prepare())
        return self.pool.submit(self._forked, call)

    def _may_fork(self, job: Any) -> bool:
        """Tell whether a fork does what the shell would, and starts no later than a program."""
        elsewhere = self.workflow.deployment_settings.deployment_method
        own_folder = job.resources.get("tmpdir", "") != tempfile.gettempdir()
        return not elsewhere and not own_folder and (self.in_batch or is_warm())

    def _forked(self, call: Call) -> None:
        if forked(type(self).target, call, str(Path.cwd())):
            self.failed.append(Path(call.log))
            raise SpawnedJobError


def snakemake(
    words: Sequence[str], target: Callable[[Call, str], object], *, in_batch: bool = False
) -> None:
    """Run Snakemake in this process; the jobs that it would run here are forked.

    Parameters
    ----------
    words : sequence of str
        Snakemake's command line. `runtime.forks.warm_up` is to be called before.
    target : callable
        See `Executor`.
    in_batch : bool
        See `Executor`.

    Raises
    ------
    SystemExit
        At its end, with Snakemake's exit code.
    """
    Executor.target, Executor.in_batch = staticmethod(target), in_batch
    registry = ExecutorPluginRegistry()
    registry.plugins["local"] = registry.load_plugin("local", sys.modules[__name__])
    # Snakemake writes its messages itself.
    logging.getLogger().handlers.clear()
    try:
        main(words)
    finally:
        # Snakemake looks at its jobs again a second after it has started some, also at the end.
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.cancel()

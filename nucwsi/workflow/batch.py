"""`nucwsi batch`: the workflow for the slides of one batch, with steps forked from one process."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nucwsi.errors import ConfigError, NucwsiError
from nucwsi.runtime.machine import this_machine
from nucwsi.workflow.batches import OWN_MB, WITHIN
from nucwsi.workflow.calls import Call
from nucwsi.workflow.place import SNAKEFILE
from nucwsi.workflow.retries import error_in, is_passing

#: So many failures are quoted.
_QUOTED = 3


@dataclass(frozen=True)
class Batch:
    """What the job of a batch does.

    Attributes
    ----------
    slides : tuple of str
        Names of its slides.
    configuration : str
        The run's configuration, as JSON.
    threads : int
        Processor cores of the job.
    memory_mb : int
        Memory of the job in MB: steps of several slides run at once as far as it goes.
    gpus : int
        GPUs of the job.
    words : tuple of str
        Further options for Snakemake, each with its values: how slides are fetched.
    """

    slides: tuple[str, ...]
    configuration: str
    threads: int
    memory_mb: int
    gpus: int
    words: tuple[str, ...]


def run_batch(batch: Batch, target: Callable[[Call, str], object]) -> None:
    """Take the slides of a batch through all steps; one that fails does not stop the others.

    Parameters
    ----------
    batch : Batch
        Which slides, and with what.
    target : callable
        Runs a `calls.Call` in a process of its own, in the working directory that it is also given.

    Raises
    ------
    ConfigError
        If the configuration is no JSON object.
    NucwsiError
        If slides have failed; the message says why.
    SystemExit
        If a step broke in another way, so that another attempt may help.
    """
    _check(batch.configuration)
    os.environ[WITHIN] = " ".join(batch.slides)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(batch.configuration, "utf-8")
        code, logs = _snakemake(batch, file, target)
    reasons = [error_in(log) for log in logs]
    if code and reasons and all(reasons):
        count = len({log.parent for log in logs})
        more = f"; and {len(reasons) - _QUOTED} more" if len(reasons) > _QUOTED else ""
        told = "; ".join(sorted(reasons, key=is_passing, reverse=True)[:_QUOTED])
        raise NucwsiError(f"{count} of {len(batch.slides)} slides failed: {told}{more}")
    if code:
        sys.exit(code)


def _threads(batch: Batch) -> list[str]:
    """Leave threads to other slides while one has the GPU."""
    has_gpu = batch.gpus > 0 and this_machine().gpu
    return ["--set-threads", f"predict={max(1, batch.threads // 2)}"] if has_gpu else []


def _check(configuration: str) -> None:
    try:
        values = json.loads(configuration)
    except ValueError as error:
        raise ConfigError(f"--configuration: is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"--configuration: is {values!r}, expected an object of JSON")


def _snakemake(
    batch: Batch, configuration: Path, target: Callable[[Call, str], object]
) -> tuple[int, list[Path]]:
    """Run the workflow in this process; return its exit code, and the logs of what failed."""
    # Of the extra `workflow`, without which there are no batches.
    from nucwsi.workflow.warm import Executor, snakemake

    words = [
        *("slides", "--snakefile", str(SNAKEFILE)),
        *("--configfile", str(configuration), "--replace-workflow-config"),
        *("--profile", "none", "--workflow-profile", "none"),
        *("--cores", str(batch.threads)),
        *("--resources", f"mem_mb={max(batch.memory_mb - OWN_MB, 1)}", f"gpu={batch.gpus}"),
        # The outer workflow holds the lock, and has hooks of its own.
        *("--nolock", "--no-hooks", "--keep-going", "--rerun-incomplete", "--show-failed-logs"),
        *("--nocolor", "--scheduler", "greedy"),
        *_threads(batch),
        *(word for words in batch.words for word in shlex.split(words)),
    ]
    try:
        snakemake(words, target, in_batch=True)
    except SystemExit as end:
        return int(bool(end.code)), Executor.failed
    return 0, Executor.failed

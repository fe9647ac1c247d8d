"""Snakemake as a process: started, followed, ended by Ctrl-C, and quoted where it fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nucwsi.errors import NucwsiError
from nucwsi.workflow.follow import follow

#: Exit code of a program that Ctrl-C has ended.
_INTERRUPTED = 128 + signal.SIGINT

#: What Snakemake says of a job that failed.
_LOG_OF_JOB = re.compile(r"^    log: (.+) \(check log", re.MULTILINE)

#: So many of Snakemake's last lines are quoted.
_LAST_LINES = 4


def followed(command: Sequence[str], results: Path, handle: tuple[int, ...]) -> tuple[int, str]:
    """Run Snakemake and show how far it has come.

    Parameters
    ----------
    command : sequence of str
        Program and words.
    results : pathlib.Path
        Folder of all results, which gets the log of what Snakemake says.
    handle : tuple of int
        Open files that Snakemake inherits.

    Returns
    -------
    code : int
        Its exit code; 130 after Ctrl-C.
    told : str
        What it says to the user at its end; may be empty.

    Raises
    ------
    NucwsiError
        If it fails and does not say why.
    """
    log = results / "logs" / "snakemake.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as errors, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=errors,
            pass_fds=handle,
            # Ctrl-C reaches this process alone, which passes it on once.
            start_new_session=True,
        )

        def is_over(seconds: float) -> bool:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            return process.returncode is not None

        try:
            follow(results, log, is_over)
        except KeyboardInterrupt:
            _end(process)
            return _INTERRUPTED, "stopped; the same command goes on from here: what is done is kept"
        except BaseException:
            _end(process)
            raise
        said.seek(0)
        told = said.read().decode("utf-8", "replace").rstrip()
    if process.returncode and not told:
        raise NucwsiError(
            f"Snakemake ended with exit code {process.returncode}: {_last_words(log)}; all that it"
            f" said is in {log}"
        )
    return process.returncode, told


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Snakemake and its jobs as Ctrl-C does; a second Ctrl-C ends them at once."""
    kind = signal.SIGINT
    while process.returncode is None:
        try:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
            process.wait()
        except KeyboardInterrupt:
            kind = signal.SIGKILL


def _last_words(log: Path) -> str:
    """Return which logs tell of jobs that broke; else the last lines of Snakemake."""
    text = log.read_text("utf-8", "replace")
    broken = dict.fromkeys(_LOG_OF_JOB.findall(text))
    if broken:
        return f"see {', '.join(broken)} in the folder of results"
    lines = [line.strip() for line in text.splitlines()]
    return " ".join([line for line in lines if line][-_LAST_LINES:]) or "it said nothing"

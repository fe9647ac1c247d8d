"""Whether a job that failed may succeed if it is tried again, as its log tells."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

#: What an error says that may be gone at the next attempt: more memory is asked for then, another
#: process has ended, there is room on the disk, the file server answers.
_MAY_PASS = (
    *("not enough memory", "another process", "cannot be written"),
    *map(os.strerror, (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN)),
)


def error_in(log: Path) -> str:
    """Return the error with which a command of nucwsi ended.

    Parameters
    ----------
    log : pathlib.Path
        What the command wrote to stderr.

    Returns
    -------
    str
        The last line, such as ``nucwsi tile: a.svs: ...``; empty if the command succeeded, was
        killed, broke in another way, or has not begun.
    """
    try:
        last = log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2]
    except FileNotFoundError:
        return ""
    return last if last.startswith("nucwsi ") else ""


def is_hopeless(logs: Iterable[str], since: float) -> bool:
    """Return whether a job failed of its input and would fail of it again.

    Parameters
    ----------
    logs : iterable of str
        Files to which the job's commands write.
    since : float
        When the run began, in seconds of `time.time`: an older log is that of another attempt. If
        the clocks of two machines differ, a job is tried once too often.

    Returns
    -------
    bool
        False if it was killed, for its memory or time, or failed of something that may pass.
    """
    for log in map(Path, logs):
        error = error_in(log)
        if error and log.stat().st_mtime >= since:
            return not is_passing(error)
    return False


def is_passing(error: str) -> bool:
    """Return whether an error may be gone at the next attempt.

    Parameters
    ----------
    error : str
        A line as `error_in` returns it.

    Returns
    -------
    bool
        True if it speaks of memory, a lock, or a disk or server that may be back.
    """
    return any(words in error for words in _MAY_PASS)

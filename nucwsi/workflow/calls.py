"""Calls of the command line, as the rules of the workflow write them."""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Call(NamedTuple):
    """A call of the command line, as a rule writes it.

    Attributes
    ----------
    words : list of str
        What follows ``nucwsi``.
    log : str
        The file that gets its messages.
    has_output : bool
        Whether the log also gets what it prints.
    benchmark : str
        The file that gets what it has cost; empty if nobody asks.
    """

    words: list[str]
    log: str
    has_output: bool
    benchmark: str


def call_of(command: str, benchmark: str = "") -> Call | None:
    """Read the command of a rule.

    Parameters
    ----------
    command : str
        For a shell, such as ``nucwsi tile ... 2> tile.log``.
    benchmark : str
        Benchmark file of the job.

    Returns
    -------
    Call or None
        None if it is more than one call of nucwsi with a log.

    Examples
    --------
    >>> call_of("nucwsi tile 'a b.svs' 2> tile.log")
    Call(words=['tile', 'a b.svs'], log='tile.log', has_output=False, benchmark='')
    >>> call_of("nucwsi check a.svs 2>&1 | tee check.log") is None
    True
    """
    words = shlex.split(command)
    if words[:1] != ["nucwsi"] or {"|", ";", "&&", "||", "<"} & set(words):
        return None
    if words[-2:-1] == ["2>"]:
        return Call(words[1:-2], words[-1], False, benchmark)
    if words[-3:-2] == [">"] and words[-1] == "2>&1":
        return Call(words[1:-3], words[-2], True, benchmark)
    return None

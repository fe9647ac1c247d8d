"""Whether this computer is one's own."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

#: User numbers of people; others are those of services.
_PEOPLE = range(1000, 65534)

#: Variables of a session on a computer that is hardly one's own.
_REMOTE = ("SSH_CONNECTION", "SLURM_JOB_ID")


def is_shared_computer() -> bool:
    """Tell whether other people may use this computer, who could reach the server.

    Returns
    -------
    bool
        True if another person has an account or a process here, or this is a session by SSH or of
        SLURM. Accounts of a directory service are not always listed, but their processes are.
    """
    if any(name in os.environ for name in _REMOTE):
        return True
    able = (
        entry.pw_uid
        for entry in pwd.getpwall()
        if not entry.pw_shell.endswith(("/nologin", "/false", "/sync"))
    )
    others = {*able, *_process_owners()} - {os.getuid()}
    return any(user in _PEOPLE for user in others)


def _process_owners() -> set[int]:
    """Return the users that have a process; none where the system has no /proc."""
    owners: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            owners.add(entry.stat().st_uid)
        except OSError:
            continue  # it has just ended
    return owners

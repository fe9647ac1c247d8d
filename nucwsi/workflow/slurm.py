"""Which program tells how the jobs of a SLURM cluster are, known before the first job."""

from __future__ import annotations

import re
import subprocess

from nucwsi.errors import ConfigError

#: Snakemake's executor asks at least so often, in seconds; a job that SLURM has forgotten meanwhile
#: is waited for without end.
_LONGEST_WAIT_S = 180

#: The executor prefers `sacct`, unless SLURM remembers jobs for so many of its first waits.
_WAITS = 3

#: A program of SLURM that has not answered for so long does not answer, in seconds.
_PATIENCE_S = 60

#: The question of the executor, about a run that does not exist.
_SACCT = ("sacct", "-X", "--clusters", "all", "--noheader", "--name", "nucwsi")


def answering_command(wanted: str, first_wait_s: int) -> tuple[str, str]:
    """Choose the program that tells the states of jobs, where SLURM may have no accounting.

    Without accounting, `sacct` answers with an error, which the executor takes for "not yet known":
    it would wait in silence for jobs that have long ended.

    Parameters
    ----------
    wanted : str
        ``sacct`` or ``squeue``, as ``--slurm-status-command`` says.
    first_wait_s : int
        ``--slurm-init-seconds-before-status-checks``: seconds before a job is first asked about.

    Returns
    -------
    command : str
        `wanted` where `sacct` answers, else ``squeue``.
    notice : str
        One line that says why it is not `wanted`; else empty.

    Raises
    ------
    ConfigError
        If `sacct` does not answer, and SLURM forgets jobs before `squeue` is asked about them.
    """
    _, trouble = _ask(*_SACCT)
    if not trouble:
        return wanted, ""
    settings, silence = _ask("scontrol", "show", "config")
    if silence:
        raise ConfigError(f"SLURM does not answer: {silence}; run Snakemake where `sbatch` works")
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", settings, re.MULTILINE)
    remembered_s = int(age[1]) if age else 0
    needed_s = max(_WAITS * first_wait_s, _LONGEST_WAIT_S + first_wait_s)
    if remembered_s < needed_s:
        raise ConfigError(
            f"`sacct` does not answer ({trouble}), and `squeue` forgets jobs {remembered_s} s after"
            f" their end: ask your administrators for accounting or for MinJobAge={needed_s} in"
            " slurm.conf"
        )
    if wanted == "squeue":
        return wanted, ""
    return "squeue", (
        f"`sacct` does not answer ({trouble}); `squeue` is asked for the states of jobs. The line"
        " for the profile: slurm-status-command: squeue"
    )


def _ask(*words: str) -> tuple[str, str]:
    """Run a program of SLURM; return what it says, and in one line why it failed, if it did."""
    try:
        ran = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            errors="replace",
        )
    except FileNotFoundError:
        return "", f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return "", f"{words[0]} took more than {_PATIENCE_S} s"
    said = " ".join((ran.stderr or ran.stdout).split())[:200]
    return ran.stdout, (said or f"exit code {ran.returncode}") if ran.returncode else ""

"""What a process sets up: it tidies up when a scheduler ends it, and keeps a user's variables."""

import os
import signal
import subprocess
import sys

import pytest
from commands import refused

import nucwsi
from nucwsi.cli.process import EXIT_MEMORY

ENDED = """
import os, signal
from nucwsi.cli.process import prepare
prepare()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
finally:
    print("tidied up")
"""

TOLD = """
import os
from nucwsi.cli.process import prepare
prepare()
print(os.environ["ARROW_DEFAULT_MEMORY_POOL"], os.environ["OPENBLAS_NUM_THREADS"])
"""


def ran(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_a_job_that_is_ended_tidies_up():
    ended = ran(ENDED)
    assert ended.stdout == "tidied up\n"
    assert ended.returncode == 128 + signal.SIGTERM


FINALISED = """
import os, signal
from nucwsi.cli.process import prepare
prepare()

class Holder:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(100))

class Faulty:
    def __del__(self):
        1 / 0

try:
    Faulty()
    Holder()
    signal.pause()
finally:
    print("tidied up")
"""


def test_a_job_that_is_ended_within_a_finaliser_ends_soon():
    """Python swallows exceptions there, and would write a traceback instead of exiting."""
    ended = ran(FINALISED)
    assert ended.stdout == "tidied up\n"
    assert ended.returncode == 128 + signal.SIGTERM
    assert "SystemExit" not in ended.stderr
    assert "ZeroDivisionError" in ended.stderr, "other faults are not hidden"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "system 1\n"),
        ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc", "OPENBLAS_NUM_THREADS": "3"}, "mimalloc 3\n"),
    ],
)
def test_a_users_variables_are_kept(monkeypatch, environment, expected):
    for name in ("ARROW_DEFAULT_MEMORY_POOL", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert ran(TOLD, **environment).stdout == expected


def test_the_log_goes_to_stderr_with_the_time():
    told = ran(
        "import logging\nfrom nucwsi.cli.process import prepare\nprepare()\n"
        "logging.getLogger('nucwsi').info('12 tiles')"
    )
    assert told.stdout == ""
    assert told.stderr[2] == told.stderr[5] == ":"
    assert told.stderr.endswith(" 12 tiles\n")


def test_a_process_that_cannot_load_its_libraries_says_so_at_once():
    """With less, OpenBLAS hangs as it is loaded, and other libraries end the process."""
    code = "from nucwsi.cli.commands import main; main(prog_name='nucwsi')"
    command = f'ulimit -v 400000; exec "$0" -c "{code}" summary x.csv -o y.csv'
    told = subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, text=True, check=False
    )
    assert told.returncode == EXIT_MEMORY
    assert told.stderr.startswith("nucwsi summary: not enough memory; allow more")
    assert told.stderr.count("\n") == 1


def test_windows_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    line = refused("summary", "a.csv", "-o", "b.csv", code=2)
    assert "on Windows run it in WSL" in line
    with pytest.raises(ImportError, match="on Windows run it in WSL"):
        _ = nucwsi.compose

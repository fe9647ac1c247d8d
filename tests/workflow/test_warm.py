"""Steps are forked from a process that has loaded the libraries and does nothing else."""

import subprocess
import sys

import pytest

#: Of Arrow; jemalloc stops it in forks, and Arrow does not use jemalloc here.
HARMLESS = {"jemalloc_bg_thd"}

SAID = """
import importlib, os, sys
from pathlib import Path
from nucwsi.cli.process import prepare
from nucwsi.workflow import warm
prepare()
for name in warm._MODULES:
    importlib.import_module(name)
tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
print(*[(task / "comm").read_text() for task in tasks])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is loaded beforehand elsewhere")
def test_a_fork_copies_no_thread_that_holds_a_lock():
    ran = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) <= HARMLESS

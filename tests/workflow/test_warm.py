"""Steps are forked from a process that has loaded the libraries and does nothing else."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

#: Of Arrow; jemalloc stops it in forks, and Arrow does not use jemalloc here.
HARMLESS = {"jemalloc_bg_thd"}

SAID = """
import importlib, os, sys
from pathlib import Path
from nucwsi.cli.process import prepare
prepare()
from nucwsi.cli.forked import MODULES
for name in MODULES:
    importlib.import_module(name)
tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
print(*[(task / "comm").read_text() for task in tasks])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is loaded beforehand elsewhere")
def test_a_fork_copies_no_thread_that_holds_a_lock():
    ran = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) <= HARMLESS


STEP = """
import multiprocessing, signal, sys, threading, time
from nucwsi.cli.forked import run_call
from nucwsi.workflow.calls import Call
from nucwsi.workflow.warm import Executor
signal.signal(signal.SIGTERM, lambda *_: time.sleep(600))
executor = object.__new__(Executor)
Executor.target, Executor.in_batch = staticmethod(run_call), True
executor.run_jobs([])
words = ["phantom", sys.argv[1] + "/huge.tiff", "--height", "40000", "--width", "40000"]
call = Call(words, sys.argv[1] + "/phantom.log", False, "")
threading.Thread(target=executor._forked, args=(call,)).start()
while not multiprocessing.active_children():
    time.sleep(0.01)
print(multiprocessing.active_children()[0].pid, flush=True)
"""


def test_a_batch_that_is_cancelled_ends_at_once_and_its_steps_with_it(tmp_path):
    command = [sys.executable, "-c", STEP, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as batch:
        try:
            step = int(batch.stdout.readline())
            while not any(tmp_path.glob("*huge*")):
                assert batch.poll() is None, (tmp_path / "phantom.log").read_text()
                time.sleep(0.02)
            batch.terminate()
            assert batch.wait(60) == -signal.SIGTERM
        finally:
            batch.kill()
    until = time.monotonic() + 60
    with suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.kill(step, 0)
            time.sleep(0.02)
        pytest.fail("the step goes on without its batch")
    assert not any(tmp_path.glob("*huge*"))


ENDS = """
import operator, threading, time
from multiprocessing import connection
soon = connection.wait
def late(ends, timeout=None):
    ended = soon(ends, timeout)
    time.sleep(0.1 if timeout is None else 0)
    return ended
connection.wait = late
from nucwsi.workflow.calls import Call
from nucwsi.workflow.warm import Executor
executor, Executor.target = object.__new__(Executor), staticmethod(operator.is_)
def steps():
    for _ in range(4):
        executor._forked(Call([], "step.log", False, ""))
threads = [threading.Thread(target=steps) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(executor.failed)
"""


def test_a_step_that_ends_while_another_starts_has_not_failed():
    ran = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n", ran.stderr

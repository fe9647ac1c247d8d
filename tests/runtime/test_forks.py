"""What is forked runs in a process of its own, and its end is told as it was."""

import subprocess
import sys

MAIN = """
import os, sys, time
from nucwsi.runtime.forks import forked, is_warm, warm_up
warm_up(["json"])
until = time.monotonic() + 60
while not is_warm() and time.monotonic() < until:
    time.sleep(0.01)
print(is_warm(), forked(int), forked(sys.exit, 3), forked(os.abort))
"""


def test_exit_codes_and_signals_are_told():
    command = [sys.executable, "-c", MAIN]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "0", "3", "-6"], ran.stderr

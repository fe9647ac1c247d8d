"""The program that kills every verb at many moments; `make kill` runs all of it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Libraries read these when they are loaded; a process with threads must not be forked.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def program(*options, code=""):
    command = [sys.executable, "-c", code] if code else [sys.executable, ROOT / "kill_matrix.py"]
    return subprocess.run(
        [*command, *options],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_verbs_that_are_killed_end_the_same_and_leave_nothing():
    ran = program("--points", "2", "--verbs", "export,render")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| `")]
    assert len(rows) == 2, ran.stdout
    assert all(row.endswith("| 2 of 2 | 5 of 5 |") for row in rows)


def test_what_is_left_behind_is_found():
    """The table is worth something only if it notices a fault."""
    code = """
import sys
import kill_matrix
from nucwsi.io.stores import publish

publish._remove_leftovers = lambda path: None
kill_matrix.moments = lambda *_: [(number, 0.0) for number in range(1, 9)]
sys.exit(kill_matrix.main_program())
"""
    ran = program("--verbs", "summary", code=code)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "differs in .all.csv." in ran.stdout

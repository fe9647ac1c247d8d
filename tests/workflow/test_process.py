"""Snakemake's words reach the user, its errors are one line, and Ctrl-C ends all of it."""

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nucwsi.errors import NucwsiError
from nucwsi.workflow import process as module


@pytest.fixture
def results(tmp_path):
    (tmp_path / "res").mkdir()
    return tmp_path / "res"


def python(code):
    return [sys.executable, "-c", code]


def test_what_snakemake_says_to_the_user_is_passed_on(results):
    said = module.followed(python("print('Done: 1')"), results, ())
    assert said == (0, "Done: 1")
    failed = module.followed(python("print('a failed'); exit(3)"), results, ())
    assert failed == (3, "a failed")


def test_an_error_of_snakemake_itself_is_one_line(results):
    code = "import sys; print('x\\n\\nWorkflowError:\\nno plugin', file=sys.stderr); exit(1)"
    with pytest.raises(NucwsiError, match=r"exit code 1: x WorkflowError: no plugin; all .*\.log"):
        module.followed(python(code), results, ())


def test_the_log_of_a_job_that_broke_is_named(results):
    said = (
        "Error in rule report:\\n    log: logs/report.log (check log file(s) for error details)\\n"
    )
    code = f"import sys; sys.stderr.write('{said}' * 2 + 'x\\n' * 9); exit(1)"
    with pytest.raises(
        NucwsiError, match=r"exit code 1: see logs/report\.log in the folder of res"
    ):
        module.followed(python(code), results, ())


def test_ctrl_c_ends_snakemake_and_its_jobs_and_says_how_to_go_on(results, monkeypatch):
    code = (
        # Of a shell's background job both would ignore the signal.
        "import subprocess, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "job = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        "open('res/pid', 'w').write(str(job.pid))\n"
        "try: time.sleep(99)\n"
        "except KeyboardInterrupt: print('ended')"
    )
    monkeypatch.chdir(results.parent)

    def interrupted(*_):
        while not (results / "pid").exists() or not (results / "pid").read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "follow", interrupted)
    code, said = module.followed(python(code), results, ())
    assert code == 128 + signal.SIGINT
    assert "the same command goes on from here" in said
    job, until = Path("/proc", (results / "pid").read_text(), "stat"), time.monotonic() + 60
    with suppress(FileNotFoundError, ProcessLookupError):
        while job.read_text().split()[2] != "Z":
            assert time.monotonic() < until, "the job goes on without Snakemake"
            time.sleep(0.01)

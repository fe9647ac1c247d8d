"""A forked command leaves the log, the exit code and the cost that one of its own process does."""

import subprocess
import sys

from nucwsi.io.benchmarks import read_benchmark


def forked(words, folder, has_output=False):
    """Run a command in a folder; return its exit code, its log and its benchmark file."""
    log, benchmark = folder / "a b.log", folder / "cost.tsv"
    call = (words, log.name, has_output, benchmark.name)
    code = (
        "from nucwsi.cli.forked import run_call; from nucwsi.workflow.calls import Call;"
        f" run_call(Call(*{call!r}),"
        f" {str(folder)!r})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    return ran.returncode, log.read_text(), benchmark, ran.stdout


def test_a_command_that_succeeds_has_its_cost_written(tmp_path):
    code, log, benchmark, printed = forked(["--version"], tmp_path)
    assert (code, log) == (0, "")
    assert printed.startswith("nucwsi, version")
    (cost,) = read_benchmark(benchmark)
    assert cost.wall_s >= 0
    assert 0 < cost.cpu_s < 600
    assert 5 < cost.max_rss_mb < 5000


def test_a_command_that_fails_leaves_its_line_and_no_cost(tmp_path):
    code, log, benchmark, _ = forked(["export", str(tmp_path / "none"), "-o", "x"], tmp_path)
    assert code == 1
    assert log.startswith("nucwsi export: ")
    assert log.count("\n") == 1
    assert not benchmark.exists()


def test_what_is_printed_goes_to_the_log_if_the_rule_says_so(tmp_path):
    code, log, _, printed = forked(["--version"], tmp_path, has_output=True)
    assert (code, printed) == (0, "")
    assert log.startswith("nucwsi, version")

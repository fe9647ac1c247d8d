"""What a run shows while it works follows from the logs and benchmarks of its jobs."""

import io
import os
import sys

import pytest

from nucwsi.workflow import follow as module
from nucwsi.workflow.follow import Running, finished_steps, follow, running

SINCE = 1000.0


@pytest.fixture
def results(tmp_path):
    """Writes a log, or a benchmark, of a job at a time."""

    def write(name, at, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (at, at))

    write.folder = tmp_path
    return write


def test_a_job_runs_from_its_log_to_its_benchmark(results):
    assert running(results.folder, SINCE, SINCE) == []
    results("logs/a/tile.log", SINCE - 1)
    assert running(results.folder, SINCE, SINCE) == [], "that is the log of an earlier run"
    results("logs/a/tile.log", SINCE + 1)
    assert running(results.folder, SINCE, SINCE + 1) == [Running("a", ("tile",), None)]
    results("benchmarks/a/tile.tsv", SINCE + 2)
    assert running(results.folder, SINCE, SINCE + 2) == []
    results("logs/a/tile.log", SINCE + 3)
    assert running(results.folder, SINCE, SINCE + 3) == [Running("a", ("tile",), None)]


def test_parts_of_a_slide_are_one_line_that_goes_on_between_two_looks(results):
    for part, done in ((1, 10), (2, 20)):
        text = f"x\n12:00:00 {done} of 50 tiles, 2.00/s, 9 s left\n"
        results(f"logs/a/predict.{part}-of-2.log", SINCE, text)
    results("logs/b/stitch.log", SINCE)
    one, other = running(results.folder, SINCE, SINCE + 5)
    assert (one.slide, one.steps, one.reached) == ("a", ("predict",), (50, 100, "tiles", 4.0))
    assert other == ("b", ("stitch",), None)
    assert running(results.folder, SINCE, SINCE + 9999)[0].reached.done == 100
    assert running(results.folder, SINCE, SINCE - 9999)[0].reached.done == 30, "clocks may differ"


def test_snakemake_tells_how_many_jobs_are_done(tmp_path):
    log = tmp_path / "snakemake.log"
    assert finished_steps(log) == (0, 0)
    log.write_text("1 of 14 steps (7%) done\nrule x:\n3 of 14 steps (21%) done\n")
    assert finished_steps(log) == (3, 14)


def stream(terminal):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    return Stream()


@pytest.mark.parametrize("terminal", [False, True])
def test_each_slide_has_a_line_with_speed_and_time_left(results, monkeypatch, terminal):
    monkeypatch.setattr(module, "_PAUSE_S", 0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", shown := stream(terminal))
    results("logs/snakemake.log", SINCE, "1 of 9 steps (11%) done\n")
    looks = iter(
        [
            lambda: results("logs/a/tile.log", SINCE),
            lambda: results(
                "logs/a/predict.1-of-1.log", SINCE, "10 of 40 tiles, 0.50/s, 60 s left\n"
            ),
            lambda: results("benchmarks/a/tile.tsv", SINCE),
            lambda: None,
        ]
    )

    def is_over(seconds):
        step = next(looks, None)
        if step is not None:
            step()
        return step is None

    monkeypatch.setattr(module.time, "time", lambda: SINCE)
    follow(results.folder, results.folder / "logs" / "snakemake.log", is_over)
    text = shown.getvalue()
    assert "10 of 40 tiles, 0.50 tiles/s, 1:00 left" in text
    if terminal:
        assert "1 of 9 jobs" in text
        assert "all slides" in text
    else:
        assert text.splitlines() == [
            "a: tile  (1 of 9 jobs done)",
            "a: predict, tile 10 of 40 tiles, 0.50 tiles/s, 1:00 left  (1 of 9 jobs done)",
            "a: predict 10 of 40 tiles, 0.50 tiles/s, 1:00 left  (1 of 9 jobs done)",
        ]

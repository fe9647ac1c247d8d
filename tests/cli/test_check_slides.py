"""`check` says what every slide will cost, the sums, and refuses what does not fit."""

import json

from click.testing import CliRunner
from slides_made import picture, write_aperio

from nucwsi.cli.commands import main
from nucwsi.workflow import disk


def checked(*words):
    return CliRunner().invoke(main, ["check", *map(str, words)])


def test_every_slide_and_the_sums_are_forecast_and_kept(tmp_path):
    for name in "ab":
        write_aperio(tmp_path / f"{name}.svs", picture(), mpp=0.25)
    ran = checked(tmp_path, "--results", tmp_path / "results")
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert lines[2].startswith("Forecast for this machine")
    for name, line in zip("ab", lines[3:5], strict=True):
        assert line.startswith(f"  {name}: ")
        assert "mm²" in line
        assert "of memory" in line
        assert line.endswith("until it is done")
    assert lines[5].startswith("  2 slides to analyse: ")
    assert "are free for" in lines[6]
    kept = json.loads((tmp_path / "results" / ".forecasts.json").read_text())
    assert set(kept) == {"a", "b"}
    # Those that have results are not counted again.
    for name in "ab":
        (tmp_path / "results" / name).mkdir()
        (tmp_path / "results" / name / "provenance.json").touch()
    ran = checked(tmp_path / "a.svs", "--results", tmp_path / "results")
    assert "all of them have results" in ran.output


def test_results_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    write_aperio(tmp_path / "a.svs", picture(), mpp=0.25)
    monkeypatch.setattr(disk, "free_mb", lambda _: 1.0)
    ran = checked(tmp_path / "a.svs", "--results", tmp_path / "results", "--profile", "slurm")
    assert "profile slurm, `predict` on a GPU" in ran.output
    assert ran.exit_code == 1
    assert "1 MB are free; make room" in str(ran.output) + str(ran.exception)


def test_what_cannot_be_analysed_is_not_forecast(tmp_path):
    (tmp_path / "torn.svs").write_bytes(b"II*\0")
    ran = checked(tmp_path / "torn.svs")
    assert ran.exit_code == 1
    assert "Forecast" not in ran.output

"""The last words of a run name files that exist and errors that a user can mend."""

import pytest

from nucwsi.config import Config
from nucwsi.workflow import failure_message, success_message


class Entry:
    path = "slides/a.svs"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "composition.csv").touch()
    return Config(output=str(tmp_path))


def test_one_slide_is_called_by_its_name(config, tmp_path):
    told = success_message(config, {"a": Entry})
    assert told.startswith("Done: 1 slide. Results:\n")
    assert f"{tmp_path}/a/a.nuclei.qupath.zip   open slides/a.svs in QuPath" in told
    assert told.endswith("\n")


def test_several_slides_share_one_line_a_kind(config, tmp_path):
    told = success_message(config, {"a": Entry, "b": Entry})
    assert told.startswith("Done: 2 slides.")
    assert f"{tmp_path}/<slide>/nuclei.parquet " in told
    assert told.count("\n") == 6


def test_a_run_of_some_results_says_nothing(tmp_path):
    assert success_message(Config(output=str(tmp_path)), {"a": Entry}) == ""


def test_only_logs_that_end_in_an_error_are_repeated(tmp_path):
    logs = tmp_path / "logs" / "a"
    logs.mkdir(parents=True)
    (logs / "tile.log").write_text("12:00:00 reading\nnucwsi tile: a.svs: is empty\n")
    (logs / "predict.log").write_text("nucwsi predict: a warning\n12:00:00 done\n")
    (logs / "stitch.log").write_text("")
    (tmp_path / "logs" / "report.log").write_text("nucwsi report: b: is damaged\n")
    (tmp_path / "logs" / "snakemake.log").write_text("rule all:\n")
    told = failure_message(Config(output=str(tmp_path)), {"a": Entry, "b": Entry})
    assert told == (
        f"nucwsi tile: a.svs: is empty  [{logs}/tile.log]\n"
        f"nucwsi report: b: is damaged  [{tmp_path}/logs/report.log]\n"
    )


def test_results_in_the_working_folder_are_named_from_the_root(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = success_message(Config(output="."), {"a": Entry})
    assert f"  {tmp_path}/report.html " in told

"""When slides have failed: tables and report are those of the others, and say who is missing."""

import json

import pytest

from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow import rest
from nucwsi.workflow.rest import report_the_rest


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """Three slides: `good` and `fine` have results, `bad` failed in `tile`; and what is run."""
    for name in ("good", "fine", "bad"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        (tmp_path / name).mkdir()
        (tmp_path / "logs" / name / "tile.log").write_text("12:00:00 done\n")
        (tmp_path / name / "provenance.json").touch()
    commands = []
    monkeypatch.setattr(rest, "_nucwsi", lambda *words: commands.append([str(w) for w in words]))
    slides = {name: SlideEntry(name, tmp_path / name) for name in ("good", "bad", "fine")}
    return Config(output=str(tmp_path)), slides, commands


def fail(folder, slide):
    (folder / "logs" / slide / "tile.log").write_text(f"nucwsi tile: {slide}.svs: is empty\n")


def test_tables_and_report_are_of_the_slides_that_worked(cohort, tmp_path):
    config, slides, commands = cohort
    fail(tmp_path, "bad")
    told = report_the_rest(config, slides)
    assert "2 of 3 slides that worked" in told
    *tables, report = commands
    assert [words[0] for words in tables] == ["summary"] * len(tables)
    assert tables[0][1:3] == [f"{tmp_path}/{name}/composition.csv" for name in ("good", "fine")]
    assert report[1:3] == [f"{tmp_path}/{name}/assessment.json" for name in ("good", "fine")]
    assert not any("bad" in word for words in commands for word in words)
    listed = json.loads((tmp_path / "logs" / "failed.json").read_text())
    assert listed == [
        {
            "slide": "bad",
            "reason": "nucwsi tile: bad.svs: is empty",
            "log": f"{tmp_path}/logs/bad/tile.log",
        }
    ]


def test_a_slide_that_was_not_finished_is_left_out_too(cohort, tmp_path):
    config, slides, commands = cohort
    fail(tmp_path, "bad")
    (tmp_path / "fine" / "provenance.json").unlink()
    assert "1 of 3 slides" in report_the_rest(config, slides)
    assert not any("/fine/" in word for words in commands for word in words)


def test_old_results_of_a_slide_that_now_fails_are_not_shown(cohort, tmp_path):
    config, slides, commands = cohort
    fail(tmp_path, "bad")
    assert (tmp_path / "bad" / "provenance.json").exists()
    report_the_rest(config, slides)
    assert not any("/bad/" in word for words in commands for word in words)


@pytest.mark.parametrize("failing", [(), ("good", "fine", "bad")], ids=["nobody", "everybody"])
def test_nothing_is_made_where_there_is_nothing_to_tell(cohort, tmp_path, failing):
    config, slides, commands = cohort
    for name in failing:
        fail(tmp_path, name)
    assert report_the_rest(config, slides) == ""
    assert commands == []

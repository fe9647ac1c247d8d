"""Settings as words of a shell: what results depend on, apart from what affects the speed alone."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from nucwsi.config import Config, PredictSettings, TileSettings, TrainSettings
from nucwsi.workflow import (
    argument_list,
    find_own_commands,
    flags,
    member_flags,
    pair_flags,
    result_flags,
    speed_flags,
)


def test_speed_and_results_are_told_apart():
    settings = PredictSettings(views=4, batch_size=3)
    assert result_flags(settings) == "--views 4"
    assert speed_flags(settings) == "--device auto --batch-size 3"
    assert "--objective-power" in result_flags(TileSettings(objective_power=True))
    assert "--no-objective-power" in result_flags(TileSettings())


def test_every_setting_is_rendered_once_unless_it_is_empty():
    settings = TrainSettings()
    rendered = shlex.split(result_flags(settings))
    names = {word.removeprefix("--no-").removeprefix("--") for word in rendered if word[:2] == "--"}
    empty = {"teachers", "start", "unions", "source_weights"}
    assert names == {name.replace("_", "-") for name in set(TrainSettings.model_fields) - empty}


def test_lists_are_one_word():
    assert "--widths 8,16 " in result_flags(TrainSettings(widths=(8, 16)))
    quoted = result_flags(TrainSettings(classes=("it's", "b")))
    assert "it's,b" in shlex.split(quoted)


@pytest.mark.parametrize("values", ["a b;c", ["a b;c"], [Path("a b;c")]])
def test_a_shell_reads_back_what_was_quoted(values):
    assert shlex.split(flags("--regions", values)) == ["--regions", "a b;c"]


def test_pairs_are_two_words_each_whatever_they_hold():
    pairs = {"a b": "c'd", "-x": "$(rm)", "é": ""}
    words = shlex.split(pair_flags("--further", pairs))
    assert words == [
        word for first, second in pairs.items() for word in ("--further", first, second)
    ]
    assert pair_flags("--further", {}) == ""


def test_no_value_gives_no_option():
    assert flags("--regions", []) == ""


def test_members_are_named_one_by_one():
    assert member_flags(Config(members=("a", "b"))) == "--member a --member b"


def test_jobs_find_the_program_of_this_python_first(monkeypatch):
    here = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    find_own_commands()
    assert os.environ["PATH"] == f"{here}:/usr/bin:/bin"
    find_own_commands()
    assert os.environ["PATH"] == f"{here}:/usr/bin:/bin", "and only once"


def test_ten_thousand_paths_are_a_list_and_few_are_not(tmp_path):
    few, many = ["a b.csv", "c.csv"], [f"results/s{n}/composition.csv" for n in range(10_000)]
    kept_in = tmp_path / "results" / ".a.list"
    assert argument_list(few, kept_in) == few
    assert not kept_in.exists()
    assert argument_list(many, kept_in) == [f"@{kept_in}"]
    assert kept_in.read_text().splitlines() == many

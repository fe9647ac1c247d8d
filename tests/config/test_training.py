"""Settings of training: what the command line and config/ensemble.yaml hand over."""

import pytest
import yaml
from conftest import ROOT

from nucwsi.config import EnsembleConfig, EvaluateSettings, ImportSettings, TrainSettings, validated
from nucwsi.errors import ConfigError


def test_the_file_holds_every_setting_at_its_default():
    written = yaml.safe_load((ROOT / "config" / "ensemble.yaml").read_text("utf-8"))
    assert written == EnsembleConfig().model_dump(mode="json")


@pytest.mark.parametrize("model", [EnsembleConfig, EvaluateSettings, ImportSettings, TrainSettings])
def test_every_setting_is_described(model):
    assert all(field.description for field in model.model_fields.values())


def test_lists_may_be_texts_of_the_command_line():
    given = {"widths": "8,16", "classes": "a, b", "teachers": "one"}
    settings = validated(TrainSettings, given, "command line")
    assert (settings.widths, settings.classes) == ((8, 16), ("a", "b"))
    assert settings.teachers == ("one",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": "8"}, "`widths`.*at least 2"),
        ({"classes": ()}, "`classes`.*at least 1"),
        ({"crop_px": 100}, "`crop_px`.*multiple of 16, got 100"),
        ({"teacher_views": "3"}, "`teacher_views`.*1, 2, 4 or 8"),
        ({"mpp": 6}, "`mpp`.*less than or equal to 5"),
    ],
)
def test_a_wrong_setting_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        validated(TrainSettings, values, "command line")


@pytest.mark.parametrize("name", ["two words", "../up", "", "-o"])
def test_a_members_name_is_one_word_and_no_path(name):
    """It becomes the name of a file and a word of a command."""
    with pytest.raises(ConfigError, match=r"^ensemble\.yaml: `members"):
        validated(EnsembleConfig, {"members": {name: {}}}, "ensemble.yaml")

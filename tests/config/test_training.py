"""Settings of training: what the command line and config/ensemble.yaml hand over."""

import pytest
import yaml
from conftest import ROOT

from nucwsi.config import EnsembleConfig, EvaluateSettings, ImportSettings, TrainSettings, validated
from nucwsi.errors import ConfigError
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import find_checkpoint


def asked_for():
    """Return the bundled members that the configurations of the repository name."""
    written = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "config").glob("*.yaml")]
    return {name for one in written if isinstance(one["members"], list) for name in one["members"]}


def shipped():
    """Return the members that lie in the package."""
    return {path.stem for path in find_checkpoint("default").parent.glob("*.safetensors")}


@pytest.fixture(scope="module")
def recipe():
    """What ``snakemake ensemble`` trains in a fresh clone."""
    written = yaml.safe_load((ROOT / "config" / "ensemble.yaml").read_text("utf-8"))
    assert written.keys() == EnsembleConfig.model_fields.keys()
    return validated(EnsembleConfig, written, "config/ensemble.yaml")


def test_the_recipe_makes_every_member_that_a_configuration_asks_for(recipe):
    assert asked_for() <= recipe.members.keys()
    assert recipe.data, "without a folder, Snakefile would refuse to load"


def test_the_recipe_begins_with_nothing_but_published_weights(recipe):
    """What a member starts from or learns from is made by the recipe itself, in some order."""
    made = set()
    left = dict(recipe.members)
    while left:
        ready = {
            name: how for name, how in left.items() if {how.start, *how.teachers} - {""} <= made
        }
        assert ready, f"{', '.join(left)} need what nothing makes"
        assert all(
            how.start or (how.pretrained and how.architecture != "unet") for how in ready.values()
        )
        made |= {f"{recipe.output}/{name}.safetensors" for name in ready}
        left = {name: how for name, how in left.items() if name not in ready}


def test_the_recipe_is_that_of_the_cards(recipe):
    """But for what they started from and learnt from, which the recipe makes anew."""
    for name in sorted(asked_for()):
        settings = read_card(name).about["settings"]
        written = recipe.members[name].model_dump(mode="json")
        apart = {"start", "teachers"}
        assert {key: written[key] for key in settings.keys() - apart} == {
            key: settings[key] for key in settings.keys() - apart
        }


def test_every_member_that_a_configuration_asks_for_ships():
    assert asked_for() <= shipped()


def test_only_members_that_a_configuration_asks_for_ship():
    assert shipped() == asked_for()


def test_every_member_that_ships_has_its_card_and_its_curves():
    files = {path.name for path in find_checkpoint("default").parent.iterdir()}
    endings = ("safetensors", "md", "curves.csv")
    expected = {f"{name}.{ending}" for name in shipped() for ending in endings}
    assert {name for name in files if not name.startswith("__")} == expected


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

"""The base of all settings: frozen, strict about names, and clear about what is wrong."""

import pytest

from nucwsi.config import Config, EnsembleConfig, TileSettings, validated
from nucwsi.config.section import Section, setting, subsection
from nucwsi.errors import ConfigError


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().parts = 2


def test_the_error_names_where_the_setting_stood():
    with pytest.raises(ConfigError, match=r"^my\.yaml: `core_px`"):
        validated(TileSettings, {"core_px": 1}, "my.yaml")


def test_an_unknown_key_is_answered_with_the_keys_of_its_own_section():
    with pytest.raises(ConfigError, match=r"unknown setting `tile\.core`; known here: core_px, ti"):
        validated(Config, {"tile": {"core": 5}}, "configuration")


def test_a_name_of_the_users_leads_to_the_settings_of_a_member():
    with pytest.raises(ConfigError, match=r"setting `members\.mine\.step`; known here: classes, "):
        validated(EnsembleConfig, {"members": {"mine": {"step": 5}}}, "ensemble.yaml")


def test_a_setting_affects_results_unless_it_says_otherwise():
    class Two(Section):
        slow: int = setting(1, "a number", ge=1)
        fast: int = setting(1, "a number", speed=True)

    speed = {name: f.json_schema_extra["speed"] for name, f in Two.model_fields.items()}
    assert speed == {"slow": False, "fast": True}
    with pytest.raises(ConfigError, match=r"`slow`.*greater than or equal to 1, got 0"):
        validated(Two, {"slow": 0}, "here")


def test_a_subsection_has_the_defaults_of_its_settings():
    class Outer(Section):
        inner: TileSettings = subsection(TileSettings, "a section")

    assert Outer().inner == TileSettings()
    assert validated(Outer, {"inner": {"core_px": "1024"}}, "here").inner.core_px == 1024


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"slides": 20240101}, "20240101"),
        ({"slides": "a.svs"}, "a.svs"),
    ],
)
def test_a_name_that_is_a_number_stays_a_name(values, expected):
    assert validated(Config, values, "configuration").slides == expected


def test_a_list_may_be_one_text():
    assert validated(Config, {"members": "default, wide"}, "x").members == ("default", "wide")

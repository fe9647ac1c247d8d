"""Settings of the pipeline: the file, its schema and the command line follow from the models."""

import json
from itertools import pairwise

import pytest
import yaml
from conftest import ROOT
from pydantic import BaseModel

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.workflow import load_config, schema


def test_the_file_holds_every_setting_at_its_default():
    written = yaml.safe_load((ROOT / "config" / "config.yaml").read_text("utf-8"))
    assert written == Config().model_dump(mode="json")


def test_every_setting_in_the_file_has_a_comment():
    lines = (ROOT / "config" / "config.yaml").read_text("utf-8").splitlines()
    for above, line in pairwise(lines):
        if line.strip() and not line.strip().startswith("#"):
            assert above.strip().startswith("#"), f"no comment above {line!r}"


def test_the_schema_is_that_of_the_models():
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert path.read_text("utf-8") == schema(), (
        "run: python -c 'from nucwsi.workflow import schema; print(schema(), end=str())'"
        f" > {path.relative_to(ROOT)}"
    )


def is_section(field):
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def sections(model):
    for name, field in model.model_fields.items():
        yield name, field
        if is_section(field):
            yield from sections(field.annotation)


def test_every_setting_is_described():
    assert all(field.description for _, field in sections(Config))


@pytest.mark.parametrize(("ending", "unit"), [("_um2", "µm²"), ("_um", "µm"), ("_px", "pixel")])
def test_a_unit_in_a_name_stands_in_its_words_and_in_the_files_comment(ending, unit):
    file = (ROOT / "config" / "config.yaml").read_text("utf-8")
    named = [(name, field) for name, field in sections(Config) if name.endswith(ending)]
    assert named
    for name, field in named:
        assert unit in field.description, name
        comment = file.split(f"  {name}:")[0].rstrip().rsplit("\n", 1)[1]
        assert unit in comment, name


@pytest.mark.parametrize(
    "section", [None, *(name for name, field in Config.model_fields.items() if is_section(field))]
)
def test_unknown_keys_are_refused_at_every_level(section):
    values, key = (
        ({"odd": 1}, "odd") if section is None else ({section: {"odd": 1}}, f"{section}.odd")
    )
    with pytest.raises(ConfigError, match=f"^configuration: unknown setting `{key}`; known here: "):
        load_config(values)


def test_the_schema_refuses_unknown_keys_at_every_level():
    stated = json.loads(schema())
    for part in (stated, *stated["$defs"].values()):
        assert part["additionalProperties"] is False, part["title"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tiles": {}}, "unknown setting `tiles`"),
        ({"tile": {"core": 512}}, "unknown setting `tile.core`"),
        ({"tile": {"core_px": 500}}, "`tile.core_px`.*got 500"),
        ({"predict": {"views": 3}}, "`predict.views`.*1, 2, 4 or 8"),
        ({"predict": {"device": "gpu"}}, "`predict.device`"),
        ({"segment": {"np_threshold": 1.5}}, "`segment.np_threshold`.*less than 1"),
        ({"segment": {"np_threshold": float("nan")}}, "`segment.np_threshold`"),
        ({"members": []}, "`members`"),
        ({"parts": 0}, "`parts`.*greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named(values, message):
    with pytest.raises(ConfigError, match=message):
        load_config(values)


def test_what_the_command_line_makes_of_names_is_understood():
    config = load_config({"slides": 20240101, "output": 7, "members": "default,wide"})
    assert (config.slides, config.output, config.members) == ("20240101", "7", ("default", "wide"))

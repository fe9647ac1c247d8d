"""Settings: one source, from which the file, its schema and the command line follow."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from nucwsi.config import Config, PredictSettings, TileSettings, validated
from nucwsi.errors import ConfigError
from nucwsi.workflow import load_config, result_flags, schema, speed_flags

ROOT = Path(__file__).resolve().parent.parent


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


def sections(model):
    for name, field in model.model_fields.items():
        yield name, field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation)


def test_every_setting_is_described():
    assert all(field.description for _, field in sections(Config))


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


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().parts = 2


def test_speed_and_results_are_told_apart():
    settings = PredictSettings(views=4, batch_size=3)
    assert result_flags(settings) == "--views 4"
    assert speed_flags(settings) == "--device auto --batch-size 3"
    flags = result_flags(TileSettings(objective_power=True))
    assert "--objective-power" in flags
    assert "--no-objective-power" in result_flags(TileSettings())


def test_the_error_names_where_the_setting_stood():
    with pytest.raises(ConfigError, match=r"^my\.yaml: `core_px`"):
        validated(TileSettings, {"core_px": 1}, "my.yaml")

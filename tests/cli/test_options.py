"""Options follow from settings; a user's mistake ends in one line and an exit code."""

import pytest
from commands import run

from nucwsi.cli.options import settings_of
from nucwsi.config import ComposeSettings, SegmentSettings, TileSettings
from nucwsi.errors import ConfigError, StoreError


def test_every_setting_is_an_option_with_its_default():
    text = " ".join(run("tile", "--help").output.split())
    for name, field in TileSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[default: {field.default}]" in text


def test_a_setting_without_a_default_is_the_checkpoints():
    assert "[default: the checkpoint's]" in " ".join(run("segment", "--help").output.split())


def test_options_that_are_not_given_leave_the_defaults():
    values = {"grid_um": "0", "pieces": None, "neighbours_um": None}
    assert settings_of(ComposeSettings, values) == ComposeSettings(grid_um=0)
    assert settings_of(ComposeSettings, {**values, "pieces": False}).pieces is False


def test_an_empty_text_stands_for_no_value():
    values = dict.fromkeys(SegmentSettings.model_fields)
    assert settings_of(SegmentSettings, {**values, "np_threshold": ""}).np_threshold is None
    with pytest.raises(ConfigError, match="command line: `simplify_px`"):
        settings_of(SegmentSettings, {**values, "simplify_px": ""})


def test_a_wrong_setting_exits_with_2():
    result = run("predict", "t.zarr.zip", "-o", "m.zarr.zip", "--views", "3")
    assert result.exit_code == 2
    assert "`views`: Input should be 1, 2, 4 or 8" in result.output


def test_line_breaks_in_an_error_do_not_break_the_line(monkeypatch):
    from nucwsi.steps import export as module

    def broken(*args):
        raise StoreError("one\ntwo")

    monkeypatch.setattr(module, "export", broken)
    assert run("export", "n.parquet", "-o", "x.zip").output == "nucwsi export: one two\n"


def test_a_lack_of_memory_names_the_way_out(monkeypatch):
    from nucwsi.steps import export as module

    def greedy(*args):
        raise MemoryError

    monkeypatch.setattr(module, "export", greedy)
    result = run("export", "n.parquet", "-o", "x.zip")
    assert result.exit_code == 1
    assert result.output == ("nucwsi export: out of memory; set a smaller core_px or batch_size\n")


@pytest.mark.parametrize("words", [("--part", "0"), ("--parts", "0")])
def test_parts_are_counted_from_1(words):
    result = run("segment", "m.zarr.zip", "-o", "x.parquet", *words)
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.output

"""Options follow from settings; a user's mistake ends in one line and an exit code."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pytest
from commands import refused, run

from nucwsi.cli.options import listed, settings_of
from nucwsi.cli.process import EXIT_MEMORY
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

    def broken(*args, **more):
        raise StoreError("one\ntwo")

    monkeypatch.setattr(module, "export", broken)
    assert run("export", "n.parquet", "-o", "x.zip").output == "nucwsi export: one two\n"


def damaged_for_lack_of_memory():
    try:
        raise RuntimeError("Zstd decompression error: Allocation error : not enough memory")
    except RuntimeError as error:
        raise StoreError(f"x.parquet: is damaged ({error})") from None


@pytest.mark.parametrize(
    "raised",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        pa.lib.ArrowMemoryError("malloc of size 64 failed"),
        damaged_for_lack_of_memory,
    ],
    ids=lambda raised: getattr(raised, "__name__", str(raised)),
)
def test_a_lack_of_memory_has_its_line_and_its_exit_code(monkeypatch, raised):
    from nucwsi.steps import export as module

    def greedy(*args, **more):
        if callable(raised):
            raised()
        raise raised

    monkeypatch.setattr(module, "export", greedy)
    result = run("export", "n.parquet", "-o", "x.zip")
    assert result.exit_code == EXIT_MEMORY == 75
    assert result.output.startswith("nucwsi export: not enough memory; allow more")
    assert result.output.count("\n") == 1


def test_an_error_that_nobody_foresaw_is_not_hidden(monkeypatch):
    from nucwsi.steps import export as module

    def broken(*args, **more):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(module, "export", broken)
    assert isinstance(run("export", "n.parquet", "-o", "x.zip").exception, RuntimeError)


@pytest.mark.parametrize("words", [("--part", "0"), ("--parts", "0")])
def test_parts_are_counted_from_1(words):
    result = run("segment", "m.zarr.zip", "-o", "x.parquet", *words)
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.output


def test_a_name_that_no_table_can_hold_is_refused_in_one_line(tmp_path):
    odd = tmp_path / os.fsdecode(b"a\xff.svs")
    for words in (
        ("tile", odd, "-o", "t.zarr.zip", "--tissue-output", "t.geojson"),
        ("compose", "n.parquet", "-o", odd),
        ("compose", "n.parquet", "-o", "c.csv", "--regions", odd),
        ("provenance", "n.parquet", "-o", "p.json", "--slide", odd),
    ):
        assert "udcff.svs': its name is not UTF-8; rename it" in refused(*words, code=2)


def test_a_message_keeps_its_beginning_and_its_way_out_however_long_a_file_quotes_itself(tmp_path):
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\n{'x' * 5000}!\ta.svs\n")
    line = refused("check", sheet, code=2)
    assert len(line) < 850
    assert line.startswith(f"nucwsi check: {sheet}, slide 1: slide name 'xxx")
    assert line.endswith(
        "x!' may hold letters, digits, '.', '_' and '-' only, and must begin with a letter or digit"
    )


def test_a_list_stands_for_its_paths_in_their_order(tmp_path):
    (tmp_path / "a list").write_text("c d.csv\n\nb.csv\n")
    (tmp_path / "@real.csv").touch()
    given = (Path("z.csv"), Path(f"@{tmp_path}/a list"), tmp_path / "@real.csv")
    names = [path.name for path in listed(None, None, given)]
    assert names == ["z.csv", "c d.csv", "b.csv", "@real.csv"]


@pytest.mark.parametrize("text", ["", "\n\n", None])
def test_a_list_that_is_none_is_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "list").write_text(text)
    out = tmp_path / "o.csv"
    assert f"@{tmp_path}/list: is " in refused("summary", f"@{tmp_path}/list", "-o", out, code=2)

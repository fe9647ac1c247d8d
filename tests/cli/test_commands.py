"""The command line: quick to answer, one line for a mistake, and never a traceback."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from nucwsi.cli.commands import commands as cli
from nucwsi.config import SegmentSettings, TileSettings
from nucwsi.errors import StoreError

VERBS = ("tile", "predict", "segment", "stitch", "compose", "export", "summary", "phantom")


def run(*words):
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def test_help_lists_the_verbs_in_the_order_of_the_pipeline():
    text = run("--help").output
    places = [text.index(f"  {verb} ") for verb in VERBS]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", [*VERBS, "check-geojson"])
def test_every_verb_explains_itself(verb):
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_every_setting_is_an_option_with_its_default():
    text = " ".join(run("tile", "--help").output.split())
    for name, field in TileSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"[default: {field.default}]" in text


@pytest.mark.parametrize(
    "statement", ["import nucwsi", "from nucwsi.cli.commands import main; main(['--help'])"]
)
def test_nothing_heavy_is_loaded_for_help(statement):
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'zarr', 'pandas', 'openslide', 'scipy', 'pyarrow'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n" + statement
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("HEAVY []\n")


def test_a_users_mistake_is_one_line(tmp_path):
    result = run("segment", tmp_path / "none.zarr.zip", "-o", tmp_path / "x.parquet")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("nucwsi segment: ")
    assert "does not exist; run the step that makes it" in result.output


def test_a_wrong_setting_exits_with_2(tmp_path):
    result = run("predict", "t.zarr.zip", "-o", "m.zarr.zip", "--views", "3")
    assert result.exit_code == 2
    assert "`views`: Input should be 1, 2, 4 or 8" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), SegmentSettings()),
        (("--np-threshold", "0.6"), SegmentSettings(np_threshold=0.6)),
        (("--np-threshold", ""), SegmentSettings()),
        (("--simplify-px", "0"), SegmentSettings(simplify_px=0)),
    ],
)
def test_options_become_settings(monkeypatch, words, expected):
    from nucwsi.steps import segment as module

    seen = []
    monkeypatch.setattr(
        module, "segment", lambda maps, output, settings, **more: seen.append(settings)
    )
    result = run("segment", "m.zarr.zip", "-o", "x.parquet", *words)
    assert result.exit_code == 0, result.output
    assert seen == [expected]


def test_line_breaks_in_an_error_do_not_break_the_line(monkeypatch):
    from nucwsi.steps import export as module

    def broken(*args):
        raise StoreError("one\ntwo")

    monkeypatch.setattr(module, "export", broken)
    assert run("export", "n.parquet", "-o", "x.zip").output == "nucwsi export: one two\n"


def test_a_phantom_from_the_command_line(tmp_path):
    path = tmp_path / "p.tiff"
    result = run("phantom", path, "--height", 300, "--width", 400)
    assert result.exit_code == 0, result.output
    assert path.exists()
    assert (tmp_path / "p.truth.geojson").exists()
    assert run("check-geojson", tmp_path / "p.truth.geojson").exit_code == 0
    refused = run("phantom", tmp_path / "q.tiff", "--height", 3)
    assert refused.exit_code == 2
    assert "at least 64" in refused.output


def test_check_geojson_fails_on_a_fault(tmp_path):
    path = tmp_path / "bad.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}')
    result = run("check-geojson", path)
    assert result.exit_code == 1
    assert "feature 1: id None is no UUID" in result.output

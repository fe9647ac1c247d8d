"""Settings are kept as they were given, with names that hold in any folder."""

import pytest
import yaml

from nucwsi.errors import ConfigError
from nucwsi.workflow.settings import OWN, read_settings, write_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my nets").mkdir()
    for name in ("my nets/a.safetensors", "default", "auto"):
        (tmp_path / name).touch()
    return tmp_path


def test_files_that_are_named_are_named_from_the_root(folder):
    path = folder / "c.yaml"
    path.write_text(
        "members: [default, my nets/a.safetensors, none.pth, 'https://x/a.pth#sha256=0']\n"
        "predict: {device: auto}\ntile: {tissue: my nets/a.safetensors}\n"
    )
    net = f"{folder}/my nets/a.safetensors"
    assert read_settings([path]) == {
        "members": ["default", net, "none.pth", "https://x/a.pth#sha256=0"],
        "predict": {"device": "auto"},
        "tile": {"tissue": net},
    }


def test_a_later_file_overrules_an_earlier_one_key_by_key(folder):
    (folder / "a.yaml").write_text("parts: 2\ntile: {core_px: 256, tissue: all}\n")
    (folder / "b.json").write_text('{"tile": {"core_px": 512}}')
    values = read_settings([folder / "a.yaml", folder / "b.json"])
    assert values == {"parts": 2, "tile": {"core_px": 512, "tissue": "all"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot be read as configuration"),
        ("- a\n", "cannot be read as configuration: Config file must"),
        (None, "cannot be read as configuration"),
        ("slides: 007\n", r"007 is read as 7; write \./007"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(folder, text, message):
    if text is not None:
        (folder / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings([folder / "c.yaml"])


def test_what_is_written_is_read_again(folder):
    values = {"members": ["é.pth"], "tile": {"tissue": "all"}, **OWN}
    write_settings(folder / "config.yaml", values)
    assert read_settings([folder / "config.yaml"]) == values
    assert yaml.safe_load((folder / "config.yaml").read_text("utf-8")) == values

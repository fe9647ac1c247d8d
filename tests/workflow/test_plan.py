"""What a run consists of follows from its configuration alone, and is read in no time."""

import subprocess
import sys

import pytest
from stores import write_member

from nucwsi.config import Config, EnsembleConfig, TrainSettings
from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.workflow import (
    extra_exports,
    load_config,
    load_ensemble,
    load_slides,
    manifest_files,
    members_key,
    network_files,
    part_names,
    plan,
)


def test_parts_are_numbered_from_1():
    assert part_names(Config()) == ["1-of-1"]
    assert part_names(Config(parts=3)) == ["1-of-3", "2-of-3", "3-of-3"]


def test_slides_are_called_by_the_names_in_the_sheet(tmp_path):
    (tmp_path / "a.svs").touch()
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\nb\t{tmp_path}/a.svs\na\t{tmp_path}/a.svs\n")
    assert list(load_slides(Config(slides=str(sheet)))) == ["b", "a"]


def test_only_the_exports_that_are_asked_for_are_made():
    assert extra_exports(Config()) == []
    asked = Config.model_validate({"export": {"csv": True, "ome_zarr": True}})
    assert extra_exports(asked) == ["labels.ome.zarr.zip", "nuclei.csv"]


def test_the_key_changes_with_the_ensemble_and_with_the_code(monkeypatch, tmp_path):
    one, other = (str(write_member(tmp_path / f"{seed}.safetensors", seed)) for seed in (1, 2))
    key = members_key(Config())
    assert key == members_key(Config())
    assert key != members_key(Config(members=(one,)))
    assert members_key(Config(members=(one, other))) != members_key(Config(members=(other, one)))
    monkeypatch.setattr(plan, "RESULT_VERSION", -1)
    assert members_key(Config()) != key


def test_a_member_that_does_not_exist_is_refused():
    with pytest.raises(CheckpointError, match="'nothing': no such file"):
        members_key(Config(members=("nothing",)))


def test_without_a_file_there_are_no_members_to_train(tmp_path):
    assert load_ensemble(tmp_path / "ensemble.yaml") == EnsembleConfig()
    (tmp_path / "empty.yaml").touch()
    assert load_ensemble(tmp_path / "empty.yaml") == EnsembleConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("member: {}", "unknown setting `member`"),
        ("members: {a: {step: 1}}", r"unknown setting `members\.a\.step`"),
    ],
)
def test_a_wrong_ensemble_names_its_file(tmp_path, text, message):
    path = tmp_path / "ensemble.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"^{path}: .*{message}"):
        load_ensemble(path)


def test_labelled_images_are_named_by_folder_or_manifest():
    ensemble = EnsembleConfig(data=("a", "b/mine.csv"))
    assert manifest_files(ensemble) == ["a/manifest.csv", "b/mine.csv"]
    with pytest.raises(ConfigError, match="`data` names no folder of labelled images for m, n"):
        manifest_files(EnsembleConfig.model_validate({"members": {"m": {}, "n": {}}}))
    assert manifest_files(EnsembleConfig()) == []


def test_a_member_waits_for_the_networks_that_other_jobs_make():
    settings = TrainSettings(
        start="out/a.safetensors",
        teachers=(
            "default",
            "out/b.safetensors",
            "out/a.safetensors",
            "https://x.org/c.safetensors",
        ),
    )
    assert network_files(settings) == ["out/a.safetensors", "out/b.safetensors"]


def test_the_workflow_loads_nothing_heavy():
    """Every job parses it anew."""
    code = (
        "import sys, nucwsi.workflow\n"
        "print(*{'torch', 'zarr', 'pandas', 'scipy', 'pyarrow', 'openslide'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_a_name_is_used_as_it_was_written_or_refused(tmp_path, monkeypatch):
    assert load_config({}) == Config()
    assert load_config({"output": "./007", "slides": "./2026_11_23"}).output == "007"
    assert load_config({"output": 20240101}, ["output=20240101"]).output == "20240101"
    with pytest.raises(ConfigError, match=r"`output`: 007 is read as 7; write \./007"):
        load_config({"output": 7}, ["output=007"])
    monkeypatch.setenv("HOME", str(tmp_path))
    home = load_config({"output": "~/results", "slides": "~/slides"})
    assert (home.output, home.slides) == (f"{tmp_path}/results", f"{tmp_path}/slides")
    monkeypatch.chdir(tmp_path)
    assert load_config({"output": "-x"}).output == f"{tmp_path}/-x"
    for odd in ("a{b}", "a\nb", "\udcff", "a\u200b"):
        with pytest.raises(ConfigError, match=r"`output`: .* cannot be shown; name another folder"):
            load_config({"output": odd})

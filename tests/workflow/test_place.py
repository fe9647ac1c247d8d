"""The workflow is found in a clone as in a wheel, profiles and configurations by their names."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from nucwsi.errors import ConfigError
from nucwsi.workflow import place
from nucwsi.workflow.place import SNAKEFILE, bundled, pipeline_folder


def test_a_clone_holds_what_it_names():
    assert pipeline_folder() == ROOT
    assert SNAKEFILE == ROOT / "nucwsi" / "Snakefile"
    assert SNAKEFILE.exists()


def test_a_wheel_holds_what_a_clone_holds(tmp_path, monkeypatch):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    monkeypatch.setattr(place, "_PACKAGE", tmp_path / "nucwsi")
    inside = pipeline_folder()
    assert inside == tmp_path / "nucwsi" / "pipeline"
    for folder in ("workflow", "config", "envs"):
        files = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        assert files
        assert all((inside / name).read_bytes() == (ROOT / name).read_bytes() for name in files)
    assert (tmp_path / "nucwsi" / "Snakefile").read_bytes() == SNAKEFILE.read_bytes()


def test_a_profile_is_a_name_or_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm").mkdir()
    profiles = ROOT / "workflow" / "profiles"
    assert bundled("profile", "slurm") == profiles / "slurm", "that folder is no profile"
    (tmp_path / "slurm" / "profile.yaml").touch()
    assert bundled("profile", "slurm") == tmp_path / "slurm"
    with pytest.raises(ConfigError, match=r"pbs: there is no such profile; .* local, slurm"):
        bundled("profile", "pbs")


def test_a_configuration_is_a_name_or_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bundled("configuration", "accurate") == ROOT / "config" / "accurate.yaml"
    Path("my.yaml").touch()
    assert bundled("configuration", "my.yaml") == tmp_path / "my.yaml"
    for none in ("other.yaml", "ensemble", "config"):
        with pytest.raises(ConfigError, match=f"{none}: there is no such configuration"):
            bundled("configuration", none)

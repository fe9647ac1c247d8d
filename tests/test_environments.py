"""Environments: what `make` installs is pinned, and the conda files name this very version."""

import importlib.metadata as metadata
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nucwsi import __version__

#: torch pins these itself, in its CUDA build only.
_OF_TORCH = ("nvidia-", "cuda-", "triton")


@pytest.fixture(scope="module")
def pins():
    lines = (ROOT / "envs" / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line is name==version"
    return {canonicalize_name(name): version for name, version in pairs}


def needed(name, extras=("",), seen=None):
    """Gather what a distribution needs here, directly or not."""
    seen = set() if seen is None else seen
    for text in metadata.distribution(name).requires or ():
        wanted = Requirement(text)
        used = wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in extras)
        key = canonicalize_name(wanted.name)
        if used and (key, *sorted(wanted.extras)) not in seen:
            seen.add((key, *sorted(wanted.extras)))
            needed(wanted.name, ("", *wanted.extras), seen)
    return {key for key, *_ in seen}


def test_everything_that_is_installed_is_pinned(pins):
    wanted = {name for name in needed("nucwsi", ("dev",)) if not name.startswith(_OF_TORCH)}
    assert {"torch", "snakemake", "pytest", "numpy"} <= wanted
    assert sorted(wanted - set(pins) - {"nucwsi"}) == []


#: Stands for Python and pip: notes what is to be installed, and knows one setting of pip.
_STUB = """#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"pip"*" config list") echo "$PIP_SETTING" ;;
  *"pip"*" install "*--index-url*) echo "$*" >> "$INSTALLED"; [ -z "$UNREACHABLE" ] ;;
  *"pip"*" install "*) echo "$*" >> "$INSTALLED" ;;
esac
"""
_ELSEWHERE = "global.find-links='/opt/wheels'"


@pytest.mark.parametrize(
    ("situation", "cpu_index"),
    [
        ({}, True),
        ({"UNREACHABLE": "1"}, True),
        ({"PIP_SETTING": "global.timeout='60'"}, True),
        ({"PIP_SETTING": _ELSEWHERE}, False),
        ({"PIP_SETTING": "global.index-url='https://mirror.example/simple'"}, False),
        ({"GPU": "1"}, False),
    ],
)
def test_make_installs_what_is_pinned_and_no_cuda_unless_asked(tmp_path, situation, cpu_index):
    stub, installed = tmp_path / "python", tmp_path / "installed"
    stub.write_text(_STUB)
    stub.chmod(0o755)
    venv = tmp_path / "venv"
    told = subprocess.run(
        ["make", f"PYTHON={stub}", f"VENV={venv}", f"{venv}/demo.stamp", f"{venv}/dev.stamp"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "INSTALLED": str(installed), **situation},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line.split(" install ")[1] for line in installed.read_text().splitlines()]
    if cpu_index:
        url = "https://download.pytorch.org/whl/cpu"
        assert re.fullmatch(rf"--no-deps .*--index-url {url} torch==[\d.]+", lines.pop(0))
    assert ("gives no torch" in told) == ("UNREACHABLE" in situation)
    pinned = "-c envs/constraints.txt "
    assert re.fullmatch(pinned + r"torch==[\d.]+", lines[0])
    assert lines[1:] == [pinned + "-e .[workflow]", pinned + "-e .[dev]"]


def test_make_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python"
    pretence = "import sys; sys.version_info = (3, 10, 12); exec(sys.argv[1])"
    old.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(pretence)} "$2"\n'
    )
    old.chmod(0o755)
    told = subprocess.run(
        ["make", f"PYTHON={old}", f"VENV={tmp_path}/venv", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode != 0
    assert "nucwsi needs Python 3.11 or newer; name one: make demo PYTHON=" in told.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("name", ["nucwsi-cpu", "nucwsi-gpu"])
def test_the_conda_environments_name_this_version(name):
    written = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text("utf-8"))
    assert set(written) == {"channels", "dependencies"}
    *conda, pip = written["dependencies"]
    assert pip == {"pip": [f"nucwsi =={__version__}"]}
    assert all(re.fullmatch(r"[a-z-]+( (=|>=)[\d.]+)?", line) for line in conda)
    assert "pip" in conda

"""Environments: what `make` installs is pinned, and every file names this version."""

import importlib.metadata as metadata
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from nucwsi import __version__

#: Only the CUDA build of torch needs these, and it pins them itself.
_OF_TORCH = ("nvidia-", "cuda-", "triton")


@pytest.fixture(scope="module")
def pins():
    lines = (ROOT / "envs" / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line is name==version"
    return {canonicalize_name(name): version for name, version in pairs}


def needed(name, extras=("",), seen=None):
    """Return the distributions that one needs on this platform, directly or indirectly."""
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
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    tools = [Requirement(text).name for text in declared["dependency-groups"]["dev"]]
    wanted = {"pip", *map(canonicalize_name, tools), *needed("nucwsi", ("", "slurm"))}
    wanted |= {name for tool in tools for name in needed(tool)}
    wanted = {name for name in wanted if not name.startswith(_OF_TORCH)}
    assert {"torch", "snakemake", "pytest", "numpy"} <= wanted
    assert sorted(wanted - set(pins) - {"nucwsi"}) == []


def test_pip_knows_dependency_groups(pins):
    assert Version(pins["pip"]) >= Version("25.1")


#: Stands in for Python and pip: notes what is to be installed, and has one setting of pip.
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
    assert lines[1:] == [
        pinned + "-e .[workflow]",
        pinned + "pip",
        pinned + "-e .[slurm] --group dev",
    ]


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


def test_the_citation_and_the_changelog_name_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    newest = re.search(
        r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert newest is not None
    assert newest[1] == __version__


def test_the_hooks_of_pre_commit_are_the_commands_of_make_check():
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\ncheck:")[1].split("\n\n")[0]
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.split("\n")[1:]]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [hook["entry"] for hook in hooks["repos"][0]["hooks"]] == commands

"""Environments: what `make` installs is pinned, and the conda files name this very version."""

import importlib.metadata as metadata
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nucwsi import __version__

ROOT = Path(__file__).resolve().parent.parent

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


def test_make_installs_what_is_pinned():
    stamps = [word for kind in ("torch", "demo", "dev") for word in ("-W", f".venv/{kind}.stamp")]
    told = subprocess.run(
        ["make", "-n", "-B", *stamps, "demo", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    installs = [line for line in told.splitlines() if "install" in line and "pip" in line]
    ours = [line for line in installs if "--index-url" not in line]
    assert len(ours) == 3
    assert all("-c envs/constraints.txt" in line for line in ours)
    torch = next(line for line in installs if "--index-url" in line)
    assert re.search(r"'torch==[\d.]+'", torch)


@pytest.mark.parametrize("name", ["nucwsi-cpu", "nucwsi-gpu"])
def test_the_conda_environments_name_this_version(name):
    written = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text("utf-8"))
    assert set(written) == {"channels", "dependencies"}
    *conda, pip = written["dependencies"]
    assert pip == {"pip": [f"nucwsi =={__version__}"]}
    assert all(re.fullmatch(r"[a-z-]+( (=|>=)[\d.]+)?", line) for line in conda)
    assert "pip" in conda

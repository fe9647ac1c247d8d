"""Environments: what `make` installs is pinned, and every file names this version."""

import importlib.metadata as metadata
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from nucwsi import __version__
from nucwsi.io.slides.remote import STORAGE

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


def test_the_extra_for_storage_has_the_plugin_of_every_address():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extra = declared["project"]["optional-dependencies"]["storage"]
    plugins = {Requirement(text).name for text in extra} - {"nucwsi"}
    # `stage: true` needs `fs`.
    wanted = {f"snakemake-storage-plugin-{name}" for name in {*STORAGE.values(), "fs"}}
    assert plugins == wanted
    assert all(name in (ROOT / "docs" / "cluster.md").read_text("utf-8") for name in plugins)


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
def test_the_conda_environments_name_what_conda_forge_has(name):
    """And nothing else: nucwsi itself is installed from a clone."""
    written = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text("utf-8"))
    assert written["channels"] == ["conda-forge", "nodefaults"]
    assert set(written) == {"channels", "dependencies"}
    known = {"python", "pip", "pytorch", "pytorch-cpu", "pytorch-gpu", "cuda-version"}
    assert {line.split()[0] for line in written["dependencies"]} <= known
    assert all(re.fullmatch(r"[a-z-]+( (=|>=)[\d.]+)?", line) for line in written["dependencies"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    torch = next(text for text in declared["dependencies"] if text.startswith("torch"))
    assert torch.replace("torch", "pytorch ") in written["dependencies"]


def instructions():
    """Read envs/Containerfile: its instructions, each on one line."""
    text = (ROOT / "envs" / "Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line.split(None, 1) for line in joined.splitlines() if line.strip()]


def test_the_container_is_made_of_what_a_clone_holds():
    known = {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in instructions()} == known
    assert [rest for word, rest in instructions() if word == "ARG"] == ["PYTHON=3.11", "DEVICE=cpu"]
    copied = set()
    for word, rest in instructions():
        if word == "COPY":
            *sources, target = rest.split()
            assert all((ROOT / name).exists() for name in sources), rest
            assert not Path(target).is_absolute()
            copied |= set(sources)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = declared["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    licences = declared["project"]["license-files"]
    built_from = {"pyproject.toml", declared["project"]["readme"], "nucwsi", *included, *licences}
    assert built_from <= copied


#: Stands in for pip, grep's answer and nucwsi: notes what a RUN calls.
_NOTE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$NOTED"
"""


@pytest.mark.parametrize(
    ("device", "indexes"), [("cpu", ["https://download.pytorch.org/whl/cpu"]), ("cuda", [])]
)
def test_the_container_installs_what_is_pinned_for_its_device(tmp_path, device, indexes, pins):
    for name in ("pip", "apt-get", "nucwsi", "rm"):
        (tmp_path / name).write_text(_NOTE)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DEVICE": device}
    environment["NOTED"] = str(tmp_path / "noted")
    for word, rest in instructions():
        if word == "RUN":
            subprocess.run(["/bin/sh", "-ec", rest], cwd=ROOT, env=environment, check=True)
    noted = (tmp_path / "noted").read_text().splitlines()
    installs = [line for line in noted if line.startswith("pip install")]
    assert [line.split()[5] for line in installs if "--index-url" in line] == indexes
    constrained = [line for line in installs if "-c envs/constraints.txt" in line]
    assert [line.split()[-1] for line in constrained] == [f"torch=={pins['torch']}", ".[slurm]"]
    assert noted[-1] == "nucwsi run --snakefile"


def test_the_container_knows_no_third_device(tmp_path):
    run = next(rest for word, rest in instructions() if word == "RUN" and "DEVICE" in rest)
    environment = {"PATH": "/usr/bin:/bin", "DEVICE": "tpu"}
    ran = subprocess.run(
        ["/bin/sh", "-ec", run],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert ran.stderr == "DEVICE is tpu, expected cpu or cuda\n"


def test_the_catalog_of_workflows_can_read_its_file():
    """The keys that its page names; every flag is said."""
    written = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text("utf-8"))
    assert set(written) == {"usage"}
    assert set(written["usage"]) == {"mandatory-flags", "software-stack-deployment"}
    assert set(written["usage"]["mandatory-flags"]) == {"desc", "flags"}
    deployment = written["usage"]["software-stack-deployment"]
    assert set(deployment) == {"conda", "apptainer", "apptainer+conda", "report"}
    assert all(isinstance(value, bool) for value in deployment.values())
    for needed in ("workflow/Snakefile", "config/README.md"):
        assert (ROOT / needed).exists()


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

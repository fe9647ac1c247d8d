"""Every command and every line of Python in the README runs, in a copy of the project."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from pages import write_slides

BIN = Path(sys.executable).parent

#: Words that keep make from installing into the environment that runs this test.
_STAMPS = [word for name in ("torch", "demo", "dev") for word in ("-o", f".venv/{name}.stamp")]

#: Pattern -> replacement for commands that would install, recurse or need a cluster.
_INSTEAD = (
    (r"^make test$", "make -n " + " ".join(_STAMPS) + " test"),
    (r"^make ", "make " + " ".join(_STAMPS) + " "),
    (
        r"^pip install ",
        f"{sys.executable} -m pip install --dry-run --no-deps --no-build-isolation ",
    ),
    (r"(--workflow-profile \S*slurm)", r"\1 --dry-run"),
)


def blocks(language, page="README.md"):
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in listed.split("\0")[:-1]:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(BIN.parent)
    write_slides(folder)
    return folder


def test_the_readme_from_top_to_bottom(clone):
    environment = {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"}
    commands = [line for block in blocks("sh") for line in block.splitlines() if line]
    assert commands[1] == "nucwsi run slides/ -o results", "after its installation"
    assert "make demo" in commands
    for written in commands:
        command = written
        for pattern, instead in _INSTEAD:
            command = re.sub(pattern, instead, command, count=1)
            if command != written:
                break
        # A shell, as for the reader.
        ran = subprocess.run(  # noqa: S602
            command,
            shell=True,
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{written}\n{ran.stdout}{ran.stderr}"
        if written.startswith("nucwsi run"):
            assert "results/report.html" in ran.stdout
        if written == "make demo":
            assert "phantom.nuclei.qupath.zip" in ran.stdout + ran.stderr
    for block in blocks("python"):
        ran = subprocess.run(
            [sys.executable, "-c", block], cwd=clone, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "epithelial" in ran.stdout
    for name in re.findall(r"`<slide>/([\w.<>]+)`", (ROOT / "README.md").read_text("utf-8")):
        assert (clone / "results/phantom" / name.replace("<slide>", "phantom")).exists(), name


def test_the_pages_link_to_what_exists():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_messages_that_the_readme_explains_are_those_of_the_code():
    constants = [
        node.value
        for path in (ROOT / "nucwsi").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    trouble = (ROOT / "README.md").read_text("utf-8").split("## Trouble")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", trouble, re.MULTILINE)
    assert messages
    for message in messages:
        # Numbers and what `…` leaves out are put into a message when it is raised.
        for piece in re.split(r"[\d.]+|…", message):
            assert any(piece.strip() in constant for constant in constants), message

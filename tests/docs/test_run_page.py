"""Every command of docs/run.md runs; those of all other pages are commands of this version."""

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from conftest import ROOT
from pages import blocks, write_slides

from nucwsi.cli.commands import main


def test_the_commands_of_its_page_run(tmp_path):
    write_slides(tmp_path)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    commands = "".join(
        block for language, block in blocks(ROOT / "docs/run.md") if language == "sh"
    )
    assert "nucwsi run slides/ -o results\n" in commands
    for line in commands.splitlines():
        # A shell, as for the reader.
        ran = subprocess.run(  # noqa: S602
            line,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
    assert (tmp_path / "results" / "photo" / "photo.nuclei.qupath.zip").exists()


PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "config" / "README.md"]
WRITTEN = sorted(
    {
        line
        for page in PAGES
        for _, block in blocks(page)
        for line in block.splitlines()
        if line.startswith("nucwsi ")
    }
)


@pytest.mark.parametrize("line", WRITTEN)
def test_a_command_on_any_page_is_one_of_this_version(line):
    """Its options and arguments can be parsed, also where it would take hours."""
    _, *words = shlex.split(line)
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
        context = click.Context(command, parent=context)
    # `--snakefile`, which says where something lies, ends the parsing.
    with suppress(click.exceptions.Exit):
        command.parse_args(context, words)


#: Pages all of whose commands a test of this folder runs, as they are or shortened.
RUN = {
    "README.md",
    *(f"docs/{name}.md" for name in ("run", "counting", "outputs", "members", "report", "cohorts")),
    *(f"docs/{name}.md" for name in ("review", "teach", "data", "training")),
}

#: Commands on other pages, and why they are not run.
LEFT_OUT = {
    "snakemake --cores 2 --config slides=slides members=tiny.safetensors batch=6": "was timed",
    "snakemake --workflow-profile workflow/profiles/slurm --config slides=slides "
    "batch=6 --set-threads batch=1 \\": "needs SLURM",
    "$ nucwsi check slides/ --profile slurm --results results": "a figure of a certain slide",
    "snakemake --cores all --config slides=/data/slides output=/data/results": "a reader's folders",
    "python -m venv peer && peer/bin/pip install tiatoolbox==2.1.3": "takes gigabytes",
}


def test_every_command_stands_on_a_page_whose_commands_are_run_or_is_left_out_by_name():
    others = {
        line
        for page in PAGES
        if page.relative_to(ROOT).as_posix() not in RUN
        for _, block in blocks(page)
        for line in block.splitlines()
        if line.removeprefix("$ ").startswith(("nucwsi ", "snakemake ", "make ", "pip ", "python "))
    }
    assert others == set(LEFT_OUT)

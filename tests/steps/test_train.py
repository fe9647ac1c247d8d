"""The commands that train and score, and the workflow that trains."""

import csv
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from layouts import write_csv
from PIL import Image
from samples_made import TINY

from bench import trained
from nucwsi.cli.commands import main
from nucwsi.grid import Window
from nucwsi.models.card import read_card
from nucwsi.models.loading import load_network
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.steps import train


@pytest.fixture
def labelled(tmp_path):
    """A folder of phantom pictures in our own form."""
    folder = tmp_path / "data"
    (folder / "phantom").mkdir(parents=True)
    rows = [("dataset", "name", "split", "mpp", "patient")]
    phantom = Phantom((400, 900), 0.5, seed=2)
    for number, split in enumerate(("train", "train", "val", "test")):
        window = Window(100, 150 + 110 * number, 128, 100)
        instances, nuclei = phantom.labels(window)
        ids = np.unique(instances[instances > 0])
        codes = [CLASSES.index(nuclei[index - 1].class_name) + 1 for index in ids]
        stem = folder / "phantom" / f"p{number}"
        Image.fromarray(phantom.paint(window)).save(stem.with_suffix(".png"))
        np.savez(stem.with_suffix(".npz"), instances=instances, ids=ids, classes=codes)
        rows.append(("phantom", stem.name, split, 0.5, f"patient {number}"))
    write_csv(folder / "manifest.csv", *rows)
    names = [("phantom", code, name) for code, name in enumerate(CLASSES, start=1)]
    write_csv(folder / "labels.csv", ("dataset", "code", "name"), *names)
    return folder


def invoke(*words):
    return CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)


def test_from_images_to_a_member_and_its_scores(labelled, tmp_path):
    member = tmp_path / "tiny.safetensors"
    tiny = ["--widths", "4,6", "--steps", 4, "--crop-px", 64, "--validate-every", 2]
    ran = invoke("train", labelled, "-o", member, *tiny, "--batch-size", 2)
    assert ran.exit_code == 0, ran.output
    card = read_card(str(member))
    assert (card.name, card.widths, card.classes) == ("tiny", (4, 6), CLASSES)
    assert card.about["settings"]["steps"] == 4
    assert "PQ phantom" in card.about["validation"]
    load_network(card)
    assert "# tiny" in member.with_suffix(".md").read_text()
    assert member.with_suffix(".curves.csv").read_text().count("\n") == 3
    assert not list(tmp_path.glob(".*")), "the work folder is gone"

    scores = tmp_path / "scores"
    ran = invoke(
        "evaluate", labelled, "-o", scores, "--member", member, "--split", "test", "--views", 2
    )
    assert ran.exit_code == 0, ran.output
    with (scores / "summary.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["dataset"] == "phantom"
    assert 0 <= float(row["dice"]) <= 1
    known = [name for name in CLASSES if f"f1_{name}" in row]
    assert known
    assert all(0 <= float(row[f"detection_{name}"]) <= 1 for name in known)
    coverage = [float(value) for name, value in row.items() if name.startswith("coverage_")]
    assert coverage
    assert all(0 <= share <= 1 for share in coverage)
    with (scores / "images.csv").open() as stream:
        for image in csv.DictReader(stream):
            for end, total in (("_truth", "n_truth"), ("", "n_found")):
                counts = [int(image[f"n_{name}{end}"]) for name in CLASSES]
                assert sum(counts) == float(image[total])
    assert (scores / "summary.md").read_text().startswith("| dataset | images |")
    assert len(list((scores / "pictures").glob("phantom.*.png"))) == 3

    again = invoke("evaluate", labelled, "-o", scores, "--member", member, "--split", "test")
    assert again.exit_code != 0
    assert f"{scores}: exists already" in again.output


def test_a_killed_run_goes_on_only_if_nothing_has_changed(labelled, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    tiny = ["--widths", "4,6", "--steps", 2, "--crop-px", 64, "--batch-size", 2]
    start, member = tmp_path / "start.safetensors", tmp_path / "member.safetensors"
    assert invoke("train", labelled, "-o", start, *tiny).exit_code == 0
    words = ["train", labelled, "-o", member, *tiny, "--start", start]

    def killed(*_):
        raise KeyboardInterrupt

    def resumes():
        caplog.clear()
        with monkeypatch.context() as patch:
            patch.setattr(train, "_publish", killed)
            assert invoke(*words).exit_code != 0
        return "resuming at step 2" in caplog.text

    assert not resumes()
    assert resumes()
    labels = labelled / "phantom" / "p0.npz"
    known = dict(np.load(labels))
    np.savez(labels, **known | {"classes": known["classes"] % len(CLASSES) + 1})
    assert not resumes()
    assert resumes()
    assert invoke("train", labelled, "-o", start, *tiny, "--seed", 2).exit_code == 0
    assert not resumes()


def test_a_run_of_the_ablation_has_scores(labelled, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    found = trained.scores(labelled, TINY)
    assert set(found) == {"pq_phantom", "class_accuracy", "pq", "aji", "dice"}
    assert all(0 <= value <= 1 for value in found.values())


def test_the_workflow_trains_every_member(labelled, snakemake):
    sheet = snakemake.folder / "config" / "ensemble.yaml"
    tiny = "crop_px: 64, batch_size: 2, steps: 2"

    def write(seed_a, seed_b):
        # Listed first, but it can only come after what it starts from.
        after = f"{{start: ensemble/a.safetensors, widths: [4, 6], seed: 3, {tiny}}}"
        a = f"{{seed: {seed_a}, widths: [4, 6], {tiny}}}"
        b = f"{{seed: {seed_b}, {tiny}}}"
        members = f"members:\n  after: {after}\n  a: {a}\n  b: {b}\n"
        sheet.write_text(f"data: [{labelled}]\n{members}")

    def planned(seed_a, seed_b):
        write(seed_a, seed_b)
        return set(re.findall(r"member=(\w+)", snakemake("ensemble", "-n").text))

    write(1, 1)
    snakemake("ensemble")
    cards = [read_card(str(snakemake.folder / "ensemble" / f"{name}.safetensors")) for name in "ab"]
    assert [card.name for card in cards] == ["a", "b"]
    assert cards[0].widths == (4, 6) != cards[1].widths
    assert "Nothing to be done" in snakemake("ensemble", "-n").text
    assert planned(1, 2) == {"b"}
    assert planned(2, 1) == {"a", "after"}
    sheet.write_text("members: {a: {step: 5}}")
    ran = snakemake("ensemble", "-n", check=False)
    assert "config/ensemble.yaml: unknown setting `members.a.step`" in ran.text

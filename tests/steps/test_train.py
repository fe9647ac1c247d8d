"""`train`: from labelled images to a member with its card, also after a kill and in a workflow."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from samples_made import TINY, perfect, sample, write_labelled

from nucwsi.cli.commands import main
from nucwsi.models.card import read_card
from nucwsi.models.loading import load_network
from nucwsi.phantom import CLASSES
from nucwsi.steps import train
from nucwsi.training.tuning import N_CANDIDATES, first_constants


@pytest.fixture
def labelled(tmp_path):
    return write_labelled(tmp_path / "data")


def invoke(*words):
    return CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)


def test_from_images_to_a_member_with_its_card_and_curves(labelled, tmp_path, caplog):
    caplog.set_level("INFO")
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
    # Four steps are no budget for a search.
    assert "on 0 of 1 images" in caplog.text
    assert card.about["tuning"] == {"images": 0, "compared": 0, "stopped": False}
    assert card.post_processing == first_constants(CLASSES)


def test_a_search_longer_than_a_tenth_of_the_training_ends_and_says_so(monkeypatch, caplog):
    samples = [sample()]
    maps, long = [perfect(samples[0])], TINY.model_copy(update={"steps": 10**6})
    caplog.set_level("INFO")
    constants, said = train._tuned(samples, maps, long, seconds=0)
    assert said == {"images": 1, "compared": 1, "stopped": True}
    assert "on 1 of 1 images, 0 s at most" in caplog.text
    assert f"after 1 of {N_CANDIDATES} sets of constants" in caplog.text
    assert constants.np_threshold == 0.35
    # The clock decides nothing where there is time.
    assert train._tuned(samples, maps, long, 1e6) == train._tuned(samples, maps, long, 1e7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--classes", "a,A"), "`classes` ('a', 'A') must name at least one class, each its own"),
        (("--classes", "nuclei,b"), "two columns of a table would be `n_nuclei`"),
        (("--classes", "a,"), "`classes.1`: expected a name of printable characters"),
        (("--name", "a\nb"), "`name`: expected a name of printable characters"),
        (("--unions", "all=spindle|benign"), "`unions`: `unions.all` names 'benign', which"),
        (("--unions", "spindle"), "`unions`: expected a union such as"),
        (("--widths", "4,1000000000"), "`widths.1`: Input should be less than or equal to 4096"),
        (("--widths", ",".join(["4"] * 99)), "`widths`: Tuple should have at most 10 items"),
    ],
)
def test_a_checkpoint_that_could_not_be_read_is_refused_before_training(tmp_path, words, message):
    ran = invoke("train", tmp_path / "nowhere", "-o", tmp_path / "m.safetensors", *words)
    assert ran.exit_code != 0
    assert message in ran.output
    assert ran.output.count("\n") == 1
    assert not list(tmp_path.iterdir())


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


def test_a_start_of_coarser_classes_is_split(labelled, tmp_path):
    tiny = ["--widths", "4,6", "--steps", 1, "--crop-px", 64, "--batch-size", 2]
    start, member = tmp_path / "start.safetensors", tmp_path / "member.safetensors"
    assert invoke("train", labelled, "-o", start, *tiny).exit_code == 0
    finer = ["--classes", "neoplastic, healthy epithelial, inflammatory, spindle, other"]
    words = ["train", labelled, "-o", member, *tiny, *finer, "--teachers", start]
    assert invoke(*words, "--start", start).exit_code == 0
    assert read_card(str(member)).classes[1] == "healthy epithelial"
    refused = invoke(*words, "--start", start, "--source-weights", "elsewhere = 2")
    assert "`source_weights` names 'elsewhere'" in refused.output


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

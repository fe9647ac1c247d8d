"""`calibrate`: a member learns what its counts are off by, and keeps its weights."""

import pytest
import torch
from click.testing import CliRunner
from networks_made import random_network
from samples_made import write_labelled

from nucwsi.cli.commands import main
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import (
    read_weights,
    save_checkpoint,
)
from nucwsi.phantom import CLASSES
from nucwsi.training.tuning import first_constants


@pytest.fixture
def labelled(tmp_path):
    return write_labelled(tmp_path / "data")


@pytest.fixture
def member(labelled, tmp_path):
    """A member that was trained for two steps."""
    path = tmp_path / "tiny.safetensors"
    tiny = ["--widths", "4,6", "--steps", 2, "--crop-px", 64, "--batch-size", 2]
    assert invoke("train", labelled, "-o", path, *tiny).exit_code == 0
    return path


def invoke(*words):
    return CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)


def test_a_member_may_be_replaced_by_itself_with_its_errors(labelled, member):
    before = {name: value.clone() for name, value in read_weights(member).items()}
    ran = invoke("calibrate", member, labelled, "-o", member)
    assert ran.exit_code == 0, ran.output
    card = read_card(str(member))
    assert set(card.miscount.confusion) == set(card.classes)
    assert card.about["counts"]["images"] == {"phantom": 1}
    assert card.about["settings"]["steps"] == 2
    after = read_weights(member)
    assert all(torch.equal(before[name], after[name]) for name in before)
    text = member.with_suffix(".md").read_text()
    assert "# tiny" in text
    assert "| phantom | 1 |" in text
    # The same images say the same again.
    again = member.with_name("again.safetensors")
    assert invoke("calibrate", member, labelled, "-o", again).exit_code == 0
    assert again.read_bytes() == member.read_bytes()


def test_images_of_a_source_that_was_not_learnt_from_count_whatever_their_split(
    labelled, member, tmp_path
):
    manifest = labelled / "manifest.csv"
    other = tmp_path / "other"
    other.mkdir()
    for path in labelled.rglob("*"):
        if path.is_file():
            target = other / path.relative_to(labelled)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    renamed = manifest.read_text().replace("phantom,", "elsewhere,")
    (other / "manifest.csv").write_text(renamed)
    (other / "phantom").rename(other / "elsewhere")
    labels = other / "labels.csv"
    if labels.exists():
        labels.write_text(labels.read_text().replace("phantom,", "elsewhere,"))
    # Those that nobody may tune on are left out.
    n_images = renamed.count("elsewhere,") - renamed.count(",test,")
    output = tmp_path / "out.safetensors"
    ran = invoke("calibrate", member, other, "-o", output)
    assert ran.exit_code == 0, ran.output
    assert read_card(str(output)).about["counts"]["images"] == {"elsewhere": n_images}


@pytest.mark.parametrize("words", [("-o",), ()])
def test_an_output_must_be_named(labelled, member, words):
    assert invoke("calibrate", member, labelled, *words).exit_code == 2


def test_what_cannot_be_calibrated_is_refused_in_one_line(labelled, member, tmp_path):
    output = tmp_path / "out.safetensors"
    ran = invoke("calibrate", tmp_path / "none.safetensors", labelled, "-o", output)
    assert ran.exit_code == 1
    assert "no such file" in ran.output
    ran = invoke("calibrate", member, labelled, "-o", labelled / "m.safetensors")
    assert ran.exit_code == 2
    assert "lies in" in ran.output
    assert not output.exists()


def test_a_member_without_a_card_of_training_is_calibrated_all_the_same(labelled, tmp_path):
    path, output = tmp_path / "bare.safetensors", tmp_path / "out.safetensors"
    network = random_network(widths=(4, 6), n_classes=len(CLASSES))
    description = {
        "name": "bare",
        "widths": [4, 6],
        "classes": CLASSES,
        "mpp": 0.5,
        "halo_px": 32,
        "post_processing": first_constants(CLASSES),
        "about": {},
    }
    save_checkpoint(path, network.state_dict(), description)
    ran = invoke("calibrate", path, labelled, "-o", output)
    assert ran.exit_code == 0, ran.output
    assert read_card(str(output)).miscount is not None
    assert not output.with_suffix(".md").exists()

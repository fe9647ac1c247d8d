"""`nucwsi adopt`: the card of a network of others, or the reason why there is none."""

import re

import pytest
import torch
from commands import refused, succeeded
from exports_made import CLASSES, Tiny, write_onnx, write_pt2
from networks_made import published_weights
from stores import write_member

from nucwsi.models import hovernet
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import card_path
from nucwsi.models.hovernet import FORMS, HoVerNet
from nucwsi.models.loading import load_network

SAID = ("--mpp", 0.5, "--classes", "pale, dark", "--stride", 1)


class Mean(Tiny):
    """Adds the mean over the window, so that everything counts."""

    def forward(self, image):
        return super().forward(image + image.mean((2, 3), keepdim=True))


@pytest.fixture(scope="module")
def pt2(tmp_path_factory):
    return write_pt2(tmp_path_factory.mktemp("adopt") / "tiny.pt2").read_bytes()


@pytest.fixture
def files(tmp_path, pt2):
    (tmp_path / "a tiny.pt2").write_bytes(pt2)
    write_onnx(tmp_path / "tiny.onnx")
    write_onnx(tmp_path / "fixed.onnx", side=24)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "window_px"), [("a tiny.pt2", None), ("tiny.onnx", None), ("fixed.onnx", 24)]
)
def test_how_far_it_sees_is_measured_and_stands_in_the_card(files, name, window_px):
    ran = succeeded("adopt", files / name, *SAID)
    assert f"{name}.json: 2 classes (pale, dark) at 0.5 µm/px, halo 2 px, local" in ran.output
    card = read_card(str(files / name))
    assert (card.classes, card.mpp, card.halo_px, card.local) == (CLASSES, 0.5, 2, True)
    assert (card.exported.receptive_radius_px, card.exported.window_px) == (2, window_px)
    assert load_network(card).stride == 1


def test_what_is_said_stands_in_the_card(files):
    more = ("--radius", 5, "--name", "mine", "--np", "0", "--hv", "hv", "--tp", "2")
    succeeded("adopt", files / "tiny.onnx", *SAID, *more)
    card = read_card(str(files / "tiny.onnx"))
    assert (card.name, card.halo_px, card.exported.receptive_radius_px) == ("mine", 5, 5)
    assert (card.exported.np, card.exported.hv, card.exported.tp) == ("0", "hv", "2")


def test_a_card_may_have_the_constants_of_another_member(tmp_path, files):
    model = tmp_path / "model.safetensors"
    write_member(model, classes=("pale", "dark"), mpp=0.4)
    succeeded("adopt", files / "tiny.onnx", "--stride", 1, "--like", model)
    card, other = read_card(str(files / "tiny.onnx")), read_card(str(model))
    assert (card.classes, card.mpp) == (CLASSES, 0.4)
    assert card.post_processing == other.post_processing
    line = refused("adopt", files / "fixed.onnx", *SAID, "--like", "default", code=2)
    assert "the constants of default are of epithelial, inflammatory" in line


def test_a_network_for_which_everything_counts_must_say_so(tmp_path):
    path = write_pt2(tmp_path / "mean.pt2", Mean())
    assert "still change its answers; say how far" in refused("adopt", path, *SAID)
    line = refused("adopt", path, *SAID, "--radius", 4)
    assert "mean.pt2: says that it sees 4 px far, but pixels at least" in line
    assert not card_path(path).exists()
    succeeded("adopt", path, *SAID, "--not-local")
    card = read_card(str(path))
    assert not card.local
    assert card.halo_px >= 64


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        ((), "needs --mpp .* --classes .* and --stride", 2),
        ((*SAID, "--radius", 1), "sees 1 px far, but pixels 2 px away change its answers", 1),
        ((*SAID, "--tp", "types"), "has no output 'types', but np, hv, tp; say which are", 2),
        ((*SAID, "--tp", "3"), "has no output '3'", 2),
        (("--mpp", 0.5, "--classes", "one", "--stride", 1), r"`tp` has the shape \(1, 2", 1),
        (("--mpp", 90, *SAID[2:]), "`mpp`: Input should be less than", 1),
        ((*SAID[:2], "--classes", "a,a", *SAID[4:]), "each its own", 1),
        ((*SAID, "--radius", 3, "--not-local"), "leave it or --not-local out", 2),
    ],
)
def test_what_does_not_answer_as_it_says_gets_no_card(files, words, message, code):
    for name in ("a tiny.pt2", "tiny.onnx"):
        assert re.search(message, refused("adopt", files / name, *words, code=code)), name
        assert not card_path(files / name).exists()


def test_logits_are_told_from_probabilities(tmp_path):
    path = write_onnx(tmp_path / "raw.onnx", logits=True)
    assert "adopt it with --logits" in refused("adopt", path, *SAID)
    succeeded("adopt", path, *SAID, "--logits")


def test_a_card_is_not_written_over(files):
    succeeded("adopt", files / "tiny.onnx", *SAID)
    assert "is there already; change it, or delete it" in refused(
        "adopt", files / "tiny.onnx", *SAID, code=2
    )


def test_what_describes_itself_or_is_no_network_is_refused(tmp_path, tiny_member):
    assert "describes itself" in refused("adopt", tiny_member, code=2)
    assert "describes itself" in refused("adopt", "default", code=2)
    assert "no such file" in refused("adopt", tmp_path / "none.onnx")
    (tmp_path / "x.pt2").write_bytes(b"x")
    assert "no whole program" in refused("adopt", tmp_path / "x.pt2", *SAID)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """HoVer-Net as it is published, with fewer channels."""
    monkeypatch.setattr(hovernet, "WIDTHS", (8, 16, 32, 64))
    monkeypatch.setattr(hovernet, "GROWTH", 4)
    network = published_weights(HoVerNet(FORMS["hovernet_original"], 4))
    path = tmp_path / "consep.tar"
    torch.save({"desc": network.state_dict()}, path)
    return path


def test_published_weights_get_a_card_with_the_classes_that_are_named(weights):
    assert read_card(str(weights)).classes == ("other", "inflammatory", "epithelial", "spindle")
    named = "epithelial,inflammatory,spindle,miscellaneous"
    succeeded("adopt", weights, "--classes", named, "--name", "tia")
    card = read_card(str(weights))
    assert (card.name, card.classes, card.mpp) == ("tia", tuple(named.split(",")), 0.25)
    assert card.halo_px == 160
    assert "CC BY-NC-SA" in card.about["licence"]
    assert load_network(card).receptive_radius_px == 156


def test_of_published_weights_outputs_cannot_be_said(weights):
    for words in (("--stride", 8), ("--not-local",), ("--np", "np"), ("--logits",)):
        assert "only --name, --classes and --mpp" in refused("adopt", weights, *words, code=2)
    assert "distinguishes 4 classes, but 1 are named: a" in refused(
        "adopt", weights, "--classes", "a"
    )

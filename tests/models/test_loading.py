"""Weights are loaded only if they are whole and fit the card."""

import json
import struct

import pytest
import torch
from networks_made import rewritten
from safetensors.torch import load_file, save_file
from stores import CLASSES

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.loading import load_network, load_trainable


def test_the_card_says_what_was_saved(member):
    card = read_card(str(member))
    assert (card.name, card.classes, card.mpp, card.halo_px) == ("member", CLASSES, 0.5, 32)
    network = load_network(card)
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 16, 16)).tp_map.shape == (1, 4, 16, 16)


def test_a_truncated_file_is_refused(member):
    member.write_bytes(member.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="weights cannot be used"):
        load_network(read_card(str(member)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(halo_px=16), "not below the receptive radius of 23 px"),
        (lambda d: d.update(halo_px=30), "must be a multiple of 4"),
        (lambda d: d.update(widths=[4, 6, 9]), "weights cannot be used"),
    ],
)
def test_weights_that_do_not_fit_are_refused(member, change, message):
    with pytest.raises(CheckpointError, match=message):
        load_network(read_card(rewritten(member, change)))


def test_weights_that_are_not_finite_are_refused(member):
    weights = load_file(member)
    weights["heads.bias"][0] = float("nan")
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    save_file(weights, member, metadata=header["__metadata__"])
    with pytest.raises(CheckpointError, match="not finite"):
        load_network(read_card(str(member)))


def test_folding_is_for_inference_alone(member):
    card = read_card(str(member))
    image = torch.rand(1, 3, 32, 32)
    trained, folded = load_trainable(card), load_network(card)
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in trained.modules())
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    with torch.inference_mode():
        for one, other in zip(trained.eval()(image), folded(image), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)

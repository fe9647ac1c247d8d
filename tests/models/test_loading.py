"""Weights are loaded only if they are whole and fit the card."""

import json
import resource
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


def reweighted(member, change):
    """Write a checkpoint again with changed weights; return its card."""
    weights = load_file(member)
    change(weights)
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    save_file(weights, member, metadata=header["__metadata__"])
    return read_card(str(member))


FIRST, VARIANCE = "encoder.0.0.weight", "encoder.0.1.running_var"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["heads.bias"][:1].fill_(float("nan")), "`heads.bias` holds .* not finite"),
        (lambda w: w[FIRST].fill_(float("inf")), rf"`{FIRST}` holds weights that are not finite"),
        (lambda w: w[VARIANCE][:1].fill_(-1), rf"`{VARIANCE}` holds a negative variance"),
        (lambda w: w.pop("heads.bias"), r"lacks `heads\.bias` \(1 differences\)"),
        (lambda w: w.clear(), r"lacks `.*differences\)"),
        (lambda w: w.update(extra=torch.ones(1)), "has an unknown `extra`"),
        (lambda w: w.update({"heads.bias": torch.ones(3)}), r"has `heads\.bias` of \(3,\), exp"),
        (lambda w: w.update({"heads.bias": torch.ones(())}), r"of \(\), expected \(7,\)"),
        (
            lambda w: w.update({"heads.bias": torch.ones(7, dtype=torch.int8)}),
            r"has `heads\.bias` in torch\.int8, expected torch\.float32",
        ),
        (
            lambda w: w.update({"heads.bias": torch.ones(7, dtype=torch.complex64)}),
            r"has `heads\.bias` in torch\.complex64, expected torch\.float32",
        ),
        (
            lambda w: w.update({"heads.bias": torch.full((7,), 1e300, dtype=torch.float64)}),
            r"`heads\.bias` holds weights that are not finite",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_named(member, change, message):
    card = reweighted(member, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(card)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_is_read(member, number):
    def change(weights):
        for name, value in weights.items():
            weights[name] = value.to(number) if value.is_floating_point() else value

    network = load_network(reweighted(member, change))
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_widths_beyond_any_memory_cost_none(member):
    """The shapes are compared before memory is taken: 8 levels of 4096 channels are 24 GB."""
    card = read_card(rewritten(member, lambda d: d.update(widths=[4096] * 8, halo_px=1024)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="weights cannot be used"):
        load_network(card)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_folding_is_for_inference_alone(member):
    card = read_card(str(member))
    image = torch.rand(1, 3, 32, 32)
    trained, folded = load_trainable(card), load_network(card)
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in trained.modules())
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    with torch.inference_mode():
        for one, other in zip(trained.eval()(image), folded(image), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)

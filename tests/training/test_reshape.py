"""The weights of one network in another: what it answers as before, what begins anew."""

import pytest
import torch

from nucwsi.models.architectures import build_network, build_trainable
from nucwsi.training.reshape import reshape

WIDTHS = (4, 6, 8, 8)


def network(architecture="lite2", widths=WIDTHS, n_classes=2, seed=1):
    """A network whose normalisations have statistics of their own."""
    torch.manual_seed(seed)
    made = build_trainable(architecture, widths, n_classes).train()
    made(torch.rand(2, 3, 64, 64))
    return made.eval()


def reshaped(start, *shape):
    other = network(*shape, seed=2)
    other.load_state_dict(reshape(start, other))
    return other


@pytest.mark.parametrize(
    ("architecture", "widths", "wider"),
    [
        ("lite2", WIDTHS, (8, 6, 8, 12)),
        ("lite2", WIDTHS, (5, 7, 9, 11)),
        ("lite2", WIDTHS, WIDTHS),
        ("unet", (4, 6, 8), (5, 9, 8)),
        ("unet", (4, 6, 8), (4, 6, 11)),
    ],
)
def test_a_wider_network_answers_as_before(architecture, widths, wider):
    start = network(architecture, widths)
    other = reshaped(start, architecture, wider)
    image = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        for before, after in zip(start(image), other(image), strict=True):
            torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_new_channels_are_there_to_be_learnt():
    start = network("unet", (4, 6, 8))
    other = reshaped(start, "unet", (64, 6, 8))
    torch.cat(other(torch.rand(1, 3, 64, 64)), dim=1).square().sum().backward()
    heads = other.heads.weight
    assert not heads[:, 4:].any()
    # A few of so many random channels may answer zero everywhere.
    assert heads.grad[:, 4:].flatten(1).any(0).float().mean() > 0.5


def test_a_way_down_that_ends_earlier_takes_what_both_have():
    start = network()
    short = reshaped(start, "lite2short")
    lent, own = start.state_dict(), network("lite2short", seed=2).state_dict()
    for name, value in short.state_dict().items():
        assert torch.equal(value, (own if name.startswith("narrow.0.") else lent)[name])


@pytest.mark.parametrize(
    ("start", "shape", "message"),
    [
        (("lite2short",), ("lite2",), "the layers differ"),
        (("unet", (4, 6)), ("unet", (4, 6, 8)), "the layers differ"),
        (("unet", (4, 6, 8, 8)), ("lite2",), "the layers differ"),
        (("lite2",), ("lite2", (4, 6, 8, 6)), "has more channels"),
        (("lite2", WIDTHS, 3), ("lite2", WIDTHS, 2), "has more channels"),
    ],
)
def test_what_does_not_fit_is_refused(start, shape, message):
    with pytest.raises(ValueError, match=message):
        reshape(network(*start), network(*shape))


def test_another_kind_of_network_is_refused():
    hovernet = build_network("hovernet_fast", (), 2)
    with pytest.raises(ValueError, match="expected a UNet, got"):
        reshape(hovernet, network())

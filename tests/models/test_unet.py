"""The U-Net is local: a pixel's answer depends on its surroundings only, whatever the window."""

import copy

import numpy as np
import pytest
import torch
from networks_made import WIDTHS

from nucwsi.errors import CheckpointError
from nucwsi.models import layers
from nucwsi.models.architectures import build_network
from nucwsi.models.unet import PlainEncoder, UNet


def test_nothing_beyond_the_receptive_radius_matters(architecture):
    """With positive weights and no bias, a lit pixel lights exactly the pixels that see it."""
    network = build_network(architecture, WIDTHS, 3).eval().double()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.fill_(0.0 if name.endswith(("bias", "running_mean")) else 1.0)
    radius, stride = network.receptive_radius_px, network.stride
    side = 2 * (radius // stride + 2) * stride
    farthest = 0
    # Every phase of the pooling grid: the farthest reach occurs at some of them only.
    for phase in range(stride):
        image = torch.zeros(1, 3, side, side, dtype=torch.double)
        image[..., side // 2 + phase, side // 2 + phase] = 1
        with torch.inference_mode():
            lit = torch.nonzero(torch.cat(network(image), dim=1).any(1)[0])
        farthest = max(farthest, int((lit - side // 2 - phase).abs().max()))
    assert farthest == radius


def test_a_change_beyond_the_radius_leaves_every_bit(network):
    radius = network.receptive_radius_px
    image = torch.rand(1, 3, 96, 96)
    changed = image.clone()
    changed[..., :40] = 0
    with torch.inference_mode():
        before, after = (torch.cat(network(x), dim=1) for x in (image, changed))
    beyond = np.s_[..., 40 + radius :]
    np.testing.assert_array_equal(before[beyond], after[beyond])


@pytest.mark.parametrize("margin", [0, 1, 2, 3, 7, 8, 9, 16, 23])
def test_leaving_out_a_margin_changes_nothing_inside(network, margin):
    network = copy.deepcopy(network).double()
    image = torch.rand(1, 3, 64, 80, dtype=torch.double)
    with torch.inference_mode():
        for whole, part in zip(network(image), network(image, margin), strict=True):
            expected = whole[..., margin : 64 - margin, margin : 80 - margin]
            torch.testing.assert_close(part, expected, atol=1e-12, rtol=0)


def test_folding_changes_nothing_but_rounding(network):
    image = torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        for plain, folded in zip(network(image), network.folded()(image), strict=True):
            torch.testing.assert_close(plain, folded, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("widths", "classes"), [((8,), 2), ((8, 0), 2), ((8, 8), 0)])
def test_an_impossible_network_is_refused(widths, classes):
    with pytest.raises(CheckpointError, match="at least"):
        UNet(widths, classes)


def test_cooling_divides_the_class_logits_alone(network):
    cooled = copy.deepcopy(network)
    cooled.cool(4.0)
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        before, after = network(image), cooled(image)
    torch.testing.assert_close(after.tp_map, before.tp_map / 4)
    torch.testing.assert_close(after.np_map, before.np_map, atol=0, rtol=0)
    torch.testing.assert_close(after.hv_map, before.hv_map, atol=0, rtol=0)


def test_a_plain_encoder_halves_each_level_and_has_no_published_weights():
    encoder = PlainEncoder(WIDTHS)
    skips, lowest = encoder(torch.rand(1, 3, 16, 24), [0, 0, 0])
    assert [tuple(level.shape[1:]) for level in (*skips, lowest)] == [
        (4, 16, 24),
        (6, 8, 12),
        (8, 4, 6),
    ]
    assert encoder.published_parameters() == []


def test_channels_are_left_out_in_training_alone():
    network = build_network("unet", WIDTHS, 3)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    plain = torch.cat(network.eval()(image), 1)
    network.dropout = 0.5
    assert torch.equal(torch.cat(network(image), 1), plain)
    network.train()
    # Of normalisations that keep their statistics, only the channels that are left out differ.
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()
    assert not torch.equal(network(image)[0], network(image)[0])
    network.dropout = 0.0
    assert torch.equal(torch.cat(network(image), 1), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("margin", [0, 4, 23, 48])
def test_strips_of_rows_change_no_bit(network, dtype, margin, monkeypatch):
    network = network.folded().to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, 160, 176).contiguous(memory_format=torch.channels_last)
    made = []
    for rows in (1000, 7, 16):
        monkeypatch.setattr(layers, "_STRIP_ROWS", rows)
        with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            made.append(torch.cat(network(image, margin), dim=1))
    assert all(torch.equal(one, made[0]) for one in made)

"""The authors' networks: published names, published answers, and how far they see."""

import json

import numpy as np
import pytest
import torch
from networks_made import published_weights

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.loading import load_network
from nucwsi.models.network import activate
from nucwsi.models.seresnext import BLOCKS, SEResNeXt

ARCHITECTURES = tuple(BLOCKS)


def with_published_values(network):
    """The reference outputs of these networks were computed with another `unpool_mat`, too."""
    return published_weights(network, kept=("num_batches_tracked",))


def published_input():
    row, column = np.mgrid[:64, :64]
    planes = [0.5 + 0.5 * np.sin(0.11 * column * (c + 1) + 0.07 * row + c) for c in range(3)]
    return torch.from_numpy(np.stack(planes)).float()[None]


@pytest.fixture(scope="module")
def small():
    """One bottleneck a layer, so that it runs in no time."""
    return with_published_values(SEResNeXt((1, 1, 1, 1), 6))


@pytest.mark.parametrize(("name", "millions"), [("seresnext50", 33.67), ("seresnext101", 55.07)])
def test_the_size_is_the_published_one(name, millions):
    with torch.device("meta"):
        network = SEResNeXt(BLOCKS[name], 6)
    count = sum(value.numel() for value in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.005)
    names = list(network.state_dict())
    assert len(names) == {"seresnext50": 566, "seresnext101": 940}[name]
    assert names[0] == "backbone.layer0.conv1.weight"
    assert names[-1] == "upsample2x.unpool_mat"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_shapes_and_order_are_the_published_ones(shared, name):
    published = json.loads((shared / "checkpoints" / "parameters.json").read_text())[name]
    with torch.device("meta"):
        entries = SEResNeXt(BLOCKS[name], 6).state_dict()
    assert [(key, list(value.shape)) for key, value in entries.items()] == list(published.items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_answers_are_the_published_ones(shared, name, tmp_path):
    """From a file as the authors publish it to what their own code answered."""
    reference = np.load(shared / "checkpoints" / f"{name}.npz")
    path = tmp_path / "published.pth"
    torch.save(with_published_values(SEResNeXt(BLOCKS[name], 6)).state_dict(), path)
    network = load_network(read_card(str(path)))
    path.unlink()
    with torch.inference_mode():
        raw = network.heads(published_input())
    for key, value in zip(("np", "hv", "tp"), raw, strict=True):
        np.testing.assert_allclose(value[0], reference[key], atol=1e-4, rtol=0)


def test_folding_changes_nothing_but_rounding(small):
    image = published_input()
    with torch.inference_mode():
        for plain, folded in zip(small.heads(image), small.folded().heads(image), strict=True):
            torch.testing.assert_close(plain, folded, atol=1e-5, rtol=1e-4)


def test_maps_say_what_the_heads_say(small):
    """`np` is the softmax's nucleus, `hv` a tanh, `tp` the share of each class of the nucleus."""
    image = published_input()
    with torch.inference_mode():
        raw, maps = small.heads(image), activate(small(image))
    torch.testing.assert_close(maps.np_map[:, 0], raw.np_map.softmax(1)[:, 1])
    torch.testing.assert_close(maps.hv_map, raw.hv_map.tanh())
    every = raw.tp_map.softmax(1)
    assert maps.tp_map.shape[1] == 6 == every.shape[1] - 1
    torch.testing.assert_close(maps.tp_map, every[:, 1:] / (1 - every[:, :1]))


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (2, 3, 2, 2)])
def test_convolutions_reach_as_far_as_said(blocks):
    """With positive weights and constant channel weights, a pixel lights all that see it."""
    network = SEResNeXt(blocks, 1).eval()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            ones = value.ndim == 1 and name.endswith(("weight", "var"))
            value.fill_(1.0 if ones else 0.0)
            if value.ndim > 1 and "se_module" not in name:
                value.fill_(value.shape[0] / value.numel())
    radius = network.receptive_radius_px
    side = 2 * (radius // 8 + 2) * 8
    # A thin picture for each phase of the coarsest cells: only reach along the columns counts.
    images = torch.zeros(8, 3, 8, side)
    for phase, image in enumerate(images):
        image[..., side // 2 + phase] = 1
    with torch.inference_mode():
        lit = torch.cat(network.heads(images), dim=1).any(1).any(1)
    phase, column = torch.nonzero(lit).T
    farthest = (column - side // 2 - phase).abs().max()
    assert farthest == radius


def test_what_lies_beyond_its_convolutions_still_counts():
    torch.manual_seed(2)
    network = SEResNeXt((1, 1, 1, 1), 2).eval()
    for name, value in network.state_dict().items():
        if "se_module" in name:
            value.mul_(10)
    image = torch.rand(1, 3, 8, 256)
    changed = image.clone()
    changed[..., -64:] = 0
    beyond = np.s_[..., : -64 - network.receptive_radius_px]
    with torch.inference_mode():
        before, after = (torch.cat(network(shown), dim=1)[beyond] for shown in (image, changed))
    assert (before - after).abs().max() > 1e-4


@pytest.mark.parametrize(("blocks", "classes"), [((1, 1, 0, 1), 2), ((1, 1, 1, 1), 0)])
def test_an_impossible_network_is_refused(blocks, classes):
    with pytest.raises(CheckpointError, match="at least 1"):
        SEResNeXt(blocks, classes)

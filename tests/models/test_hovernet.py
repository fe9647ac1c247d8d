"""HoVer-Net: published names, published answers, and locality, which its published tiling lacks."""

import json

import numpy as np
import pytest
import torch
from networks_made import published_weights

from nucwsi.errors import CheckpointError
from nucwsi.models import hovernet
from nucwsi.models.card import read_card
from nucwsi.models.hovernet import FORMS, HoVerNet
from nucwsi.models.loading import load_network
from nucwsi.models.network import activate
from nucwsi.models.reach import reach_px

#: Name in the folder of checkpoints -> architecture, classes and side of the published window.
PUBLISHED = {
    "hovernet_fast_6": ("hovernet_fast", 5, 256),
    "hovernet_fast_5": ("hovernet_fast", 4, 256),
    "hovernet_original_5": ("hovernet_original", 4, 270),
    "hovernet_original": ("hovernet_original_untyped", 1, 270),
}


def published_input(side):
    row, column = np.mgrid[:side, :side]
    planes = [0.5 + 0.5 * np.sin(0.11 * column * (c + 1) + 0.07 * row + c) for c in range(3)]
    return torch.from_numpy(np.round(255 * np.stack(planes)) / 255).float()[None]


@pytest.fixture
def few_channels(monkeypatch):
    """All kernels, strides and units, with an eighth of the channels."""
    monkeypatch.setattr(hovernet, "WIDTHS", (8, 16, 32, 64))
    monkeypatch.setattr(hovernet, "GROWTH", 4)
    torch.manual_seed(5)


@pytest.fixture(params=["hovernet_fast", "hovernet_original"])
def narrow(request, few_channels):
    return published_weights(HoVerNet(FORMS[request.param], 3))


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_shapes_and_order_are_the_published_ones(shared, name):
    published = json.loads((shared / "checkpoints" / "parameters.json").read_text())[name]
    architecture, n_classes, _ = PUBLISHED[name]
    with torch.device("meta"):
        entries = HoVerNet(FORMS[architecture], n_classes).state_dict()
    assert [(key, list(value.shape)) for key, value in entries.items()] == list(published.items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_answers_are_the_published_ones(shared, name, tmp_path):
    """From a file as it is published to what the authors' code answered."""
    reference = np.load(shared / "checkpoints" / f"{name}.npz")
    architecture, n_classes, side = PUBLISHED[name]
    weights = published_weights(HoVerNet(FORMS[architecture], n_classes)).state_dict()
    path = tmp_path / f"{name}.tar"
    torch.save({"desc": weights}, path)
    del weights
    card = read_card(str(path))
    assert (card.architecture, len(card.classes), card.mpp) == (architecture, n_classes, 0.25)
    network = load_network(card)
    path.unlink()
    with torch.inference_mode():
        raw = network.heads(published_input(side))
    kept = slice(34, 130) if side == 256 else slice(None)
    answers = {"np": raw.np_map, "hv": raw.hv_map, "tp": raw.tp_map}
    assert set(reference) == {key for key, value in answers.items() if value is not None}
    for key in reference:
        np.testing.assert_allclose(
            answers[key][0, :, kept, kept], reference[key], atol=1e-4, rtol=0
        )


@pytest.mark.parametrize(("form", "side", "answered"), [("fast", 256, 164), ("original", 270, 80)])
def test_windows_and_answers_have_the_published_sides(few_channels, form, side, answered):
    network = HoVerNet(FORMS[f"hovernet_{form}"], 2).eval()
    with torch.inference_mode():
        raw = network.heads(torch.rand(1, 3, side, side))
    assert raw.np_map.shape[-2:] == raw.tp_map.shape[-2:] == (answered, answered)


def test_a_pixel_is_the_same_in_all_windows_that_hold_its_receptive_field(narrow):
    radius = narrow.receptive_radius_px
    assert radius == (109 if narrow.form.reach_px == 1 else 156)
    margin = radius + -radius % narrow.stride
    image = torch.rand(1, 3, 2 * margin + 24, 2 * margin + 48)
    with torch.inference_mode():
        whole = activate(narrow(image, margin))
        part = activate(narrow(image[..., 16:, 24:-8], margin))
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(one[..., 16:, 24:-8], other, atol=1e-4, rtol=0)


def test_it_sees_exactly_as_far_as_it_says(narrow):
    def answer(image):
        with torch.inference_mode():
            return activate(narrow(image))

    width = 2 * (narrow.receptive_radius_px // 8 + 3) * 8
    assert reach_px(answer, (8, width), (0, 6)) == narrow.receptive_radius_px


def test_the_published_tiling_lets_zeros_into_every_tile(narrow):
    """What the published network answers of its window is not what it answers of a larger one."""
    side = 256 if narrow.form.padded else 270
    image = torch.rand(1, 3, 416, 416)
    first = 72 - (0 if narrow.form.padded else 3)
    with torch.inference_mode():
        published = narrow.heads(image[..., first : first + side, first : first + side]).np_map
        whole = narrow(image).np_map
    answered = published.shape[-1]
    start = first + (side - answered) // 2
    same = whole[..., start : start + answered, start : start + answered]
    change = (published[:, 1:] - published[:, :1] - same).abs()
    assert change.max() > 1e-3 * same.std()


def test_a_margin_that_is_too_narrow_is_filled_with_glass(narrow):
    image = torch.rand(1, 3, 64, 72)
    far = narrow.receptive_radius_px // 8 * 8 + 8
    around = torch.nn.functional.pad(image, (far,) * 4, value=1.0)
    with torch.inference_mode():
        for margin in (0, 8, 16):
            maps = narrow(image, margin)
            assert maps.np_map.shape[-2:] == (64 - 2 * margin, 72 - 2 * margin)
            middle = narrow(around, far + margin)
            assert middle.np_map.shape == maps.np_map.shape
            assert all(value.isfinite().all() for value in maps)


def test_folding_changes_nothing_but_rounding(narrow):
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for plain, folded in zip(
            activate(narrow(image)), activate(narrow.folded()(image)), strict=True
        ):
            torch.testing.assert_close(plain, folded, atol=1e-4, rtol=1e-4)


def test_maps_say_what_the_heads_say(narrow):
    """`np` is the softmax's nucleus, `hv` is as it comes, `tp` the share of each class."""
    narrow.decoder["hv"].u0.conv.weight.data.mul_(3)
    decoder_px = 47 * narrow.form.reach_px
    margin = 200
    image = torch.rand(1, 3, 416, 416)
    inset = 0 if narrow.form.padded else 3
    cut = margin - (decoder_px - narrow.form.reach_px) - inset
    with torch.inference_mode():
        # The published window begins three pixels earlier where its first convolution is valid.
        shown = image[..., 8 - inset : 408 + inset, 8 - inset : 408 + inset]
        raw = [
            value
            if value is None
            else value[..., cut - 8 + inset :, cut - 8 + inset :][..., :16, :16]
            for value in narrow.heads(shown)
        ]
        maps = activate(narrow(image, margin))
    torch.testing.assert_close(maps.np_map[:, 0], raw[0].softmax(1)[:, 1])
    torch.testing.assert_close(maps.hv_map, raw[1].clamp(-1, 1), atol=1e-5, rtol=1e-4)
    every = raw[2].softmax(1)
    torch.testing.assert_close(maps.tp_map, every[:, 1:] / (1 - every[:, :1]))


@pytest.mark.usefixtures("few_channels")
def test_a_network_without_types_has_one_class_of_which_it_is_sure():
    network = published_weights(HoVerNet(FORMS["hovernet_fast_untyped"], 1))
    with torch.inference_mode():
        assert network.heads(torch.rand(1, 3, 104, 104)).tp_map is None
        assert (activate(network(torch.rand(1, 3, 8, 16))).tp_map == 1).all()


@pytest.mark.parametrize(
    ("form", "classes", "message"),
    [("hovernet_fast", 0, "at least 1"), ("hovernet_fast_untyped", 2, "1 for a network without")],
)
def test_an_impossible_network_is_refused(form, classes, message):
    with pytest.raises(CheckpointError, match=message):
        HoVerNet(FORMS[form], classes)


@pytest.mark.usefixtures("few_channels")
@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"desc": w}])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_the_authors_and_of_tiatoolbox_are_members(tmp_path, wrap, prefix, legacy):
    weights = published_weights(HoVerNet(FORMS["hovernet_fast"], 4)).state_dict()
    path = tmp_path / "hovernet.tar"
    content = wrap({prefix + name: value for name, value in weights.items()})
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    card = read_card(str(path))
    assert card.classes == ("epithelial", "lymphocyte", "macrophage", "neutrophil")
    assert (card.local, card.halo_px, card.mpp) == (True, 112, 0.25)
    assert load_network(card).receptive_radius_px == 109


@pytest.mark.usefixtures("few_channels")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("conv0./.weight"), r"it lacks `conv0\./\.weight` \(1 differences"),
        (lambda w: w.update(more=torch.ones(1)), "it has an unknown `more`"),
        (
            lambda w: w.update({"conv_bot.weight": torch.ones(128, 256, 3, 3)}),
            r"has `conv_bot\.weight` of \(128, 256, 3, 3\), expected \(128, 256, 1, 1\)",
        ),
        (
            lambda w: w.update(
                {
                    "decoder.tp.u0.conv.weight": torch.ones(8, 64, 1, 1),
                    "decoder.tp.u0.conv.bias": torch.ones(8),
                }
            ),
            r"distinguishes 7 classes, expected one of 5 \(pannuke\), 4 \(monusac\); name yours"
            " with `nucwsi adopt --classes`",
        ),
        (lambda w: w.update({"conv0.bn.weight": torch.full((64,), torch.nan)}), "not finite"),
    ],
)
def test_weights_that_are_not_the_published_ones_are_refused_by_name(tmp_path, change, message):
    weights = published_weights(HoVerNet(FORMS["hovernet_fast"], 4)).state_dict()
    change(weights)
    torch.save({"desc": weights}, tmp_path / "hovernet.tar")
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(read_card(str(tmp_path / "hovernet.tar")))
    assert "\n" not in str(caught.value)

"""The network is local, its views can be undone, and its maps do not depend on the window."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.labels.targets import hv_targets
from nucwsi.models import lite
from nucwsi.models.ensemble import Ensemble, choose_device, largest_batch
from nucwsi.models.unet import Maps, UNet, activate
from nucwsi.models.views import VIEWS, apply_view, choose_views, turn_vectors, undo_maps, undo_view

WIDTHS = (4, 6, 8)


#: EfficientNet's pattern, as short as it can be: what holds for it holds for the real one.
SHORT = (
    lite.Stage(3, 1, 1, 4, 1),
    lite.Stage(5, 2, 2, 6, 2),
    lite.Stage(3, 1, 6, 6, 1),
    lite.Stage(3, 2, 2, 8, 1),
)


@pytest.fixture(scope="module", params=["unet", "lite2"])
def architecture(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lite, "LITE2", SHORT)
        yield request.param


@pytest.fixture(scope="module")
def network(architecture):
    torch.manual_seed(3)
    network = UNet(WIDTHS, 3, architecture)
    # Running statistics as after training: folding and locality must hold with any.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def ensemble(network, views=1):
    return Ensemble((network,), torch.device("cpu"), torch.float32, views)


def test_nothing_beyond_the_receptive_radius_matters(architecture):
    """With positive weights and no bias, a lit pixel lights exactly the pixels that see it."""
    network = UNet(WIDTHS, 3, architecture).eval().double()
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


@pytest.mark.parametrize("core", [16, 32, 64])
def test_a_window_with_its_halo_gives_the_same_stored_maps(network, core):
    halo = -(-network.receptive_radius_px // network.stride) * network.stride
    rng = np.random.default_rng(core)
    picture = rng.integers(0, 256, (3, 64 + 2 * halo, 64 + 2 * halo), np.uint8)
    whole = ensemble(network, views=8).quantised(picture[None], halo)[0]
    for row in range(0, 64, core):
        for column in range(0, 64, core):
            rows, columns = slice(row, row + core), slice(column, column + core)
            window = picture[:, row : row + core + 2 * halo, column : column + core + 2 * halo]
            part = ensemble(network, views=8).quantised(window[None], halo)[0]
            for stored, expected in zip(part, whole, strict=True):
                np.testing.assert_array_equal(stored, expected[..., rows, columns])


def test_a_batch_is_its_windows(network):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 3, 32, 32), np.uint8)
    together = ensemble(network).quantised(pictures, 8)
    for index in range(3):
        alone = ensemble(network).quantised(pictures[index : index + 1], 8)[0]
        for one, other in zip(together[index], alone, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("view", VIEWS)
def test_undoing_a_view_is_the_identity(view):
    image = torch.rand(2, 3, 6, 9)
    torch.testing.assert_close(undo_view(apply_view(image, view), view), image, atol=0, rtol=0)


@pytest.mark.parametrize("view", VIEWS)
def test_the_maps_of_a_view_come_back_to_the_slide(view):
    """What a perfect network says of the turned picture, undone, is what it says of the picture."""
    labels = np.zeros((40, 40), np.int32)
    labels[5:14, 7:30] = 1
    labels[20:36, 20:27] = 2
    labels[22, 27:31] = 2
    turned = apply_view(torch.from_numpy(labels), view).numpy()
    said = Maps(
        torch.from_numpy((turned > 0).astype(np.float32))[None, None],
        torch.from_numpy(hv_targets(turned))[None],
        torch.from_numpy(turned.astype(np.float32))[None, None],
    )
    back = undo_maps(said, view)
    np.testing.assert_array_equal(back.np_map[0, 0], labels > 0)
    np.testing.assert_allclose(back.hv_map[0], hv_targets(labels), atol=1e-6)
    np.testing.assert_array_equal(back.tp_map[0, 0], labels)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(VIEWS), st.sampled_from(VIEWS), st.integers(0, 2**31))
def test_turning_vectors_follows_the_picture(first, second, seed):
    """Views compose: turning by one and then the other equals turning the turned maps."""
    vectors = torch.from_numpy(np.random.default_rng(seed).random((2, 5, 5), np.float32))
    once = apply_view(turn_vectors(vectors, first), first)
    twice = apply_view(turn_vectors(once, second), second)
    undone = undo_maps(Maps(twice[:1][None], twice[None], twice[None]), second).hv_map[0]
    torch.testing.assert_close(undone, once, atol=0, rtol=0)


def test_averaging_all_views_commutes_with_turning(network):
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (1, 3, 64, 64), np.uint8)
    eight = ensemble(network, views=8)
    plain = eight.mean_maps(picture)
    for view in VIEWS:
        turned = apply_view(torch.from_numpy(picture), view).contiguous().numpy()
        back = undo_maps(eight.mean_maps(turned), view)
        for one, other in zip(plain, back, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_bfloat16_stays_near_float32(network):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (1, 3, 64, 64), np.uint8)
    exact = ensemble(network).mean_maps(picture)
    rough = Ensemble((network,), torch.device("cpu"), torch.bfloat16, 1).mean_maps(picture)
    for one, other in zip(exact, rough, strict=True):
        assert (one - other).abs().max() < 0.05


def test_activation_gives_probabilities_and_positions(network):
    maps = activate(network(torch.rand(1, 3, 16, 16)))
    assert maps.np_map.min() >= 0
    assert maps.np_map.max() <= 1
    assert maps.hv_map.abs().max() <= 1
    torch.testing.assert_close(maps.tp_map.sum(1), torch.ones(1, 16, 16))


def test_a_processor_takes_one_window_at_a_time(network):
    assert largest_batch(ensemble(network), 64, limit=8) == 1


@pytest.mark.parametrize("count", [0, 3, 16])
def test_only_symmetric_sets_of_views(count):
    with pytest.raises(ConfigError, match="must be 1, 2, 4 or 8"):
        choose_views(count)


def test_a_device_that_is_not_there_is_refused():
    absent = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=r"device: cpu"):
        choose_device(absent)
    with pytest.raises(ConfigError, match="'gpu' is none of auto, cpu, cuda and cuda:N"):
        choose_device("gpu")


@pytest.mark.parametrize(("widths", "classes"), [((8,), 2), ((8, 0), 2), ((8, 8), 0)])
def test_an_impossible_network_is_refused(widths, classes):
    with pytest.raises(CheckpointError, match="at least"):
        UNet(widths, classes)

"""The mean maps depend on the canvas alone: not on the window, the batch or the view."""

import copy

import numpy as np
import pytest
import torch
from networks_made import Toy, ensemble_of, random_network
from stores import CLASSES, write_member
from streams_made import Streams

from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import own_halo_px
from nucwsi.models.resolution import margin_on_canvas
from nucwsi.models.views import VIEWS, apply_view, undo_maps


@pytest.mark.parametrize("core", [16, 32, 64])
def test_a_window_with_its_halo_gives_the_same_stored_maps(network, core):
    halo = -(-network.receptive_radius_px // network.stride) * network.stride
    rng = np.random.default_rng(core)
    picture = rng.integers(0, 256, (3, 64 + 2 * halo, 64 + 2 * halo), np.uint8)
    whole = ensemble_of(network, views=8).quantised(picture[None], halo)[0]
    for row in range(0, 64, core):
        for column in range(0, 64, core):
            rows, columns = slice(row, row + core), slice(column, column + core)
            window = picture[:, row : row + core + 2 * halo, column : column + core + 2 * halo]
            part = ensemble_of(network, views=8).quantised(window[None], halo)[0]
            for stored, expected in zip(part, whole, strict=True):
                np.testing.assert_array_equal(stored, expected[..., rows, columns])


def test_a_batch_is_its_windows(network):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 3, 32, 32), np.uint8)
    together = ensemble_of(network).quantised(pictures, 8)
    for index in range(3):
        alone = ensemble_of(network).quantised(pictures[index : index + 1], 8)[0]
        for one, other in zip(together[index], alone, strict=True):
            np.testing.assert_array_equal(one, other)


def test_averaging_all_views_commutes_with_turning(network):
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (1, 3, 64, 64), np.uint8)
    eight = ensemble_of(network, views=8)
    plain = eight.mean_maps(picture)
    for view in VIEWS:
        turned = apply_view(torch.from_numpy(picture), view).contiguous().numpy()
        back = undo_maps(eight.mean_maps(turned), view)
        for one, other in zip(plain, back, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_bfloat16_stays_near_float32(network):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (1, 3, 64, 64), np.uint8)
    exact = ensemble_of(network).mean_maps(picture)
    rough = Ensemble((network,), torch.device("cpu"), torch.bfloat16, 1).mean_maps(picture)
    for one, other in zip(exact, rough, strict=True):
        assert (one - other).abs().max() < 0.05


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_members_of_different_strides_see_the_same_cells_in_every_window(order):
    """The halo of 124 px is no multiple of a member's stride of 16 px."""
    members = (random_network(), random_network(widths=(2, 2, 2, 2, 2)))
    both = ensemble_of(*(members[k] for k in order))
    assert both.stride == 16
    halo = max(own_halo_px(member) for member in members) + 12
    assert (halo, halo % 16) == (124, 12)
    picture = np.random.default_rng(4).integers(0, 256, (3, 64 + 2 * halo, 64 + 2 * halo), np.uint8)
    whole = both.quantised(picture[None], halo)[0]
    for row in range(0, 64, 16):
        part = both.quantised(picture[None, :, row : row + 16 + 2 * halo], halo)[0]
        for stored, expected in zip(part, whole, strict=True):
            np.testing.assert_array_equal(stored, expected[..., row : row + 16, :])


def test_a_network_that_is_not_local_is_shown_the_whole_window():
    shapes = []

    class Watched(Toy):
        local = False

        def forward(self, image, margin_px=0):
            shapes.append((image.shape[-1], margin_px))
            return super().forward(image, margin_px)

    maps = ensemble_of(Watched()).mean_maps(np.zeros((1, 3, 30, 30), np.uint8), 7)
    # Of the margin of 7 px, 4 are a multiple of the stride.
    assert shapes == [(24, 4)]
    assert maps.np_map.shape == (1, 1, 16, 16)


def test_an_ensemble_without_members_is_refused():
    with pytest.raises(ConfigError, match="needs at least one member"):
        ensemble_of()


def test_maps_of_contrasts_are_the_differences_of_the_members(tmp_path):
    rgb = np.random.default_rng(3).integers(0, 256, (1, 3, 64, 64), np.uint8)
    paths = tuple(str(write_member(tmp_path / f"{n}.safetensors", n)) for n in (1, 2))
    both = Ensemble.load(read_cards(paths), torch.device("cpu"), 1).quantised(rgb, 0)[0]
    alone = [
        Ensemble.load(read_cards((path,)), torch.device("cpu"), 1).mean_maps(rgb) for path in paths
    ]
    one, other = ((maps.np_map * maps.tp_map)[0].numpy() for maps in alone)
    assert both.contrast_map.shape == (len(CLASSES), 64, 64)
    np.testing.assert_allclose(both.contrast_map / 127, (one - other) / 2**0.5, atol=0.5 / 127)
    assert np.abs(both.contrast_map).max() > 5


def test_a_single_answer_has_no_contrasts(tmp_path):
    path = str(write_member(tmp_path / "one.safetensors", 1))
    rgb = np.zeros((1, 3, 32, 32), np.uint8)
    maps = Ensemble.load(read_cards((path,)), torch.device("cpu"), 1).quantised(rgb, 0)[0]
    assert maps.contrast_map.shape == (0, 32, 32)


@pytest.mark.parametrize("answer", [float("inf"), float("nan")])
def test_answers_that_are_no_numbers_are_refused(network, answer):
    network = copy.deepcopy(network)
    with torch.no_grad():
        network.heads.bias[3:].fill_(answer)
    with pytest.raises(CheckpointError, match=r"not a number: its weights are too large for torch"):
        ensemble_of(network).quantised(np.full((1, 3, 32, 32), 99, np.uint8), 8)


def test_a_coarser_member_answers_as_on_its_own_canvas():
    """On an image whose pixels are twice as fine it sees what it would see there."""
    near, far = random_network(), random_network(seed=8)
    picture = np.random.default_rng(6).integers(0, 256, (1, 3, 96, 96), np.uint8)
    fine = picture.repeat(2, -1).repeat(2, -2)
    mixed = Ensemble((near, far), torch.device("cpu"), torch.float32, 4, (1.0, 2.0))
    margin = mixed.margin_px(32)
    assert margin == margin_on_canvas(32, 2.0, 4)
    wide = np.pad(fine, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="wrap")
    answer, contrasts = mixed.mean_and_contrasts(wide, margin)
    alone = [
        ensemble_of(near, views=4).mean_maps(wide, margin),
        ensemble_of(far, views=4).mean_maps(
            np.pad(picture, ((0, 0),) * 2 + ((32, 32),) * 2, "wrap"), 32
        ),
    ]
    # Between the middles of its pixels at a quarter and three quarters.
    for mean, one, other in zip(answer, *alone, strict=True):
        between = torch.nn.functional.interpolate(other, scale_factor=2, mode="bilinear")
        inside = (..., slice(2, -2), slice(2, -2))
        torch.testing.assert_close(mean[inside], ((one + between) / 2)[inside], atol=1e-5, rtol=0)
    assert contrasts.shape == (1, 2, 3, 192, 192)
    assert contrasts.abs().max() > 0.01


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.35 / 0.25, 2.0])
def test_windows_of_members_at_different_mpp_agree_wherever_they_lie(scale, precision):
    """Windows of any size and at any place of the canvas, alone and in a batch."""
    members = (
        random_network(),
        random_network(widths=(2, 3, 2, 2), seed=5),
        random_network(seed=9),
    )
    with torch.no_grad():
        for member in members:
            member.heads.weight *= 8
    mixed = Ensemble(members, torch.device("cpu"), precision, 1, (1.0, scale, scale))
    assert mixed.stride == 4
    margin = mixed.margin_px(-(-max(map(own_halo_px, members)) // 4) * 4)
    size = 64 + 2 * margin
    picture = np.random.default_rng(4).integers(0, 256, (3, size, size), np.uint8)
    row, column = 1000, 12
    whole = mixed.quantised(picture[None], margin, [(row, column)])[0]
    assert np.ptp(whole.hv_map) > 20
    side = 32
    places = [(r, c) for r in (0, side) for c in (0, side)]
    windows = [picture[:, r : r + side + 2 * margin, c : c + side + 2 * margin] for r, c in places]
    origins = [(row + r, column + c) for r, c in places]
    together = mixed.quantised(np.stack(windows), margin, origins)
    for (r, c), window, origin, part in zip(places, windows, origins, together, strict=True):
        alone = mixed.quantised(window[None], margin, [origin])[0]
        for one, other, expected in zip(part, alone, whole, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(one, expected[..., r : r + side, c : c + side])


def test_a_coarser_network_that_is_not_local_is_shown_the_same_in_every_batch():
    """As much as fits into the margin, in whole cells, wherever its window lies."""
    shapes = []

    class Watched(Toy):
        local = False

        def forward(self, image, margin_px=0):
            shapes.append((*image.shape[-2:], margin_px))
            return super().forward(image, margin_px)

    mixed = Ensemble((Toy(), Watched()), torch.device("cpu"), torch.float32, 1, (1.0, 1.4))
    margin = mixed.margin_px(12)
    picture = np.random.default_rng(2).integers(0, 256, (3, 28 + 2 * margin, 24 + 2 * margin), "u1")
    alone = [mixed.quantised(picture[None], margin, [origin])[0] for origin in ((0, 0), (31, 7))]
    together = mixed.quantised(np.stack([picture, picture]), margin, [(0, 0), (31, 7)])
    for one, other in zip(alone, together, strict=True):
        assert one.np_map.shape == (28, 24)
        np.testing.assert_array_equal(one.np_map, other.np_map)
    assert len(set(shapes)) == 1
    assert shapes[0][2] == 12


def test_coarser_members_of_too_large_a_stride_are_refused(tmp_path):
    fine = str(write_member(tmp_path / "fine.safetensors"))
    coarse = tmp_path / "coarse.safetensors"
    write_member(coarse, widths=(1,) * 8, halo_px=1024, mpp=0.7)
    with pytest.raises(CheckpointError, match=r"stride of 128 px at 0\.7 µm/px, .* at most 64"):
        Ensemble.load(read_cards((fine, str(coarse))), torch.device("cpu"), 1)
    assert Ensemble.load(read_cards((str(coarse),)), torch.device("cpu"), 1).stride == 128


@pytest.mark.parametrize("architecture", ["unet", "lite2short"])
def test_maps_are_launched_without_waiting_for_the_device(architecture):
    """Members of two scales in two views; the mimic of a GPU fails where the host would wait."""
    networks = [random_network(architecture, (4, 6, 8, 8), seed=seed).folded() for seed in (1, 2)]
    mixed = Ensemble(tuple(networks), torch.device("cpu"), torch.float32, 2, (1.0, 1.4))
    margin = mixed.margin_px(32)
    side = 32 + 2 * margin
    rgb = np.random.default_rng(2).integers(0, 256, (2, 3, side, side), np.uint8)
    expected = mixed.packed(rgb, margin, [(0, 0), (32, 96)])
    streams = Streams()
    with streams:
        packed = mixed.packed(torch.from_numpy(rgb), margin, [(0, 0), (32, 96)])
    assert not torch.equal(packed, expected)
    while streams.step():
        pass
    assert torch.equal(packed, expected)

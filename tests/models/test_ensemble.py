"""The mean maps depend on the canvas alone: not on the window, the batch or the view."""

import numpy as np
import pytest
import torch
from networks_made import ensemble_of

from nucwsi.models.ensemble import Ensemble, largest_batch
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


def test_a_processor_takes_one_window_at_a_time(network):
    assert largest_batch(ensemble_of(network), 64, limit=8) == 1

"""What all networks share: activated maps, and the halo that a network needs."""

from types import SimpleNamespace

import pytest
import torch

from nucwsi.models.network import activate, own_halo_px


def test_activation_gives_probabilities_and_positions(network):
    maps = activate(network(torch.rand(1, 3, 16, 16)))
    assert maps.np_map.min() >= 0
    assert maps.np_map.max() <= 1
    assert maps.hv_map.abs().max() <= 1
    torch.testing.assert_close(maps.tp_map.sum(1), torch.ones(1, 16, 16))


@pytest.mark.parametrize(("radius", "stride", "halo"), [(23, 4, 24), (24, 4, 24), (0, 8, 0)])
def test_a_halo_is_the_receptive_radius_rounded_up_to_the_stride(radius, stride, halo):
    network = SimpleNamespace(receptive_radius_px=radius, stride=stride)
    assert own_halo_px(network) == halo

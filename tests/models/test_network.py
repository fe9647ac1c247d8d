"""What all networks share: activated maps, and the halo that a network needs."""

import torch

from nucwsi.models.network import activate


def test_activation_gives_probabilities_and_positions(network):
    maps = activate(network(torch.rand(1, 3, 16, 16)))
    assert maps.np_map.min() >= 0
    assert maps.np_map.max() <= 1
    assert maps.hv_map.abs().max() <= 1
    torch.testing.assert_close(maps.tp_map.sum(1), torch.ones(1, 16, 16))

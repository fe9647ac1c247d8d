"""Maps leave their device in one piece, and are what they were."""

import numpy as np
import pytest
import torch

from nucwsi.models.network import NetworkMaps
from nucwsi.models.quantised import pack_maps, unpack_maps

SHAPE, CLASSES = (5, 7), 3


def maps_of(n_windows, n_contrasts, seed=1):
    rng = torch.Generator().manual_seed(seed)
    maps = NetworkMaps(
        torch.rand((n_windows, 1, *SHAPE), generator=rng),
        torch.rand((n_windows, 2, *SHAPE), generator=rng) * 2 - 1,
        torch.rand((n_windows, CLASSES, *SHAPE), generator=rng),
    )
    contrasts = torch.rand((n_windows, n_contrasts, CLASSES, *SHAPE), generator=rng) * 3 - 1.5
    return maps, contrasts


@pytest.mark.parametrize("n_contrasts", [0, 1, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_map_is_rounded_to_its_multiples_whatever_its_layout(n_contrasts, layout):
    maps, contrasts = maps_of(2, n_contrasts)
    laid = NetworkMaps(*(values.contiguous(memory_format=layout) for values in maps))
    packed = pack_maps(laid, contrasts)
    assert packed.dtype == torch.uint8
    for number, row in enumerate(packed.numpy()):
        stored = unpack_maps(row, SHAPE, n_contrasts)
        assert [values.dtype for values in stored] == ["u1", "i1", "u1", "i1"]
        limited = contrasts.flatten(1, 2).clamp(-1, 1)
        for values, exact, scale in zip(
            stored, (maps[0][:, 0], *maps[1:], limited), (255, 127, 255, 127), strict=True
        ):
            expected = (exact[number] * scale).round().numpy()
            np.testing.assert_array_equal(values, expected)
            assert np.shares_memory(values, row) or values.size == 0


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_window_with_what_is_not_a_number_is_told_from_the_others(which, value):
    maps, contrasts = maps_of(3, 1)
    maps[which][1, 0, 2, 3] = value
    packed = pack_maps(maps, contrasts).numpy()
    read = [unpack_maps(row, SHAPE, 1) is None for row in packed]
    assert read == [False, True, False]

"""Views can be undone, and the vectors of `hv` turn with the image."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.errors import ConfigError
from nucwsi.labels.targets import hv_targets
from nucwsi.models.network import NetworkMaps
from nucwsi.models.views import VIEWS, apply_view, choose_views, turn_vectors, undo_maps, undo_view


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
    said = NetworkMaps(
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
    undone = undo_maps(NetworkMaps(twice[:1][None], twice[None], twice[None]), second).hv_map[0]
    torch.testing.assert_close(undone, once, atol=0, rtol=0)


@pytest.mark.parametrize("count", [0, 3, 16])
def test_only_symmetric_sets_of_views(count):
    with pytest.raises(ConfigError, match="must be 1, 2, 4 or 8"):
        choose_views(count)

"""The targets of the `hv` head turn with the image, and every nucleus has one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples_made import discs

from nucwsi.labels.targets import hv_targets, published_hv_targets
from nucwsi.models.views import VIEWS, apply_view, turn_vectors
from nucwsi.phantom import Phantom


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_targets_turn_with_the_image(view, seed):
    labels = torch.from_numpy(discs(48, seed))
    turned = hv_targets(np.ascontiguousarray(apply_view(labels, view).numpy()))
    target = turn_vectors(torch.from_numpy(hv_targets(labels.numpy())), view)
    np.testing.assert_allclose(turned, apply_view(target, view).numpy(), atol=1e-5)


def test_every_nucleus_spans_minus_one_to_one():
    labels = Phantom((700, 900), seed=3).labels()[0][100:300, 100:300]
    target = hv_targets(labels)
    turned = hv_targets(np.rot90(labels))
    np.testing.assert_allclose(turned[0], np.rot90(target[1]), atol=1e-6)
    np.testing.assert_allclose(turned[1], -np.rot90(target[0]), atol=1e-6)
    for label in np.unique(labels[labels > 0]):
        spot = labels == label
        if np.ptp(np.nonzero(spot), axis=1).min() > 0:
            assert target[:, spot].min(axis=1) == pytest.approx([-1, -1])
            assert target[:, spot].max(axis=1) == pytest.approx([1, 1])
    assert not hv_targets(np.zeros((4, 4), int)).any()


def test_every_nucleus_has_a_target_and_the_published_ones_forget_some():
    labels = discs()
    inside = labels > 0
    ours, published = np.abs(hv_targets(labels)).max(0), np.abs(published_hv_targets(labels)).max(0)
    for number in np.unique(labels[inside]):
        if (labels == number).sum() >= 8:
            assert ours[labels == number].max() == pytest.approx(1, abs=1e-6)
    early = np.unique(labels[:2][labels[:2] > 0])
    assert len(early)
    assert published[np.isin(labels, early)].max() == 0
    middle = np.abs(published_hv_targets(labels) - hv_targets(labels))[:, inside].mean()
    assert 0.03 < middle < 0.4


def test_a_target_is_the_distance_from_the_centroid_by_side():
    """Pixels at columns 0, 1 and 4 of one row: their centroid is at 5/3, one pixel lies right."""
    [across], [down] = np.split(hv_targets(np.array([[7, 7, 0, 0, 7]])), 2)
    np.testing.assert_allclose(across, [[-1, -2 / 5, 0, 0, 1]], atol=1e-6)
    assert not down.any()

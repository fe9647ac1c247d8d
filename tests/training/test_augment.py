"""What training is shown: targets that turn with the picture, crops without a seam."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples_made import TINY, discs, sample

from nucwsi.labels.targets import hv_targets, published_hv_targets
from nucwsi.models.views import VIEWS, apply_view, turn_vectors
from nucwsi.training import augment
from nucwsi.training.augment import crop, draw_batch, sampled, whole


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_targets_turn_with_the_picture(view, seed):
    labels = torch.from_numpy(discs(48, seed))
    turned = hv_targets(np.ascontiguousarray(apply_view(labels, view).numpy()))
    target = turn_vectors(torch.from_numpy(hv_targets(labels.numpy())), view)
    np.testing.assert_allclose(turned, apply_view(target, view).numpy(), atol=1e-5)


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


def test_a_crop_sees_what_the_pipeline_averages():
    """Through pixels twice as large the picture is the mean, and the cover the share of nuclei."""
    one = sample(scale=2.0)
    edges = np.arange(49.0) * 2
    image, labels = sampled(one, edges, edges)
    blocks = one.image.reshape(48, 2, 48, 2, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(image, blocks, atol=0.003)
    cover = (one.instances > 0).reshape(48, 2, 48, 2).mean((1, 3))
    np.testing.assert_allclose(labels.cover, cover, atol=0.003)
    np.testing.assert_array_equal(labels.hv_map, one.hv_map[:, 1::2, 1::2])
    assert labels.outlined.all()


def test_beyond_the_image_nothing_is_known():
    one = sample(side=40)
    batch = crop(one, TINY.model_copy(update={"zoom": 1.0}), np.random.default_rng(0), 64)
    known = batch.outlined[0].numpy()
    assert 0.25 < known.mean() < 0.55, "40 of 64 pixels each way"
    assert (batch.class_set[0].numpy()[~known] == 0).all()
    points = crop(sample(outlined=False), TINY, np.random.default_rng(0), 64)
    assert not points.outlined.any()
    assert points.class_set.any()


def test_a_mosaic_shows_four_small_images():
    plain = {"zoom": 1.0, "stretch": 1.0, "warp": 0.0, "batch_size": 1}
    small = [sample(seed, side=32) for seed in range(3)]
    chances = np.array([1.0, 0.0, 0.0])
    how = TINY.model_copy(update=plain)
    batch, names = draw_batch(small, chances, how, np.random.default_rng(0))
    assert batch.known.all(), "four of 32 px fill 64 px"
    assert names[0] == "set/0"
    assert len(names) == 4
    assert len(set(names)) > 1
    how = how.model_copy(update={"mosaic": False})
    batch, names = draw_batch(small, chances, how, np.random.default_rng(0))
    assert batch.known.float().mean() == 0.25
    assert names == ["set/0"]
    # An image of the other set is never beside it.
    others = [small[0], *(replace(s, name=f"setting/{s.name}") for s in small[1:])]
    how = TINY.model_copy(update=plain)
    assert set(draw_batch(others, chances, how, np.random.default_rng(0))[1]) == {"set/0"}


def test_the_shares_of_a_nucleus_sum_to_one_at_any_zoom():
    one = sample(scale=2.0)
    for scale in (1.0, 2.0, 3.2):
        edges = np.arange(0, 96 + scale / 2, scale)
        labels = sampled(one, edges, edges)[1]
        whole_nuclei = one.owner_px[1:].sum() / one.owner_px[1:]
        assert len(whole_nuclei)
        there = labels.inside
        n_nuclei = np.count_nonzero(one.owner_px[1:])
        assert labels.share[there].sum() == pytest.approx(n_nuclei, rel=0.06)


def test_a_stain_that_does_not_change_leaves_the_picture(monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.uniform(0.01, 1, (8, 8, 3)).astype(np.float32)
    for name in ("_HED_SCALE", "_HED_SHIFT", "_BRIGHTNESS", "_CONTRAST", "_SATURATION"):
        monkeypatch.setattr(augment, name, 0.0)
    seen = [augment._colour(image, 1.0, rng) for _ in range(8)]
    for one in seen:
        np.testing.assert_allclose(one, image, atol=1e-3)


def test_without_tricks_a_crop_is_a_piece_of_the_image():
    plain = TINY.model_copy(
        update={"zoom": 1.0, "stretch": 1.0, "warp": 0.0, "views": False, "degrade": 0.0}
    )
    plain = plain.model_copy(update={"colour": 0.0})
    one = sample()
    picture = crop(one, plain, np.random.default_rng(1), 64).cover[0].numpy()
    full = whole(one, 1).cover[0].numpy()
    found = [
        (row, column)
        for row, column in itertools.product(range(33), range(33))
        if np.abs(full[row : row + 64, column : column + 64] - picture).mean() < 0.05
    ]
    assert found

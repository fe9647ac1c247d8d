"""Labelled images on the network's pixels: averaged as for slides, joined without loss."""

import numpy as np
import pytest
import torch
from samples_made import sample, whole_image

from nucwsi.models.views import VIEWS
from nucwsi.training.batches import batch_of_one, joined, resample


def test_a_crop_sees_what_the_pipeline_averages():
    """Through pixels twice as large the image is the mean, and the cover the share of nuclei."""
    one = sample(scale=2.0)
    edges = np.arange(49.0) * 2
    image, labels = resample(one, edges, edges)
    blocks = one.image.reshape(48, 2, 48, 2, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(image, blocks, atol=0.003)
    cover = (one.instances > 0).reshape(48, 2, 48, 2).mean((1, 3))
    np.testing.assert_allclose(labels.cover, cover, atol=0.003)
    np.testing.assert_array_equal(labels.hv_map, one.hv_map[:, 1::2, 1::2])
    assert labels.outlined.all()


def test_the_shares_of_a_nucleus_sum_to_one_at_any_zoom():
    one = sample(scale=2.0)
    for scale in (1.0, 2.0, 3.2):
        edges = np.arange(0, 96 + scale / 2, scale)
        labels = resample(one, edges, edges)[1]
        n_nuclei = np.count_nonzero(one.owner_px[1:])
        assert n_nuclei
        assert labels.share[labels.inside].sum() == pytest.approx(n_nuclei, rel=0.06)


def test_beyond_the_image_it_is_mirrored_and_nothing_is_known():
    one = sample(side=40)
    edges = np.arange(-8.0, 49.0)
    image, labels = resample(one, edges, edges)
    np.testing.assert_array_equal(image[:8], image[8:16][::-1])
    np.testing.assert_array_equal(image[:, 48:], image[:, 40:48][:, ::-1])
    within = np.zeros((56, 56), bool)
    within[8:48, 8:48] = True
    np.testing.assert_array_equal(labels.known, within)
    assert not labels.class_set[~within].any()


@pytest.mark.parametrize("view", VIEWS)
def test_a_turned_batch_holds_the_same_pixels(view):
    edges = np.arange(97.0)
    image, labels = resample(sample(), edges, edges)
    turned = batch_of_one(image, image, labels, view)
    assert turned.cover.sum() == pytest.approx(labels.cover.sum(), rel=1e-5)
    inside = turned.inside[0]
    # The place in the nucleus turns with it: left of the centroid is negative, wherever it is.
    assert (turned.hv_map[0, :, ~inside] == 0).all()
    shown = turned.image[0].permute(1, 2, 0)[inside].unique(dim=0)
    assert len(shown) == 1, "every nucleus has one colour"


def test_batches_are_joined_along_any_axis():
    one = whole_image(sample(0))
    other = whole_image(sample(1))
    assert torch.equal(joined([one, other], 0).cover[1:], other.cover)
    assert torch.equal(joined([one, other], -1).hv_map[..., 96:], other.hv_map)
    assert torch.equal(joined([one, other], -2).class_set[:, 96:], other.class_set)


def test_a_batch_on_a_device_is_the_same_batch():
    batch = whole_image(sample())
    moved = batch.on(torch.device("cpu"))
    assert torch.equal(moved.image, batch.image)
    assert moved.image.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved.share, batch.share)

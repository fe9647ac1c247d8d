"""Nuclei found in labelled images: maps without a fault give the truth back."""

from dataclasses import replace

import numpy as np
import torch
from samples_made import FIXED, TINY, perfect, sample

from nucwsi.labels.targets import hv_targets
from nucwsi.metrics import panoptic
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.training.labelled_nuclei import find_nuclei, predict_images
from nucwsi.training.load_samples import load_samples
from nucwsi.training.trainee import first_network


def oracle_pq(instances):
    """Score what post-processing makes of maps without a fault."""
    known = np.ones(instances.shape, bool)
    one = replace(sample(), instances=instances, hv_map=hv_targets(instances), known=known)
    return panoptic(instances, find_nuclei(perfect(one), FIXED, one).labels).pq


def test_what_lies_where_nothing_is_known_is_not_counted():
    one = sample()
    maps = perfect(one)
    every = find_nuclei(maps, FIXED, one)
    known = one.known.copy()
    known[:48] = False
    some = find_nuclei(maps, FIXED, replace(one, known=known))
    lower = [
        (np.nonzero(every.labels == k)[0] >= 48).mean() for k in range(1, every.labels.max() + 1)
    ]
    assert (
        0 < len(some.centroids) == np.count_nonzero(np.array(lower) >= 0.5) < len(every.centroids)
    )
    assert set(np.unique(some.labels)) == {*range(len(some.centroids) + 1)}
    assert len(some.class_code) == len(some.centroids) == len(some.class_probabilities)
    assert len(
        find_nuclei(maps, FIXED, replace(one, known=known, outlined=False)).centroids
    ) == len(lower)


def test_perfect_maps_score_nearly_one():
    """What post-processing alone costs, chains of touching nuclei included."""
    instances, _ = Phantom((600, 800), 0.5, seed=4).labels()
    assert oracle_pq(instances) > 0.98


def test_perfect_maps_of_real_images_score_nearly_one(shared):
    images = load_samples([shared / "nuclei"], "val", CLASSES, 0.5)
    outlined = [image for image in images if image.outlined]
    assert outlined
    for one in outlined:
        at = [
            ((np.arange(int(side / one.scale)) + 0.5) * one.scale).astype(int)
            for side in one.instances.shape
        ]
        assert oracle_pq(one.instances[np.ix_(*at)]) > 0.98, one.name


def test_nuclei_lie_on_the_pixels_of_the_image():
    """Seen by a network of half the resolution, a nucleus comes back in its place and its size."""
    one = sample(side=96)
    fine = np.kron(one.instances, np.ones((2, 2), np.int32))
    twice = replace(one, instances=fine, scale=2.0, known=np.ones_like(fine, bool))
    same, larger = (find_nuclei(perfect(one), FIXED, truth) for truth in (one, twice))
    assert len(same.centroids) == len(larger.centroids)
    np.testing.assert_allclose(larger.centroids, 2 * same.centroids, atol=1e-6)
    assert larger.labels.shape == (192, 192)


def test_maps_cover_the_whole_image_at_the_mpp_of_the_network():
    network = first_network(TINY, None)
    samples = [sample(side=97, scale=2.0), sample(side=70)]
    maps = predict_images(network, samples, torch.device("cpu"))
    assert [one.np_map.shape for one in maps] == [(49, 49), (70, 70)]
    assert maps[0].tp_map.shape == (4, 49, 49)
    assert not network.training

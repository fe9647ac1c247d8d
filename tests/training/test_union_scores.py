"""A network that tells more classes apart is scored by unions where the labels do not."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import sample

from nucwsi.composition.intervals import CountError
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.scores import dataset_row, score_image
from nucwsi.training.union_scores import Classes, compared

FINE = ("tumour", "benign", "inflammatory", "other")
COARSE = ("epithelial", "inflammatory", "other")
UNIONS = {"epithelial": ("tumour", "benign")}
NO_ERROR = CountError.of(FINE, {"tumour": 0.1, "other": 0.3})


def nuclei_of(one, codes, n_classes, seed):
    """All nuclei of a sample, of these classes for certain; with contrasts."""
    count = len(codes)
    labels = np.searchsorted(np.unique(one.instances), one.instances).astype(np.int32)
    made = ImageNuclei(
        labels,
        one.centroids,
        np.asarray(codes, np.uint8),
        np.eye(n_classes, dtype=np.float32)[list(codes)],
        np.zeros((count, n_classes), np.float32),
        np.full(count, 100.0),
    )
    assert made.labels.max() == count == len(one.centroids), seed
    return made


def scored(allowed, coarse=False):
    """Score images whose labels allow these classes of the fine network, found at random."""
    images = []
    for seed in range(3):
        one = sample(seed)
        n = len(one.centroids)
        rng = np.random.default_rng(seed)
        truth, answer = (
            np.asarray(allowed)[rng.integers(0, len(allowed), n)],
            rng.integers(0, 4, n),
        )
        bits = truth.astype(np.uint8)
        if coarse:
            bits = ((bits & 3 != 0) | (bits >> 2 << 1)).astype(np.uint8)
            answer = np.maximum(answer - 1, 0)
        n_classes = 3 if coarse else 4
        one = replace(one, allowed=bits)
        images.append(score_image(one, nuclei_of(one, answer, n_classes, seed), n_classes, 0.5))
    return images


def test_labels_that_tell_no_tumour_from_benign_epithelium_are_scored_by_both():
    """As a network of the coarse classes that finds the same nuclei."""
    told = compared(scored([3, 4, 8]), FINE, UNIONS, NO_ERROR, 0.5)
    error = CountError.of(COARSE, {"epithelial": 0.1, "other": 0.3})
    assert told.classes == COARSE
    assert told.row == pytest.approx(dataset_row(scored([3, 4, 8], coarse=True), COARSE, error))
    assert "f1_hovernet_epithelial" in told.row
    assert "detection_tumour" not in told.row
    assert told.images[0].sample.fully_classed


def test_labels_that_tell_them_apart_score_each_and_both():
    images = scored([1, 2, 3, 4, 8])
    told = compared(images, FINE, UNIONS, NO_ERROR, 0.5)
    alone = dataset_row(images, FINE, NO_ERROR)
    assert told.classes == FINE
    assert told.images is images
    assert {name: told.row[name] for name in alone} == pytest.approx(alone, nan_ok=True)
    coarse = dataset_row(scored([1, 2, 3, 4, 8], coarse=True), COARSE, CountError.of(COARSE, {}))
    for column in ("detection_epithelial", "f1_hovernet_epithelial", "f1_most_pairs_epithelial"):
        assert told.row[column] == pytest.approx(coarse[column])
    assert not {column for column in told.row if column.endswith("_epithelial")} & set(alone)


def test_without_unions_nothing_changes():
    images = scored([1, 2, 4, 8])
    told = compared(images, FINE, {}, NO_ERROR, 0.5)
    assert (told.images, told.classes) == (images, FINE)
    assert told.row == pytest.approx(dataset_row(images, FINE, NO_ERROR), nan_ok=True)


def test_a_union_stands_in_the_place_of_its_first_class():
    how = Classes.joined(("a", "b", "c", "d"), {"one": ("d", "b"), "two": ("b", "c")})
    assert how.names == ("a", "one", "c")
    assert [codes.tolist() for codes in how.groups] == [[0], [1, 3], [2]]

"""Scores of images and data sets: hand-made truths, and columns only of what is known."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import sample

from nucwsi.composition.intervals import CountError
from nucwsi.phantom import CLASSES
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.scores import (
    dataset_row,
    image_row,
    match_radius_px,
    score_image,
)

F1 = ("f1_hovernet", "f1_most_pairs")

NO_ERROR = CountError.of(CLASSES, {})

SURE = np.array([1, 2, 4, 8], np.uint8)


def truth(name, codes, outlined=True):
    """Four square nuclei in a row, of these classes; None where the label leaves a choice."""
    instances = np.zeros((40, 80), np.int32)
    for number in range(4):
        instances[10:20, 5 + 20 * number : 15 + 20 * number] = number + 1
    allowed = np.array([3 if code is None else 1 << code for code in codes], np.uint8)
    middles = np.array([(15.0, 10.0 + 20 * number) for number in range(4)])
    return replace(
        sample(),
        name=name,
        instances=instances,
        outlined=outlined,
        known=np.ones(instances.shape, bool),
        centroids=middles,
        allowed=allowed,
    )


def found(one, codes):
    """The first nuclei of a truth, as many as there are codes."""
    count = len(codes)
    labels = np.where(one.instances <= count, one.instances, 0)
    shares = np.eye(4, dtype=np.float32)[list(codes)]
    none = np.empty((count, 0), np.float32)
    areas = np.full(count, 100.0)
    code = np.array(codes, np.uint8)
    return ImageNuclei(labels, one.centroids[:count], code, shares, none, areas)


def scored(name, codes, answers, **more):
    one = truth(name, codes, **more)
    return score_image(one, found(one, answers), 4, 0.5)


def test_three_of_four_nuclei_by_hand():
    scores = scored("a/1", (0, 1, 1, 3), (0, 1, 0))
    assert scores.values == pytest.approx(
        {
            "n_truth": 4,
            "n_found": 3,
            "pq": 6 / 7,
            "dq": 6 / 7,
            "sq": 1,
            "aji": 0.75,
            "dice": 6 / 7,
            "f1_hovernet": 6 / 7,
            "f1_most_pairs": 6 / 7,
        }
    )
    assert list(scores.values)[:2] == ["n_truth", "n_found"]
    assert [(one.tp, one.fp, one.fn) for one in scores.detected] == [
        (1, 1, 0),
        (1, 0, 1),
        (0, 0, 0),
        (0, 0, 1),
    ]
    assert scores.truth_counts.tolist() == [1, 2, 0, 1]
    assert scores.counts.tolist() == [2, 1, 0, 0]


def test_both_pairings_have_a_score_of_their_own():
    """Of two true nuclei the published pairing finds one, and the most pairs are two.

    The second image weighs as much as its nuclei, for all images are pooled.
    """
    one = replace(
        truth("a/1", (0, 1)), outlined=False, centroids=np.array([(0.0, 0.0), (0.0, 4.0)])
    )
    answer = replace(found(one, (1, 1)), centroids=np.array([(0.0, 5.0), (3.0, 9.0)]))
    scores = score_image(one, answer, 4, 0.5)
    assert scores.n_pairs == {"hovernet": 1, "most_pairs": 2}
    assert (scores.values["f1_hovernet"], scores.values["f1_most_pairs"]) == (0.5, 1)
    perfect = scored("a/2", (0, 0, 0, 0), (0, 0, 0, 0), outlined=False)
    row = dataset_row([scores, perfect], CLASSES, NO_ERROR)
    assert (row["f1_hovernet"], row["f1_most_pairs"]) == (10 / 12, 1)
    # Published: one pair of class 1, and beside it a lone true and a lone found nucleus.
    assert row["f1_hovernet_inflammatory"] == pytest.approx(2 / 3)
    # The most pairs: one of class 1, and one of which only the found nucleus is.
    assert row["f1_most_pairs_inflammatory"] == pytest.approx(2 / 4)


def test_points_have_no_scores_of_outlines():
    scores = scored("a/1", (0, 1, 1, 3), (0, 1, 0), outlined=False)
    assert set(scores.values) == {"n_truth", "n_found", *F1}
    assert scores.segmented == []
    assert "mpq_plus" not in dataset_row([scores], CLASSES, NO_ERROR)


def test_a_pair_may_be_three_micrometres_apart():
    assert match_radius_px(sample(scale=1.0), 0.5) == 6
    assert match_radius_px(sample(scale=2.0), 0.5) == 12


def test_an_image_has_counts_of_classes_only_if_all_are_known():
    row = image_row(scored("a/1", (0, 1, 1, 3), (0, 1, 0)), CLASSES)
    assert next(iter(row)) == "image"
    assert (row["n_epithelial_truth"], row["n_epithelial"]) == (1, 2)
    row = image_row(scored("a/1", (0, 1, None, 3), (0, 1, 0)), CLASSES)
    assert not any(name.startswith("n_epithelial") for name in row)


def test_a_data_set_has_columns_only_of_the_classes_it_knows():
    images = [scored("a/1", (0, 1, 1, 1), (0, 1, 2, 2)), scored("a/2", (0, 0, 1, 1), (0, 0, 1, 1))]
    row = dataset_row(images, CLASSES, NO_ERROR)
    assert list(row) == [
        *("n_truth", "n_found", "pq", "dq", "sq", "aji", "dice", *F1),
        *("f1_hovernet_epithelial", "f1_most_pairs_epithelial", "detection_epithelial"),
        *("f1_hovernet_inflammatory", "f1_most_pairs_inflammatory", "detection_inflammatory"),
        "mpq_plus",
        *("r2_epithelial", "r2_inflammatory"),
        *("coverage_epithelial", "coverage_inflammatory"),
    ]
    assert (row["n_truth"], row["n_found"]) == (8, 8)
    assert row["pq"] == row["f1_hovernet"] == row["f1_most_pairs"] == 1
    assert row["detection_epithelial"] == 1
    # Three of five are called by their class.
    assert row["detection_inflammatory"] == pytest.approx(2 * 3 / (2 * 3 + 2))
    assert row["mpq_plus"] == pytest.approx((1 + 0.75) / 2)
    assert row["r2_epithelial"] == 1
    # Counts 3 and 2 are found as 1 and 2: the error is 4, the variance 0.5.
    assert row["r2_inflammatory"] == pytest.approx(1 - 4 / 0.5)
    assert (row["coverage_epithelial"], row["coverage_inflammatory"]) == (1, 0.5)


def test_a_data_set_without_classes_has_means_alone():
    row = dataset_row([scored("a/1", (None,) * 4, (0, 1))], CLASSES, NO_ERROR)
    assert list(row) == ["n_truth", "n_found", "pq", "dq", "sq", "aji", "dice", *F1]


def test_one_image_has_no_r2():
    row = dataset_row([scored("a/1", (0, 1, 1, 1), (0, 1))], CLASSES, NO_ERROR)
    assert not any(name.startswith("r2") for name in row)


def test_an_image_without_nuclei_does_not_lower_the_mean():
    blank = replace(
        truth("a/2", ()), instances=np.zeros((40, 80), np.int32), centroids=np.empty((0, 2))
    )
    nothing = score_image(blank, found(blank, ()), 4, 0.5)
    row = dataset_row([scored("a/1", (0,) * 4, (0,) * 4), nothing], CLASSES, NO_ERROR)
    assert row["pq"] == 1
    assert row["n_truth"] == 4

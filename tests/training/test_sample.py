"""What training knows of a labelled image: classes, discs around points, ignored areas."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import discs, sample

from nucwsi.labels.labelled_image import LabelledImage
from nucwsi.training.sample import CLASS_OF_SET, MAX_CLASSES, make_sample

CLASSES = ("epithelial", "inflammatory", "spindle", "other")
SETS = {1: ("epithelial",), 2: ("inflammatory", "spindle"), 3: ()}


def image(shape):
    return np.zeros((*shape, 3), np.uint8)


def test_a_set_of_one_is_a_class():
    codes = CLASS_OF_SET[np.array([1, 2, 128, 3, 0, 255], np.uint8)]
    assert codes.tolist() == [0, 1, 7, -1, -1, -1]
    assert np.count_nonzero(CLASS_OF_SET >= 0) == MAX_CLASSES


def test_nuclei_count_for_a_class_only_if_their_label_names_it_alone():
    one = sample()
    assert (one.dataset, one.name) == ("set", "set/0")
    assert not one.fully_classed
    known = one.class_codes[one.class_codes >= 0]
    assert one.class_counts(4).tolist() == [int((known == code).sum()) for code in range(4)]
    assert one.class_counts(4).sum() < len(one.allowed)


def test_outlines_give_every_target():
    instances = discs(48)
    ids = np.unique(instances[instances > 0])
    codes = np.array([1, 2, 3] * len(ids))[: len(ids)].astype(np.uint8)
    labelled = LabelledImage(image((48, 48)), instances, ids, codes=codes)
    one = make_sample("a/b", labelled, SETS, CLASSES, 0.25, 0.5)
    assert one.scale == 2
    assert one.outlined
    assert one.known.all()
    np.testing.assert_array_equal(one.nucleus, instances > 0)
    expected = np.array([0b0001, 0b0110, 0])[codes - 1]
    np.testing.assert_array_equal(one.allowed, expected)
    for number, allowed, centroid in zip(ids, expected, one.centroids, strict=True):
        inside = instances == number
        assert (one.class_set[inside] == allowed).all()
        assert one.owner_px[number] == inside.sum()
        assert centroid == pytest.approx(np.argwhere(inside).mean(0) + 0.5)


def test_what_is_ignored_is_not_known():
    instances = discs(48)
    ignored = np.zeros((48, 48), bool)
    ignored[:10] = True
    ids = np.unique(instances[instances > 0])
    labelled = LabelledImage(image((48, 48)), instances, ids, ignored=ignored)
    one = make_sample("a/b", labelled, SETS, CLASSES, 0.5, 0.5)
    np.testing.assert_array_equal(one.known, ~ignored)
    assert not one.class_set.any()


def test_an_image_of_no_points_is_background_everywhere():
    points = np.zeros((0, 2), np.float32)
    labelled = LabelledImage(image((48, 48)), None, np.zeros(0, np.int32), points)
    one = make_sample("a/b", labelled, SETS, CLASSES, 0.5, 0.5)
    assert one.known.all()
    assert not one.nucleus.any()
    assert one.centroids.shape == (0, 2)


def test_the_count_of_a_class_is_known_where_no_label_leaves_a_choice_about_it():
    def known(*allowed):
        return replace(sample(), allowed=np.array(allowed, np.uint8)).known_counts(3).tolist()

    assert known(1, 2, 4) == [True, True, True]
    assert known(1, 6) == [True, False, False]
    # No class at all says that any may be meant.
    assert known(1, 0) == [False, False, False]
    assert known() == [True, True, True]

"""Labels of one image: what they must agree on, and the class of each nucleus."""

import re

import numpy as np
import pytest

from nucwsi.errors import DataError
from nucwsi.labels.labelled_image import (
    as_rgb,
    check_codes,
    labelled_instances,
    labelled_points,
    majority_classes,
    whole_numbers,
)

IMAGE = np.full((3, 4, 3), 200, np.uint8)
INSTANCES = np.array([[0, 9, 9, 0], [0, 9, 9, 0], [4, 0, 0, 0]])


def test_a_nucleus_has_the_class_of_most_of_its_pixels_but_background():
    instances = np.array([[4, 4, 4, 4, 9, 9, 0]])
    classes = np.array([[0, 0, 0, 3, 0, 0, 5]])
    ids, codes = majority_classes(instances, classes)
    assert ids.tolist() == [4, 9]
    assert codes.tolist() == [3, 0]
    assert [part.size for part in majority_classes(instances * 0, classes)] == [0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool])
def test_whole_numbers_of_any_type_are_the_same_integers(dtype):
    numbers = whole_numbers("a.mat", "instances", np.array([[0, 1]], dtype))
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [[0, 1]]


@pytest.mark.parametrize("wrong", [-1.0, 0.5, np.nan, np.inf, 2.0**31])
def test_what_is_no_label_is_refused_with_its_value(wrong):
    with pytest.raises(DataError, match=re.escape(f"from 0 on, got {wrong:g};")):
        whole_numbers("a.mat", "instances", np.array([0.0, wrong]))


def test_texts_are_no_labels():
    with pytest.raises(DataError, match="the classes are of type <U1; expected integers"):
        whole_numbers("a.mat", "classes", np.array(["1"]))


def test_an_image_stored_as_numbers_of_another_type_is_the_same_image():
    assert np.array_equal(as_rgb("a.npy", IMAGE.astype(np.float64)), IMAGE)
    with pytest.raises(DataError, match="got values up to 256"):
        as_rgb("a.npy", IMAGE.astype(np.int32) + 56)
    with pytest.raises(DataError, match="expected an image of H x W x 3, got 3 x 4"):
        as_rgb("a.npy", IMAGE[..., 0])


def test_each_instance_has_the_code_that_is_given_for_its_number():
    given = np.array([9, 4, 77]), np.array([2, 5, 1])
    image = labelled_instances("a", IMAGE, INSTANCES, given)
    assert image.ids.tolist() == [4, 9]
    assert image.codes.tolist() == [5, 2]
    assert labelled_instances("a", IMAGE, INSTANCES).codes is None


@pytest.mark.parametrize(
    ("named", "codes", "message"),
    [
        ([9], [2], "a: instance 4 has no class; expected one for each"),
        ([9, 4, 9], [2, 5, 2], "a: instance 9 has two classes; expected one"),
        ([9, 4], [2], "a: 2 instances but 1 classes; expected one class for each instance"),
        ([9, 4], [2, 256], "a: class 256; expected 0 to 255"),
    ],
)
def test_codes_that_do_not_fit_the_instances_are_refused(named, codes, message):
    with pytest.raises(DataError, match=message):
        labelled_instances("a", IMAGE, INSTANCES, (np.array(named), np.array(codes)))


def test_labels_of_another_size_are_refused():
    with pytest.raises(DataError, match="the image has 3 x 4 px, but its labels 3 x 3"):
        labelled_instances("a", IMAGE, INSTANCES[:, :3])


def test_points_lie_in_the_image_its_edges_included():
    image = labelled_points("a", IMAGE, np.array([[0, 0], [3, 4]]), np.array([1, 0]))
    assert image.instances is None
    assert image.ids.tolist() == [1, 2]
    # Row and column the other way round would lie outside.
    with pytest.raises(DataError, match="the point at row 4, column 3 lies outside the image of 3"):
        labelled_points("a", IMAGE, np.array([[4, 3]]), np.array([1]))
    with pytest.raises(DataError, match="points of 1 x 3 and 1 classes; expected N x 2"):
        labelled_points("a", IMAGE, np.array([[1, 2, 3]]), np.array([1]))


def test_a_code_without_a_name_is_refused_and_0_needs_none():
    check_codes("a", None, ())
    check_codes("a", np.array([0, 2], np.uint8), (2,))
    with pytest.raises(DataError, match="a: class 3 is out of range; expected 1, 2, or 0"):
        check_codes("a", np.array([1, 3], np.uint8), (2, 1))

"""Labels of one image: what they must agree on, and the class of each nucleus."""

import numpy as np

from nucwsi.labels.labelled_image import majority


def test_a_nucleus_has_the_class_of_most_of_its_pixels_but_background():
    instances = np.array([[4, 4, 4, 4, 9, 9, 0]])
    classes = np.array([[0, 0, 0, 3, 0, 0, 5]])
    ids, codes = majority(instances, classes)
    assert ids.tolist() == [4, 9]
    assert codes.tolist() == [3, 0]
    assert [part.size for part in majority(instances * 0, classes)] == [0, 0]

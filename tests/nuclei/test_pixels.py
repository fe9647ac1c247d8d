"""Lists of labelled pixels say the same as label images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nucwsi.grid import Window
from nucwsi.nuclei.pixels import Pixels, begins_in, connected, connected_places, first_places

masks = st.tuples(st.integers(5, 50), st.integers(5, 50), st.integers(3, 17), st.integers(0, 10**6))


@settings(max_examples=100, deadline=None)
@given(masks)
def test_components_are_numbered_by_their_first_pixels(case):
    height, width, _, seed = case
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.uniform(0, 1)
    components, count = connected(mask)
    expected, expected_count = ndimage.label(mask)
    assert count == expected_count
    np.testing.assert_array_equal(components.image(), expected)
    found = [
        (rows.start, columns.start, rows.stop, columns.stop)
        for rows, columns in ndimage.find_objects(expected)
    ]
    assert components.boxes(count).tolist() == [list(box) for box in found]


LABELS = np.array([[0, 3, 3], [1, 0, 3], [1, 2, 0]])


def test_a_list_of_pixels_is_a_label_image_without_its_background():
    pixels = Pixels.of(LABELS)
    assert pixels.place.tolist() == [1, 2, 3, 5, 6, 7]
    assert pixels.label.tolist() == [3, 3, 1, 3, 1, 2]
    np.testing.assert_array_equal(pixels.image(), LABELS)


def test_each_label_has_a_first_pixel_and_a_box():
    pixels = Pixels.of(LABELS)
    assert pixels.first(3).tolist() == [3, 7, 1]
    assert pixels.boxes(3).tolist() == [[1, 0, 3, 1], [2, 1, 3, 2], [0, 1, 2, 3]]


def test_labels_are_renumbered_dropped_and_chosen():
    pixels = Pixels.of(LABELS)
    renumbered = pixels.renumbered(np.array([0, 7, 0, 1]))
    assert renumbered.image().tolist() == [[0, 1, 1], [7, 0, 1], [7, 0, 0]]
    only = pixels.only(np.array([False, True, True]))
    assert only.image().tolist() == [[0, 2, 2], [0, 0, 2], [0, 1, 0]]


def test_a_label_that_does_not_occur_has_no_first_place():
    assert first_places(np.array([3, 1, 3]), 4).tolist() == [-1, 1, -1, 0, -1]
    assert first_places(np.array([], np.int64), 1).tolist() == [-1, -1]


def test_the_end_of_a_row_does_not_touch_the_begin_of_the_next():
    label, count = connected_places(np.array([2, 3]), 3)
    assert (label.tolist(), count) == ([1, 2], 2)
    components, count = connected(np.zeros((3, 3), bool))
    assert (len(components.place), count) == (0, 0)


def test_a_part_of_a_window_holds_its_first_but_not_its_last_row_and_column():
    part = Window(1, 2, 2, 3)
    places = np.arange(5 * 7)
    inside = begins_in(places, 7, part).reshape(5, 7)
    expected = np.zeros((5, 7), bool)
    expected[part.slices] = True
    np.testing.assert_array_equal(inside, expected)

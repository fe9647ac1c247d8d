"""Labelled crops: what is known of a pixel is what somebody has said of it, and no more."""

import numpy as np
import pytest
import shapely

from nucwsi.grid import Window
from nucwsi.review.crops import NO_NUCLEUS, UNANSWERED, Judged, around, labelled_crop

WINDOW = Window(100, 200, 40, 60)
IMAGE = np.full((40, 60, 3), 200, np.uint8)

#: A nucleus of class 3, one of no class that has a code, one that is none, one that nobody judged.
BOXES = [(205, 105, 213, 113), (225, 105, 233, 113), (205, 125, 213, 133), (225, 125, 233, 133)]
JUDGED = Judged(
    np.array([shapely.box(*box) for box in BOXES], object),
    np.array([3, 0, NO_NUCLEUS, UNANSWERED]),
)
NOTHING = np.empty(0, object)


def at(values, number):
    """The values of the pixels of an outline."""
    left, top, right, low = BOXES[number]
    return np.unique(values[top - 100 : low - 100, left - 200 : right - 200]).tolist()


def test_of_single_answers_nothing_but_their_pixels_is_known():
    found = labelled_crop(IMAGE, WINDOW, JUDGED, NOTHING, whole=False)
    assert found.ids.tolist() == [1, 2]
    assert found.codes.tolist() == [3, 0]
    assert [at(found.instances, k) for k in range(4)] == [[1], [2], [0], [0]]
    assert [at(found.ignored, k) for k in range(4)] == [[False], [False], [False], [True]]
    assert (~found.ignored).sum() == 3 * 64


def test_in_a_frame_all_is_known():
    found = labelled_crop(IMAGE, WINDOW, JUDGED, NOTHING, whole=True)
    assert found.ids.tolist() == [1, 2, 4]
    assert found.codes.tolist() == [3, 0, 0]
    assert at(found.instances, 2) == [0]
    assert found.ignored is None


@pytest.mark.parametrize("whole", [True, False])
def test_around_a_missed_nucleus_nothing_is_known(whole):
    marks = around(np.array([[250.0, 120.0], [209.0, 109.0]]), np.array([0.0, 50.0]), 5.0)
    found = labelled_crop(IMAGE, WINDOW, JUDGED, marks, whole=whole)
    assert found.ignored[20, 50]
    # A nucleus that was found stays one, wherever somebody has clicked.
    assert at(found.instances, 0) == [1]
    assert at(found.ignored, 0) == [False]


def test_a_mark_is_half_as_wide_again():
    (disc,) = around(np.array([[0.0, 0.0]]), np.array([np.pi * 100]), 5.0)
    assert disc.area == pytest.approx(np.pi * 225, rel=0.02)


def test_outlines_that_reach_beyond_the_window_are_cut():
    judged = Judged(np.array([shapely.box(190, 90, 210, 110)], object), np.array([1]))
    found = labelled_crop(IMAGE, WINDOW, judged, NOTHING, whole=False)
    assert (found.instances > 0).sum() == 100

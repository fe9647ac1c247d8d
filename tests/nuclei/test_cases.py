"""Cases: instances that share pixels are linked, directly or through others."""

import numpy as np
import pytest

from nucwsi.grid import Window
from nucwsi.nuclei.cases import Case, Instance, LabelledTile, in_order, instances_of, link


def tile(row, column, labels):
    """A tile at a place on the canvas whose core is its window."""
    labels = np.array(labels)
    window = Window(row, column, *labels.shape)
    return LabelledTile(window, window, labels)


#: Two tiles that overlap by two columns, and a third one below the second.
LEFT = tile(0, 0, [[1, 1, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2]])
RIGHT = tile(0, 2, [[0, 0, 0, 3], [0, 0, 0, 0], [0, 5, 5, 5]])
BELOW = tile(2, 3, [[7, 0, 8], [0, 0, 8]])


def members(cases):
    return sorted(sorted(member.label for member in case.members) for case in cases)


def test_instances_that_share_a_pixel_are_one_case():
    assert members(link([LEFT, RIGHT])) == [[1], [2, 5], [3]]


def test_links_lead_through_other_tiles():
    assert members(link([LEFT, RIGHT, BELOW])) == [[1], [2, 5, 7, 8], [3]]
    assert members(link([LEFT, BELOW])) == [[1], [2, 7], [8]]


def test_instances_of_one_tile_are_linked_by_another_only():
    assert members(link([tile(0, 0, [[1, 2]])])) == [[1], [2]]
    assert members(link([tile(0, 0, [[1, 2]]), tile(0, 0, [[9, 9]])])) == [[1, 2, 9]]


def test_neighbours_that_share_no_pixel_are_not_linked():
    assert members(link([tile(0, 0, [[1]]), tile(0, 1, [[1]])])) == [[1], [1]]


def test_a_case_unites_the_pixels_of_its_members():
    (case,) = (case for case in link([LEFT, RIGHT, BELOW]) if len(case.members) > 1)
    assert case.window == Window(2, 0, 2, 6)
    assert case.mask.astype(int).tolist() == [[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]]


def test_a_case_of_one_is_its_instance():
    instance = Instance(Window(3, 4, 1, 2), np.array([[True, True]]))
    case = Case.of([instance])
    assert (case.window, case.members) == (instance.window, (instance,))
    assert case.mask is instance.mask


def test_instances_know_their_place_on_the_canvas():
    listed = instances_of(np.array([[0, 0, 4], [0, 4, 4]]), Window(10, 20, 2, 3))
    assert list(listed) == [4]
    assert listed[4].window == Window(10, 21, 2, 2)
    assert listed[4].first_pixel == (10, 22)
    assert listed[4].tile is None


def test_the_order_of_the_tiles_is_that_of_their_cores():
    assert in_order([BELOW, RIGHT, LEFT]) == [LEFT, RIGHT, BELOW]


def test_nothing_gives_nothing():
    assert link([]) == []
    assert link([tile(0, 0, [[0, 0]])]) == []


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\) labels for a \(4, 4\) window"):
        LabelledTile(Window(0, 0, 4, 4), Window(0, 0, 4, 4), np.zeros((4, 3), int))

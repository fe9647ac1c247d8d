"""Crops show the nuclei that reach into them, each in the colour of its class."""

import numpy as np
import pytest
import shapely
from shown import phantom_nuclei, polygons_of

from nucwsi.grid import Frame
from nucwsi.io.slides.slide import open_slide
from nucwsi.report.crops import nuclei_in_boxes, read_crops
from nucwsi.report.fields import Choice, FieldSums


def test_a_nucleus_is_found_in_every_box_that_its_own_overlaps():
    """In whichever table it comes; a box that only touches does not overlap."""
    table = phantom_nuclei(keep=40)
    xmin, ymin, xmax, ymax = table.bounds[7]
    boxes = np.array(
        [
            (xmin - 5, ymin - 5, xmin + 0.01, ymin + 0.01),
            (xmax, ymin, xmax + 1, ymax),
            (xmin, ymin, xmax, ymax),
            (-9, -9, -5, -5),
        ]
    )
    tables = [table.take(np.arange(0, 20)), table.take(np.arange(20, 40))]
    found = nuclei_in_boxes(tables, boxes)
    own = shapely.from_wkb(table.geometry[7])
    there = [any(shape == own for shape in shapes) for shapes, _ in found]
    assert there == [True, False, True, False]
    outlines, code = found[2]
    assert code[[shape == own for shape in outlines]] == [table.class_code[7]]
    everything = nuclei_in_boxes(tables, np.array([(-1e6, -1e6, 1e6, 1e6)]))
    assert len(everything[0][0]) == 40
    assert nuclei_in_boxes(tables, np.empty((0, 4))) == []


@pytest.mark.parametrize("mpp", [0.25, 0.26])
def test_a_crop_says_where_its_centre_lies(small_slide, mpp):
    """In QuPath's frame: level-0 pixels from the origin of the slide's bounds, x across."""
    frame = Frame((700, 900), 0.5, (0.25, mpp), (100.0, 30.0), (1600, 2100))
    sums = FieldSums(np.array([[0, 3]]), np.array([[np.nan, 0.7]]))
    choices = [Choice("densest", 0, 1), Choice("random", 0, 0)]
    with open_slide(small_slide) as slide:
        first, second = read_crops(slide, [phantom_nuclei()], frame, choices, sums, 128.0, 80)
    assert (first.n, first.certainty) == (3, 0.7)
    assert (second.n, second.certainty) == (0, None)
    assert abs(first.x - 1.5 * 128 / mpp) <= 1
    assert abs(first.y - 0.5 * 128 / 0.25) <= 1
    assert first.size == (round(128 / mpp),) * 2
    assert {path.code for path in first.paths} <= set(range(4))
    assert [path.d[:1] for path in first.paths] == ["M"] * len(first.paths) != []


def test_outlines_lie_where_the_nuclei_are(small_slide):
    """Where level-0 pixels are twice as wide as high, too: x and y have a scale each."""
    table = phantom_nuclei()
    frame = Frame((400, 1050), 0.5, (0.125, 0.25), (0.0, 0.0), (1600, 2100))
    sums = FieldSums(np.zeros((1, 4), int), np.zeros((1, 4)))
    with open_slide(small_slide) as slide:
        [crop] = read_crops(slide, [table], frame, [Choice("random", 0, 1)], sums, 128.0, 80)
    left, mpp = 128 / 0.25, 0.25
    expected = np.column_stack([(table.column - left) * 0.25 / mpp, table.row * 0.125 / mpp])
    shapes = [shape for path in crop.paths for shape in polygons_of(path.d)]
    assert len(shapes) > 20
    for shape in shapes:
        centre = (shape.centroid.x, shape.centroid.y)
        assert np.hypot(*(expected - centre).T).min() < 0.5

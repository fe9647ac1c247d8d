"""Outlines that lie on the slide by chance are told from those that lie on its nuclei."""

import numpy as np
import pytest
import shapely

from nucwsi.grid import Frame
from nucwsi.nuclei.placement import (
    image_scale,
    is_darker,
    is_usual_scale,
    placement,
    sampled,
    window_around,
)
from nucwsi.phantom import Phantom

FRAME = Frame((500, 500), 0.5, (0.25, 0.25), (0.0, 0.0), (1000, 1000))
LEVELS = [(32914, 46000), (8228, 11500)]


@pytest.mark.parametrize("by", [1, 2, 3.958, 4, 7, 32])
@pytest.mark.parametrize("rounded", [np.floor, np.ceil])
def test_an_image_of_the_whole_slide_has_its_proportions_however_it_was_rounded(by, rounded):
    size = tuple(rounded(np.array(LEVELS[0]) / by).astype(int).tolist())
    np.testing.assert_allclose(image_scale(size, LEVELS[0]), by, rtol=2e-3)


@pytest.mark.parametrize("size", [(8192, 8192), (8448, 11776), (4114, 5700), (3, 900)])
def test_an_image_of_a_part_or_of_more_than_the_slide_has_others(size):
    assert image_scale(size, LEVELS[0]) is None


def test_an_image_of_a_part_with_the_same_proportions_has_an_odd_scale():
    def usual(by, mpp=0.2527):
        size = tuple(np.rint(np.array(LEVELS[0]) / by).astype(int).tolist())
        return is_usual_scale(size, LEVELS, mpp * by)

    assert all(usual(by) for by in (1, 2, 4, 8, 16, 0.5, 0.5 / 0.2527, 0.35 / 0.2527))
    assert not any(usual(by) for by in (1.37, 3.3, 5.43))


def test_size_glass_and_reach_of_outlines():
    tissue = [shapely.box(0, 0, 400, 1000), shapely.box(600, 0, 1000, 1000)]
    outlines = np.array([shapely.box(x, 0, x + 20, 20) for x in (10, 100, 450, 550)])
    found = placement(outlines, tissue, FRAME)
    assert found.median_um2 == pytest.approx(25)
    assert found.on_glass == 0.5
    assert found.tissue_reached == pytest.approx(390 * 20 / 800_000)
    assert placement(outlines, [], FRAME)[1:] == (0.0, 1.0)


def test_a_sample_is_spread_over_all():
    boxes = np.array([shapely.box(n, 0, n + 1, 1) for n in range(95)])
    assert sampled(boxes[:7], 10).tolist() == boxes[:7].tolist()
    kept = sampled(boxes, 10)
    assert (len(kept), kept[0], kept[-1]) == (10, boxes[0], boxes[-1])


def test_nuclei_are_darker_than_what_is_around_them_and_other_places_are_not():
    phantom = Phantom((700, 900), seed=4)
    rgb, near = phantom.paint(), shapely.box(40, 40, 860, 660)
    shapes = [phantom.polygon(nucleus) for nucleus in phantom.nuclei()]
    shapes = [s for s in shapes if s.geom_type == "Polygon" and s.area > 50 and near.contains(s)]

    def share(move):
        answers = []
        for shape in (move(shape) for shape in shapes):
            window = window_around(shape)
            answers.append(is_darker(rgb[window.slices], window, shape))
        return np.mean(answers)

    assert share(lambda shape: shape) > 0.9
    assert share(lambda shape: shapely.affinity.translate(shape, 25, 17)) < 0.65

"""Organs follow from seed and site alone, and keep clear of each other."""

import math

import numpy as np
import pytest

from nucwsi.grid import Window
from nucwsi.phantom.organs import Organs

WINDOW = Window(0, 0, 3000, 4000)


def kind_at(lattice, row, column, share):
    return ("follicle" if share < 0.5 else "", "gland", "fat" if column > 2500 else "")[lattice]


@pytest.fixture(scope="module")
def organs():
    return Organs(4, 0.25, kind_at)


def test_no_outline_enters_another(organs):
    found = organs.near(WINDOW)
    assert {organ.kind for organ in found} == {"follicle", "gland", "fat"}
    for index, one in enumerate(found):
        for other in found[:index]:
            if math.dist(one.centre, other.centre) < one.axes[0] + other.axes[0]:
                # Outlines are rounded after they are cut; the gap between them takes that up.
                assert other.reach(*one.outline.T)[1].min() > 0


def test_a_window_holds_the_organs_whose_box_meets_it(organs):
    for window in (Window(700, 900, 1, 1), Window(0, 0, 300, 300), Window(1500, 2400, 700, 500)):
        whole = [o.key for o in organs.near(WINDOW.grown(600)) if o.box().intersection(window)]
        alone = [organ.key for organ in Organs(4, 0.25, kind_at).near(window)]
        assert alone == whole


def test_an_inner_outline_lies_inside_by_its_depth(organs):
    for organ in organs.near(WINDOW)[:8]:
        inner = organ.inner(20.0)
        radius = np.hypot(*(organ.outline - organ.centre).T)
        inside = np.hypot(*(inner.outline - organ.centre).T)
        np.testing.assert_allclose(inside, np.maximum(radius - 20, 0.1 * organ.axes[0]))

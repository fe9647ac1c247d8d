"""Nuclei of the scene tissue: in organs as they lie there, hard cases in the corner alone."""

from collections import Counter

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.grid import Window
from nucwsi.phantom import CLASSES, Phantom

SMALL = (700, 900)


@pytest.fixture(scope="module")
def demo():
    return Phantom(scene="tissue")


def test_the_corner_holds_what_breaks_tiling_and_the_rest_does_not(demo):
    nuclei = list(demo.nuclei())
    kinds = Counter(nucleus.kind for nucleus in nuclei)
    assert set(kinds) == {"interior", "seam", "corner", "giant", "chain", "sheet", "edge"}
    assert {nucleus.class_name for nucleus in nuclei} == set(CLASSES)
    assert len({nucleus.id for nucleus in nuclei}) == len(nuclei) > 2000
    for nucleus in nuclei:
        if nucleus.kind in {"corner", "giant", "chain", "sheet"}:
            assert min(nucleus.centre[0] / 3000, nucleus.centre[1] / 4000) > 0.5
    assert kinds["sheet"] < 0.06 * len(nuclei)


def test_no_nuclei_overlap(demo):
    polygons = np.array([demo.polygon(nucleus) for nucleus in demo.nuclei()])
    assert shapely.is_valid(polygons).all()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = one < other
    shared = shapely.area(shapely.intersection(polygons[one[pairs]], polygons[other[pairs]]))
    assert shared.max() < 1.0


def test_nuclei_of_a_palisade_stand_across_its_rim(demo):
    gland = next(
        organ
        for organ in demo._anatomy.organs.near(Window(0, 0, *demo.shape))
        if organ.kind == "gland" and demo._anatomy.tissue(*organ.outline.T).min() > 5
    )
    inside = [
        n
        for n in demo.nuclei()
        if n.class_name == "epithelial" and gland.reach(*np.array(n.centre))[1] < 0
    ]
    assert len(inside) > 12
    out = np.array([n.centre for n in inside]) - gland.centre
    angles = np.array([n.angle for n in inside])
    assert np.median(np.abs(np.cos(angles - np.arctan2(*out.T)))) > 0.9


@settings(max_examples=8, deadline=None)
@given(row=st.integers(0, 600), column=st.integers(0, 800), side=st.integers(1, 300))
def test_a_window_holds_the_nuclei_whose_box_meets_it(row, column, side):
    window = Window(row, column, side, side)
    whole = [
        n for n in Phantom(SMALL, seed=3, scene="tissue").nuclei() if n.box().intersection(window)
    ]
    alone = list(Phantom(SMALL, seed=3, scene="tissue").nuclei(window))
    assert [n.id for n in alone] == [n.id for n in whole]
    for one, other in zip(alone, whole, strict=True):
        np.testing.assert_array_equal(one.outline, other.outline)


def test_without_density_only_hard_cases_remain():
    kinds = {n.kind for n in Phantom(scene="tissue", density=0).nuclei()}
    assert kinds <= {"seam", "corner", "giant", "chain", "sheet"}

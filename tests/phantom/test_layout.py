"""Where the phantom's nuclei lie: on seams, on corners, in chains and a sheet; none overlap."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.classes import COLOURS
from nucwsi.grid import Window
from nucwsi.phantom import CLASSES, Phantom


@pytest.fixture(scope="module")
def demo() -> Phantom:
    return Phantom()


def test_the_demo_slide_holds_what_breaks_tiling(demo: Phantom) -> None:
    nuclei = list(demo.nuclei())
    kinds = Counter(nucleus.kind for nucleus in nuclei)
    assert set(kinds) == {"interior", "seam", "corner", "giant", "chain", "sheet", "edge"}
    assert len(nuclei) > 2000
    assert len({nucleus.id for nucleus in nuclei}) == len(nuclei)
    assert set(CLASSES) == {nucleus.class_name for nucleus in nuclei} <= set(COLOURS)
    corners = np.array([n.centre for n in nuclei if n.kind in {"corner", "giant"}]) / 2
    assert (corners % 256 == 0).all()
    for core in (256, 512, 1024):
        assert (corners % core == 0).all(axis=1).any(), f"nothing on a corner of {core} px cores"
    for nucleus in nuclei:
        if nucleus.kind == "giant":
            assert np.ptp(nucleus.outline / 2, axis=0).max() > 112 * 1.5


def test_some_nuclei_lie_at_the_edge_of_the_slide(demo: Phantom) -> None:
    height, width = demo.shape
    cut = [
        (n.kind, demo.polygon(n))
        for n in demo.nuclei()
        if (n.outline < 0).any() or (n.outline > demo.shape).any()
    ]
    assert len(cut) > 5
    for kind, polygon in cut:
        assert kind == "edge"
        assert polygon.geom_type == "Polygon"
        assert shapely.box(0, 0, width, height).covers(polygon)


def test_chains_and_the_sheet_touch_and_nothing_overlaps(demo: Phantom) -> None:
    instances, nuclei = demo.labels()
    kind = np.array(["", *(n.kind for n in nuclei)])
    beside = [
        (instances[:, :-1], instances[:, 1:]),
        (instances[:-1], instances[1:]),
    ]
    partners: dict[int, set[int]] = {}
    for one, other in beside:
        met = (one != other) & (one > 0) & (other > 0)
        for a, b in zip(one[met].tolist(), other[met].tolist(), strict=True):
            partners.setdefault(a, set()).add(b)
            partners.setdefault(b, set()).add(a)
    for name in ("chain", "sheet"):
        members = set(np.flatnonzero(kind == name).tolist())
        assert members
        assert len(members & set(partners)) > 0.97 * len(members), name
    polygons = np.array([demo.polygon(n) for n in nuclei])
    assert shapely.is_valid(polygons).all()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = one < other
    shared = shapely.area(shapely.intersection(polygons[one[pairs]], polygons[other[pairs]]))
    assert shared.max() < 1.0


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, 600), column=st.integers(0, 800), side=st.integers(1, 300))
def test_a_window_holds_the_nuclei_whose_box_meets_it(row: int, column: int, side: int) -> None:
    window = Window(row, column, side, side)
    whole = [n for n in Phantom((700, 900), seed=3).nuclei() if n.box().intersection(window)]
    # A phantom of its own: nothing remembered from elsewhere on the slide.
    alone = list(Phantom((700, 900), seed=3).nuclei(window))
    assert [n.id for n in alone] == [n.id for n in whole]
    for one, other in zip(alone, whole, strict=True):
        np.testing.assert_array_equal(one.outline, other.outline)

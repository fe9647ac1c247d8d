"""One nucleus: outline, box, discs and distances agree; neighbours touch half way."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.phantom.nucleus import CLASSES, Nucleus, clashes, draw_axes, draw_radii, draw_touching


def nucleus(seed, class_name="spindle", mpp=0.25):
    rng = np.random.default_rng(seed)
    axes, radii = draw_axes(class_name, mpp, rng), draw_radii(class_name, rng)
    return Nucleus(1, "interior", class_name, (100.3, 50.8), axes, rng.uniform(0, 3), radii)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), class_name=st.sampled_from(CLASSES))
def test_a_point_is_inside_the_outline_where_its_share_is_below_one(seed, class_name):
    one = nucleus(seed, class_name)
    polygon = shapely.Polygon(one.outline[:, ::-1])
    offsets = np.random.default_rng(seed).uniform(-30, 30, (400, 2))
    rows, columns = (offsets + one.centre).T
    share, distance = one.reach(rows, columns)
    clear = np.abs(share - 1) > 1e-4
    inside = shapely.contains_xy(polygon, columns, rows)
    assert (inside == (share < 1))[clear].all()
    assert (np.sign(distance) == np.sign(share - 1))[clear].all()
    on_outline, off = one.reach(*one.outline.T)
    np.testing.assert_allclose(on_outline, 1, atol=1e-4)
    np.testing.assert_allclose(off, 0, atol=1e-2)


def test_the_distance_from_a_circle_is_in_pixels():
    circle = Nucleus(1, "interior", "other", (0.0, 0.0), (20.0, 20.0), 0.0, np.ones(48))
    angle = 0.7
    for far in (5.0, 19.0, 30.0):
        _, distance = circle.reach(np.sin(angle) * far, np.cos(angle) * far)
        assert distance == pytest.approx(far - 20, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(CLASSES), st.sampled_from([1.0, 2.0, 2.5]))
def test_the_box_holds_the_outline_and_no_row_more(seed, class_name, scale):
    one = nucleus(seed, class_name)
    box, grown = one.box(scale=scale), one.box(3.0, scale)
    low, high = one.outline.min(0) / scale, one.outline.max(0) / scale
    ends = zip((box.row, box.column), (box.row_stop, box.column_stop), low, high, strict=True)
    for start, stop, least, most in ends:
        assert start <= least < start + 1
        assert stop - 1 < most <= stop
    assert (grown.row, grown.column) == (box.row - 3, box.column - 3)
    assert (grown.height, grown.width) == (box.height + 6, box.width + 6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(CLASSES))
def test_the_discs_cover_all_but_a_rim(seed, class_name):
    one = nucleus(seed, class_name)
    apart = np.hypot(*(one.outline[:, None, :] - one.discs[:, :2]).transpose(2, 0, 1))
    assert (apart - one.discs[:, 2]).min(axis=1).max() < min(one.axes) / 4
    # No disc lies off the ellipse: nuclei would keep clear of nothing.
    far = np.hypot(*(one.discs[:, :2] - one.centre).T)
    assert (far < max(one.axes)).all()


@pytest.mark.parametrize(("gap_px", "expected"), [(0.0, False), (0.99, False), (1.01, True)])
def test_discs_clash_when_less_than_the_gap_is_between_them(gap_px, expected):
    one, other = np.array([[0.0, 0.0, 2.0]]), np.array([[0.0, 50.0, 9.0], [3.0, 4.0, 2.0]])
    assert clashes(one, other, gap_px) is expected
    assert clashes(other, one, gap_px) is expected
    assert not clashes(one, other[:0], gap_px)


def test_touching_nuclei_meet_half_way_and_overlap_nowhere():
    centres = np.array([[0.0, 0.0], [0.0, 16.0], [40.0, 0.0]])
    drawn = draw_touching(centres, 10.0, "epithelial", np.random.default_rng(1))
    shapes = [
        shapely.Polygon(
            Nucleus(1, "chain", "epithelial", tuple(c), (10.0, 10.0), 0.0, radii).outline[:, ::-1]
        )
        for c, radii in zip(centres.tolist(), drawn, strict=True)
    ]
    assert shapes[0].distance(shapes[1]) == pytest.approx(0, abs=1e-6)
    assert shapes[0].intersection(shapes[1]).area == pytest.approx(0, abs=1e-6)
    assert shapes[0].bounds[2] == pytest.approx(8)
    alone = draw_radii("epithelial", np.random.default_rng(1))
    assert (drawn[0] <= alone).all()
    assert drawn[2].max() == 1


def test_radii_stay_within_the_ellipse():
    for class_name in CLASSES:
        for seed in range(20):
            radii = draw_radii(class_name, np.random.default_rng(seed))
            assert radii.shape == (48,)
            assert radii.max() == 1
            assert radii.min() >= 0.45

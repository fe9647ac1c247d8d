"""Outlines: valid, as GDAL traces them, and as fine as the map allows."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from instances_made import blobs, label_each, label_mask
from rasterio.features import shapes as rasterio_shapes
from scipy import ndimage

from nucwsi.nuclei.tracing import trace, trace_smooth


@pytest.mark.parametrize("sigma", [0.4, 0.8, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_outlines_equal_those_of_gdal(seed, sigma):
    labels, count = blobs(seed, sigma)
    outlines = trace(labels, count).polygons
    assert shapely.is_valid(outlines).all()
    for geometry, number in rasterio_shapes(labels, mask=labels > 0, connectivity=4):
        theirs = shapely.Polygon(shapely.geometry.shape(geometry).exterior)
        assert theirs.equals(outlines[int(number) - 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.4, 0.8, 2.0]))
def test_smooth_outlines_are_valid_apart_and_near_the_pixels(seed, sigma):
    rng = np.random.default_rng(seed)
    np_map = (ndimage.gaussian_filter(rng.random((48, 48)), sigma) * 255).astype(np.uint8)
    np_level = int(np.median(np_map)) + 1
    labels, count = label_mask(np_map >= np_level)
    # Cut across: nuclei that touch.
    labels = np.where(labels > 0, 2 * labels - (np.arange(48) < 24), 0).astype(np.int32)
    labels, count = label_each(labels)
    outlines, perimeter_px = trace_smooth(labels, count, np_map, np_level)
    assert shapely.is_valid(outlines).all()
    assert (shapely.area(outlines) > 0).all()
    assert shapely.covers(shapely.buffer(trace(labels, count).polygons, 0.75), outlines).all()
    np.testing.assert_array_equal(perimeter_px, shapely.length(outlines))
    filled = [shapely.Polygon(outline.exterior) for outline in outlines]
    tree = shapely.STRtree(filled)
    for one, other in tree.query(filled, predicate="overlaps").T:
        # Only a hole's inhabitant may lie within another's filled outline.
        assert filled[one].intersection(filled[other]).area < 1e-9


@pytest.mark.parametrize("sigma", [0.4, 0.8])
def test_smooth_outlines_never_meet_themselves(sigma):
    """Even where they reach farthest: from 255 past a neighbour just below the threshold."""
    labels, count = blobs(5, sigma, 96)
    outlines, _ = trace_smooth(labels, count, np.where(labels, 255, 127).astype(np.uint8), 128)
    assert shapely.is_valid(outlines).all()


@pytest.mark.parametrize(("radius", "rel"), [(2.5, 0.06), (4.0, 0.025), (9.0, 0.005)])
def test_smooth_outlines_are_finer_than_the_pixels(radius, rel):
    """From the share of each pixel that a disc covers come its area, length and place."""
    grid = (np.arange(32 * 8) + 0.5) / 8
    fine = np.hypot(grid[:, None] - 15.3, grid[None, :] - 16.1) < radius
    np_map = (fine.reshape(32, 8, 32, 8).mean((1, 3)) * 255).round().astype(np.uint8)
    labels, _ = label_mask(np_map >= 128)
    outlines, perimeter_px = trace_smooth(labels, 1, np_map, 128)
    assert outlines[0].area == pytest.approx(np.pi * radius**2, rel=rel)
    assert perimeter_px[0] == pytest.approx(2 * np.pi * radius, rel=rel)
    centre = shapely.get_coordinates(outlines[0].centroid)[0]
    np.testing.assert_allclose(centre, [16.1, 15.3], atol=0.05)


def test_smooth_outlines_do_not_depend_on_the_window():
    rng = np.random.default_rng(1)
    np_map = (ndimage.gaussian_filter(rng.random((60, 60)), 2) * 255).astype(np.uint8)
    np_level = int(np.median(np_map))
    mask = np.zeros((60, 60), bool)
    mask[8:50, 8:50] = np_map[8:50, 8:50] >= np_level
    np_map[~mask] = np.minimum(np_map[~mask], np_level - 1)
    labels, count = label_mask(mask)
    here = trace_smooth(labels, count, np_map, np_level).polygons
    there = trace_smooth(labels[3:, 7:], count, np_map[3:, 7:], np_level).polygons
    back = shapely.transform(there, lambda xy: xy + np.array([7, 3]))
    assert (shapely.get_coordinates(here) == shapely.get_coordinates(back)).all()


def test_touching_labels_share_their_border():
    labels = np.array([[1, 1, 2], [1, 2, 2], [3, 3, 2]], np.int32)
    outlines = trace(labels, 3).polygons
    np.testing.assert_array_equal(shapely.area(outlines), [3, 4, 2])
    assert shapely.union_all(outlines).equals(shapely.box(0, 0, 3, 3))


def test_an_outline_closed_over_a_corner_stays_valid():
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.int32)
    (outline,) = trace(labels, 1).polygons
    assert outline.is_valid
    assert outline.area == pytest.approx(8), "its hole is filled"


def test_smooth_outlines_pass_half_a_level_below_the_threshold():
    """From 130 to 120, 127.5 is passed after a quarter of the way, and 128 after a fifth."""
    np_map = np.full((3, 3), 120, np.uint8)
    np_map[1, 1] = 130
    (outline,), _ = trace_smooth((np_map == 130).astype(np.int32), 1, np_map, 128)
    assert outline.bounds == (1.25, 1.25, 1.75, 1.75)


def test_a_neighbour_of_exactly_the_threshold_is_inside():
    np_map = np.array([[0, 0, 0, 0], [0, 128, 128, 0], [0, 0, 0, 0]], np.uint8)
    (outline,), _ = trace_smooth((np_map == 128).astype(np.int32), 1, np_map, 128)
    # 0.5 of 128 levels: less than the least reach of 4/64 from the middle of the pixel.
    assert outline.bounds == (1.5 - 4 / 64, 1.5 - 4 / 64, 2.5 + 4 / 64, 1.5 + 4 / 64)


def test_the_length_of_a_square_is_between_its_staircase_and_its_diagonals():
    _, (perimeter_px,) = trace(np.ones((10, 10), np.int32), 1)
    # 40 sides, 4 turns of which each saves 1 - sqrt(1/2), times Kulpa's factor.
    assert perimeter_px == pytest.approx((40 - 4 * (1 - 0.5**0.5)) * np.pi * (1 + 2**0.5) / 8)


def test_no_instance_has_no_outline():
    for outlines in (
        trace(np.zeros((2, 2), np.int32), 0),
        trace_smooth(np.zeros((2, 2), np.int32), 0, np.zeros((2, 2), np.uint8), 128),
    ):
        assert (len(outlines.polygons), len(outlines.perimeter_px)) == (0, 0)

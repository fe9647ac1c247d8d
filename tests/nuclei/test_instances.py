"""Components, instances and outlines: the same wherever one looks from."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import shapes as rasterio_shapes
from scipy import ndimage
from skimage.segmentation import watershed

from nucwsi.grid import TileGrid
from nucwsi.labels.targets import hv_targets
from nucwsi.nuclei.components import crossing_components
from nucwsi.nuclei.instances import edge_strength, slope_limit, split_components
from nucwsi.nuclei.morphometry import pixel_sums, shapes
from nucwsi.nuclei.pixels import Pixels, connected
from nucwsi.nuclei.polygons import simplified, trace, trace_smooth, window_to_level0
from nucwsi.nuclei.validity import repaired
from nucwsi.nuclei.window import Constants, WindowMaps, nuclei_of

LIMIT = slope_limit(0.12)


def discs(shape, centres, radius):
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (row, column) in enumerate(centres, start=1):
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return labels


def perfect_hv(labels):
    return (hv_targets(labels) * 127).round().astype(np.int8)


masks = st.tuples(st.integers(5, 50), st.integers(5, 50), st.integers(3, 17), st.integers(0, 10**6))


def label_mask(mask):
    components, count = connected(mask)
    return components.image(), count


@settings(max_examples=60, deadline=None)
@given(masks)
def test_crossing_components_are_found_whole_and_once(case):
    height, width, core_px, seed = case
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.uniform(0.3, 0.7)
    grid = TileGrid((height, width), core_px)
    cores = ((at, mask[grid.core(*at).slices]) for at in grid.positions())
    found = list(crossing_components(grid, cores))

    pixels, count = connected(mask)
    labels = pixels.image()
    box, first = pixels.boxes(count), pixels.first(count)
    expected = {}
    for number in range(1, count + 1):
        rows, columns = np.nonzero(labels == number)
        if len(set(zip(rows // core_px, columns // core_px, strict=True))) > 1:
            expected[divmod(int(first[number - 1]), width)] = tuple(box[number - 1].tolist())
    seen = {}
    for component in found:
        b = component.box
        assert component.first not in seen, "reported twice"
        seen[component.first] = (b.row, b.column, b.row_stop, b.column_stop)
    # Pieces that touch a border without crossing it may be reported too; they must be right.
    assert {at: seen.get(at) for at in expected} == expected
    truth = {divmod(int(f), width): tuple(b) for f, b in zip(first, box.tolist(), strict=True)}
    assert all(truth[at] == b for at, b in seen.items())


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


def test_a_blank_row_of_cores_parts_what_lies_above_and_below():
    grid = TileGrid((9, 3), 3)
    mask = np.ones((3, 3), bool)
    assert list(crossing_components(grid, [((0, 0), mask), ((2, 0), mask)])) != []
    for component in crossing_components(grid, [((0, 0), mask), ((2, 0), mask)]):
        assert component.box.shape == (3, 3)


def test_touching_nuclei_are_parted_and_owned_by_their_markers():
    labels = discs((60, 200), [(30, 20 + 22 * k) for k in range(7)], 12)
    components, count = label_mask(labels > 0)
    assert count == 1
    found = split_components(
        Pixels.of(components), count, edge_strength(perfect_hv(labels)), LIMIT, 4
    )
    assert len(found.first_px) == 7
    for number in range(1, 8):
        mine = found.pixels.image() == found.pixels.image()[30, 20 + 22 * (number - 1)]
        truth = labels == number
        assert (mine & truth).sum() / (mine | truth).sum() > 0.9
    owners = found.pixels.image().ravel()[found.first_px]
    np.testing.assert_array_equal(owners, np.arange(1, 8))


def test_a_component_without_a_marker_is_still_a_nucleus():
    components = np.zeros((9, 9), np.int32)
    components[4, 3:6] = 1
    edges = np.full((9, 9), 30000, np.int16)
    found = split_components(Pixels.of(components), 1, edges, LIMIT, 4)
    assert found.first_px.tolist() == [4 * 9 + 3]
    assert (found.pixels.image() == components).all()
    by_marker = split_components(Pixels.of(components), 1, edges, LIMIT, 4, by_marker=True)
    assert len(by_marker.first_px) == 0


def crowd(seed, side=40):
    """Components of several nuclei, with many equally steep pixels: there the order decides."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((side, side)), 1.5)
    mask = np.zeros((side, side), bool)
    mask[3:-3, 3:-3] = smooth[3:-3, 3:-3] > np.median(smooth)
    hv = rng.integers(-127, 128, (2, side, side)).astype(np.int8)
    hv = np.stack([ndimage.uniform_filter(layer, 5) for layer in hv]) // 24 * 24
    components, _ = label_mask(mask)
    return components, hv


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_flooding_is_the_watershed_of_scikit_image(seed):
    components, hv = crowd(seed)
    edges, limit = edge_strength(hv), slope_limit(0.02)
    pixels = Pixels.of(components)
    found = split_components(pixels, int(components.max()), edges, limit, 1, by_marker=True)
    markers, _ = ndimage.label((components > 0) & (edges < limit))
    raster = np.arange(components.size).reshape(components.shape) - components.size
    height = np.where(markers > 0, raster, edges)
    expected = watershed(height, markers, mask=components > 0)
    np.testing.assert_array_equal(found.pixels.image(), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 9))
def test_instances_do_not_depend_on_the_window(seed, neighbour, down, right):
    """Seen from a larger window with strangers, a component gives the same nuclei and owners."""
    components, hv = crowd(seed)
    count = int(components.max())
    limit = slope_limit(0.02)
    here = split_components(Pixels.of(components), count, edge_strength(hv), limit, 2)

    strange, strange_hv = crowd(neighbour)
    beside = [np.where(strange > 0, strange + shift, 0) for shift in (count, count + strange.max())]
    room = ((down, 0), (right, 0))
    wide = np.hstack(
        [
            np.pad(beside[0], ((0, down), (3, 0))),
            np.pad(components, room),
            np.pad(beside[1], ((0, down), (0, 3))),
        ]
    )
    pads = (((0, 0), (0, down), (3, 0)), ((0, 0), *room), ((0, 0), (0, down), (0, 3)))
    layers = zip((strange_hv, hv, strange_hv), pads, strict=True)
    wide_hv = np.concatenate([np.pad(layer, pad) for layer, pad in layers], axis=2)
    there = split_components(Pixels.of(wide), int(wide.max()), edge_strength(wide_hv), limit, 2)

    left = strange.shape[1] + 3 + right
    cut = there.pixels.image()[down : down + 40, left : left + 40]
    assert ((cut > 0) == (components > 0)).all()
    pairs = set(zip(here.pixels.image()[cut > 0].tolist(), cut[cut > 0].tolist(), strict=True))
    assert len(pairs) == len(here.first_px)
    row, column = np.divmod(there.first_px, wide.shape[1])
    owners = {(r - down, c - left) for r, c in zip(row.tolist(), column.tolist(), strict=True)}
    assert {divmod(int(f), 40) for f in here.first_px} <= owners


def test_edges_are_measured_in_slopes():
    ramp = np.zeros((2, 9, 40), np.int8)
    ramp[0] = -np.arange(40) * 2
    edges = edge_strength(ramp)
    assert (edges[:, 4:-4] == slope_limit(2 / 127)).all()
    assert (edge_strength(-ramp)[:, 4:-4] == 0).all()
    turned = np.zeros((2, 40, 9), np.int8)
    turned[1] = -np.arange(40)[:, None] * 2
    np.testing.assert_array_equal(edge_strength(turned), edges.T)


def blobs(seed, sigma=1.0, side=64):
    rng = np.random.default_rng(seed)
    return label_mask(ndimage.gaussian_filter(rng.random((side, side)), sigma) > 0.5)


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


def label_each(labels):
    """Split every label into its 4-connected sets."""
    answer, total = np.zeros_like(labels), 0
    for number in np.unique(labels[labels > 0]):
        parts, count = label_mask(labels == number)
        answer[parts > 0] = parts[parts > 0] + total
        total += count
    return answer, total


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


def test_a_shape_without_area_becomes_empty():
    flat = np.array([shapely.Polygon([(0, 0), (1, 0), (2, 0)])], object)
    assert repaired(flat)[0].is_empty


def test_simplifying_stays_valid_and_near():
    labels, count = blobs(3, 2.0, 128)
    outlines = trace(labels, count).polygons
    simple = simplified(outlines, 0.75)
    assert shapely.is_valid(simple).all()
    assert (shapely.hausdorff_distance(outlines, simple) <= 0.75 + 1e-9).all()
    assert simplified(outlines, 0) is outlines
    coarse = simplified(outlines, 6)
    assert (shapely.is_valid(coarse) & ~shapely.is_empty(coarse)).all()


def test_moving_to_level_0():
    square = trace(np.ones((2, 3), np.int32), 1).polygons
    (there,) = window_to_level0(square, (10, 20), (2.0, 4.0), (100, 1000))
    # x: (20 .. 23) * 4 + 1000; y: (10 .. 12) * 2 + 100
    assert there.bounds == (1080, 120, 1092, 124)


def test_classes_are_weighed_by_np_and_sum_to_one():
    labels = np.array([[1, 1, 0], [2, 0, 0]], np.int32)
    np_map = np.array([[200, 100, 255], [50, 0, 0]], np.uint8)
    tp_map = np.zeros((2, 2, 3), np.uint8)
    tp_map[0, 0] = [255, 0, 9]
    tp_map[1, 0] = [0, 255, 9]
    contrast_map = np.zeros((2, 2, 3), np.int8)
    contrast_map[1, 0] = [127, -63, 99]
    sums = pixel_sums(Pixels.of(labels), 2, np_map, tp_map, contrast_map)
    assert sums.area_px.tolist() == [2, 1]
    np.testing.assert_allclose(sums.class_probabilities[0], [2 / 3, 1 / 3])
    np.testing.assert_allclose(sums.class_probabilities[1], [0.5, 0.5])  # no class was named
    np.testing.assert_allclose(sums.np_mean, [150 / 255, 50 / 255], rtol=1e-6)
    # Contrasts are weighed by `np` already; they are shares of the nucleus.
    np.testing.assert_allclose(sums.contrasts, [[0, 64 / 127 / (300 / 255)], [0, 0]], rtol=1e-6)


def test_measures_of_a_disc():
    labels = discs((101, 101), [(50, 50)], 30)
    np_map, tp_map = np.full((101, 101), 255, np.uint8), np.full((1, 101, 101), 255)
    sums = pixel_sums(Pixels.of(labels), 1, np_map, tp_map, np.empty((0, 101, 101), np.int8))
    assert sums.major_axis_px[0] == pytest.approx(60, rel=0.02)
    assert sums.minor_axis_px[0] == pytest.approx(60, rel=0.02)
    outlines = trace(labels, 1)
    assert outlines.perimeter_px[0] == pytest.approx(np.sqrt(4 * np.pi * sums.area_px[0]), rel=0.02)
    measured = shapes(simplified(outlines.polygons, 0.75), outlines.perimeter_px)
    assert measured.circularity[0] > 0.9
    assert measured.solidity[0] > 0.97


def test_small_nuclei_are_dropped_by_class_and_counted():
    labels = discs((40, 80), [(20, 20), (20, 60)], 6)
    np_map = ((labels > 0) * 255).astype(np.uint8)
    tp_map = np.stack([(labels == 1) * 255, (labels == 2) * 255]).astype(np.uint8)
    maps = WindowMaps(np.ones((42, 82), bool), np_map, perfect_hv(labels), tp_map)
    area = int((labels == 1).sum())
    components, count = label_mask(labels > 0)
    kept = nuclei_of(
        maps,
        Pixels.of(components),
        count,
        Constants(128, LIMIT, 4, np.array([area, area + 1]), 0, False, 0),
    )
    assert kept.class_code.tolist() == [0]
    assert kept.dropped.tolist() == [0, 1]
    assert shapely.area(kept.outlines.polygons).tolist() == [area]


@pytest.mark.parametrize(("least", "n_kept"), [(0.75, 2), (0.76, 1)])
def test_a_nucleus_that_is_unsure_on_the_mean_is_dropped(least, n_kept):
    labels = discs((40, 80), [(20, 20), (20, 60)], 10)
    np_map = np.choose(labels, [0, 255, 192]).astype(np.uint8)
    maps = WindowMaps(
        np.ones((42, 82), bool), np_map, perfect_hv(labels), np.full((1, 40, 80), 255, np.uint8)
    )
    kept = nuclei_of(
        maps,
        Pixels.of(labels),
        2,
        Constants(128, LIMIT, 4, np.array([1]), least, False, 0),
    )
    assert kept.np_mean.tolist() == pytest.approx([1, 192 / 255][:n_kept])
    assert kept.dropped.tolist() == [2 - n_kept]


@pytest.mark.parametrize(("column", "touches"), [(6, True), (7, False)])
def test_a_nucleus_at_the_end_of_the_tissue_is_marked(column, touches):
    labels = discs((40, 40), [(20, column + 10)], 10)
    tissue = np.zeros((42, 42), bool)
    tissue[1:-1, 7:-1] = True  # one pixel more on each side: analysed from column 6 on
    maps = WindowMaps(
        tissue,
        ((labels > 0) * 255).astype(np.uint8),
        perfect_hv(labels),
        np.zeros((1, 40, 40), np.uint8),
    )
    found = nuclei_of(
        maps, Pixels.of(labels > 0), 1, Constants(128, LIMIT, 4, np.array([1]), 0, False, 0)
    )
    assert found.at_edge.tolist() == [touches]

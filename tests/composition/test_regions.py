"""Who lies in which region, boundary included, against rules that know no geometry library."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import regions as module
from nucwsi.composition.regions import (
    Region,
    areas,
    geometries,
    grid_regions,
    owned_nuclei,
    shares_outside,
    slide_region,
    tissue_area,
    tissue_regions,
    without_ignored,
)

SIDE = 6

# A shape is a set of unit cells; [row, column] of the mask is the cell from (column, row).
cells = st.lists(st.integers(0, SIDE**2 - 1), min_size=1, max_size=24, unique=True).map(
    lambda chosen: np.isin(np.arange(SIDE**2), chosen).reshape(SIDE, SIDE)
)


def shape_of(mask):
    rows, columns = np.nonzero(mask)
    return shapely.union_all(shapely.box(columns, rows, columns + 1, rows + 1))


def region(geometry, name="a", region_class=""):
    return Region(name, name, region_class, "user", geometry)


def lattice(step=0.5):
    """All points of a grid finer than the cells, hence on their corners, sides and insides."""
    ticks = np.arange(-1, SIDE + 1 + step, step)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def on_cells(points, mask):
    """Tell which points lie in or on a chosen cell, looking at the four cells around each."""
    padded = np.pad(mask, 2)
    near = [np.floor(points + shift).astype(int) + 2 for shift in (-0.25, 0.25)]
    found = [padded[y[:, 1], x[:, 0]] for x in near for y in near]
    return np.any(found, axis=0)


def membership(points, regions):
    found = np.zeros((len(regions), len(points)), bool)
    found[tuple(owned_nuclei(points, regions))] = True
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(cells, min_size=1, max_size=4))
def test_regions_own_what_they_cover_boundary_included(masks):
    points = lattice()
    found = membership(points, [region(shape_of(mask)) for mask in masks])
    np.testing.assert_array_equal(found, [on_cells(points, mask) for mask in masks])


@settings(max_examples=40, deadline=None)
@given(cells, cells, cells)
def test_ignored_parts_are_cut_out_of_every_region(one, other, ignored):
    points = lattice()
    given_regions = [
        region(shape_of(one)),
        region(shape_of(ignored), region_class="Ignore*"),
        region(shape_of(other), region_class="Tumour"),
    ]
    kept = without_ignored(given_regions)
    assert [r.region_class for r in kept] == ["", "Tumour"]
    expected = [one & ~ignored, other & ~ignored]
    np.testing.assert_array_equal(
        membership(points, kept), [on_cells(points, mask) for mask in expected]
    )
    assert areas(kept).tolist() == [mask.sum() for mask in expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=3))
def test_triangles_own_by_integer_arithmetic(corners):
    a, b, c = np.array(corners)
    turn = np.cross(np.append(b - a, 0), np.append(c - a, 0))[2]
    if turn == 0:
        return
    points = np.stack(np.meshgrid(np.arange(9), np.arange(9)), axis=-1).reshape(-1, 2)
    sides = [
        (q - p)[0] * (points - p)[:, 1] - (q - p)[1] * (points - p)[:, 0]
        for p, q in ((a, b), (b, c), (c, a))
    ]
    expected = np.all(np.array(sides) * np.sign(turn) >= 0, axis=0)
    found = membership(points.astype(float), [region(shapely.Polygon(corners))])
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (4, 0), (4, 4), (0, 4)],
        [(0, 0), (0, 4), (4, 4), (4, 0)],
        [(0, 0), (4, 0), (4, 4), (4, 4)],
        [(0, 0), (4, 0), (4, 4), (2, 2)],
        [(0, 2), (2, 0), (4, 2), (2, 4)],
    ],
)
def test_only_upright_rectangles_are_taken_for_their_bounds(corners):
    shape = shapely.Polygon(corners)
    points = lattice()
    expected = shapely.intersects_xy(shape, *points.T)
    np.testing.assert_array_equal(membership(points, [region(shape)])[0], expected)


def test_a_region_around_all_nuclei_owns_all_of_them():
    points = lattice()
    around = shapely.box(-9, -9, 99, 99)
    ring = around - shapely.box(2.1, 2.1, 2.2, 2.2)
    found = membership(points, [region(around), region(ring), region(shapely.Polygon())])
    assert found.sum(axis=1).tolist() == [len(points), len(points), 0]
    assert membership(np.full((3, 2), 2.15), [region(around), region(ring)]).sum() == 3


def test_the_predicate_within_would_be_caught():
    square, corner = region(shapely.box(0, 0, 2, 2)), np.array([[2.0, 2.0], [1.0, 1.0]])
    assert membership(corner, [square]).all()
    assert shapely.contains_xy(square.geometry, *corner.T).sum() == 1


@pytest.mark.parametrize("corner", [(2.0, 2.0), (4.0, 2.0), (2.0, 4.0), (4.0, 4.0)])
def test_a_nucleus_alone_on_a_corner_is_owned(corner):
    """No other nucleus lies beyond it, so the bounds of all nuclei only touch the region."""
    tilted = shapely.Polygon([(2, 2), (4, 2), (4, 4), (3, 3.5), (2, 4)])
    assert membership(np.array([corner]), [region(shapely.box(2, 2, 4, 4)), region(tilted)]).all()


def test_nothing_in_nothing_out():
    none = np.array([], dtype=object)
    assert owned_nuclei(np.empty((0, 2)), [slide_region((0, 0, 1, 1))]).shape == (2, 0)
    assert owned_nuclei(np.ones((1, 2)), []).shape == (2, 0)
    assert areas([]).shape == tissue_area(none, []).shape == (0,)
    assert tissue_area(geometries([slide_region((0, 0, 1, 1))]), []).tolist() == [0]
    assert without_ignored([]) == tissue_regions([]) == grid_regions((0, 0, 9, 9), (3, 3), []) == []


def test_a_region_wholly_ignored_stays_and_is_empty():
    square = shapely.box(0, 0, 2, 2)
    [left] = without_ignored([region(square), region(square, region_class="Ignore*")])
    assert left.geometry.is_empty
    assert membership(np.ones((1, 2)), [left]).sum() == 0
    assert tissue_area(geometries([left]), [square]).tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(st.lists(cells, min_size=1, max_size=4), cells)
def test_tissue_area_counts_shared_cells_however_the_shapes_are_cut(masks, tissue):
    shapes = np.array([shape_of(mask) for mask in masks], dtype=object)
    pieces = shapely.get_parts(shape_of(tissue)).tolist()
    expected = [(mask & tissue).sum() for mask in masks]
    assert tissue_area(shapes, pieces).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_VERTICES", 6)
        assert tissue_area(shapes, pieces).tolist() == expected


def test_tissue_area_of_an_outline_with_many_vertices():
    disc = shapely.Point(500, 500).buffer(400, quad_segs=2000)
    half = shapely.box(500, 0, 1000, 1000)
    found = tissue_area(np.array([disc, half], dtype=object), [disc])
    np.testing.assert_allclose(found, [disc.area, disc.area / 2], rtol=1e-9)


def test_pieces_are_numbered_by_size():
    small, large = shapely.box(0, 0, 1, 1), shapely.box(5, 5, 9, 9)
    found = tissue_regions([small, large])
    assert [(r.id, r.source, r.geometry) for r in found] == [
        ("tissue_001", "tissue", large),
        ("tissue_002", "tissue", small),
    ]


def test_grid_keeps_whole_squares_that_hold_tissue():
    tissue = [shapely.box(10, 20, 15, 25), shapely.box(34, 20, 36, 22)]
    # The tissue ends on x = 15: the square that only touches it there is dropped.
    found = grid_regions((5, 20, 37, 40), (10, 5), tissue)
    assert [r.id for r in found] == ["grid_r001_c001", "grid_r001_c003", "grid_r001_c004"]
    assert found[0].geometry.bounds == (5, 20, 15, 25)
    assert found[-1].geometry.bounds == (35, 20, 45, 25)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.3, 7), st.floats(0.3, 7), st.lists(st.tuples(*[st.floats(0, 9)] * 2), min_size=1)
)
def test_no_nucleus_falls_between_the_squares(width, height, points):
    grid = grid_regions((0, 0, 9, 9), (width, height), [shapely.box(0, 0, 9, 9)])
    assert (membership(np.array(points), grid).sum(axis=0) >= 1).all()


def test_the_share_outside_is_that_of_the_area():
    shapes = [shapely.box(0, 0, 4, 4), shapely.box(3, 0, 7, 4), shapely.box(9, 9, 10, 10)]
    ring = shapely.box(-4, -4, 8, 8) - shapely.box(0, 0, 4, 4)
    found = shares_outside([region(shape) for shape in [*shapes, ring]], (0, 0, 4, 4))
    assert found.tolist() == [0, 0.75, 1, 1]
    assert shares_outside([], (0, 0, 4, 4)).tolist() == []

"""Cells of nuclei: pixels are those whose middle lies within, wherever the nucleus lies."""

import numpy as np
import pytest
import shapely
from shapely.affinity import translate

from nucwsi.features.cells import LARGEST_PX, Pixels, cells_around, cut_out, filled, nuclei, reach


def blobs(n, seed=0):
    """Star-shaped outlines of random size, with corners on a grid of 0.02 px."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    made = []
    for _ in range(n):
        radius = rng.uniform(2, 15) * rng.uniform(0.6, 1.2, 24)
        xy = rng.uniform(40, 160, 2) + radius[:, None] * np.c_[np.cos(angle), np.sin(angle)]
        made.append(shapely.Polygon(np.round(xy * 50) / 50))
    return np.array(made, object)


def pixels_of(mask, corner):
    rows, columns = np.nonzero(mask)
    return {
        (r + corner[0], c + corner[1]) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
    }


def test_a_pixel_belongs_to_an_outline_that_holds_its_middle():
    shapes = blobs(20)
    for cells in cells_around(shapes, 3):
        masks = filled(shapes[cells.outline], cells)
        for at, mask, corner in zip(cells.outline, masks, cells.corner.tolist(), strict=True):
            r, c = np.indices(mask.shape)
            x, y = c + corner[1] + 0.5, r + corner[0] + 0.5
            np.testing.assert_array_equal(mask, shapely.contains_xy(shapes[at], x, y))


def test_holes_and_further_parts_are_seen():
    ring = shapely.box(10, 10, 30, 30) - shapely.box(15, 15, 25, 25)
    shape = np.array([shapely.union(ring, shapely.box(34, 10, 38, 14))], object)
    (cells,) = cells_around(shape, 2)
    assert filled(shape, cells).sum() == 400 - 100 + 16


def test_each_outline_has_one_cell_with_its_margin():
    shapes = blobs(50)
    found = [(at, *box) for cells in cells_around(shapes, 7) for at, box in boxes(cells)]
    assert sorted(at for at, *_ in found) == list(range(50))
    for at, top, left, side in found:
        low, high = shapes[at].bounds[:2], shapes[at].bounds[2:]
        assert left + 7 <= low[0]
        assert top + 7 <= low[1]
        assert left + side >= high[0] + 7
        assert top + side >= high[1] + 7


def boxes(cells):
    for at, corner in zip(cells.outline.tolist(), cells.corner.tolist(), strict=True):
        yield at, (*corner, cells.side_px)


def test_the_cell_of_an_outline_depends_on_nothing_else():
    shapes = blobs(30)
    alone = np.concatenate([reach(shapes[k : k + 1], 5) for k in range(30)])
    np.testing.assert_array_equal(reach(shapes, 5), alone)


def test_only_the_middle_of_a_giant_is_seen():
    giant = np.array([shapely.box(0, 0, 4000, 3000)], object)
    (cells,) = cells_around(giant, 10)
    assert cells.side_px == LARGEST_PX
    assert filled(giant, cells).all()


@pytest.mark.parametrize("step", [(0, 0), (37, 0), (1000, 4000)])
def test_a_nucleus_has_the_same_pixels_wherever_it_lies(step):
    shapes = blobs(10)
    moved = np.array([translate(shape, *step) for shape in shapes], object)
    found = {}
    for name, some in (("here", shapes), ("there", moved)):
        for cells in cells_around(some, 4):
            for at, mask, corner in zip(
                cells.outline, filled(some[cells.outline], cells), cells.corner, strict=True
            ):
                found[name, int(at)] = pixels_of(mask, corner)
    for at in range(10):
        shifted = {(r + step[1], c + step[0]) for r, c in found["here", at]}
        assert found["there", at] == shifted


def test_a_speck_has_one_pixel():
    specks = np.array([shapely.box(7.6, 9.1, 7.9, 9.3), shapely.box(20, 20, 24, 24)], object)
    (cells,) = cells_around(specks, 3)
    masks = nuclei(specks, cells)
    assert masks.sum(axis=(1, 2)).tolist() == [1, 16]
    assert pixels_of(masks[0], cells.corner[0].tolist()) == {(9, 7)}


def test_pixels_are_cut_out_where_they_are_and_none_is_seen_beyond_the_image():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), np.uint8)
    shapes = np.array([shapely.box(2, 1, 9, 8), shapely.box(70, 50, 78, 58)], object)
    for cells in cells_around(shapes, 12):
        pixels, seen = cut_out(image, (0, 0), cells)
        for one, there, (top, left) in zip(pixels, seen, cells.corner.tolist(), strict=True):
            rows, columns = np.nonzero(there)
            np.testing.assert_array_equal(one[rows, columns], image[rows + top, columns + left])
            inside = shapely.box(0, 0, 80, 60) & shapely.box(left, top, left + 32, top + 32)
            assert there.sum() == inside.area


def test_means_are_those_of_each_cell():
    mask = np.zeros((3, 4, 4), bool)
    mask[0, 1, 1:3] = mask[2, 0, 0] = True
    values = np.arange(48.0).reshape(3, 4, 4)
    listed = Pixels.of(mask)
    assert listed.size.tolist() == [2, 0, 1]
    assert listed.mean_of(values).tolist() == [5.5, 0, 32]

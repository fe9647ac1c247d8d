"""Density maps: right inside and at the edge of the tissue, and laid where the nuclei lie."""

import numpy as np
import pytest
import shapely

from nucwsi.grid import Frame
from nucwsi.report.density import density_cell_um, density_maps, slide_density, tissue_mask


def test_densities_are_right_inside_and_at_the_edge():
    rng = np.random.default_rng(0)
    tissue = np.zeros((80, 100), bool)
    tissue[:, :60] = True
    row, column = rng.uniform(0, 80, 40000), rng.uniform(0, 60, 40000)
    code = (rng.random(40000) < 0.25).astype(np.uint8)
    maps = density_maps(row, column, code, 2, tissue, cell_um=25.0)
    expected = 40000 / (80 * 60 * 0.025**2)
    assert maps.shape == (2, 80, 100)
    assert np.isnan(maps[:, ~tissue]).all()
    np.testing.assert_allclose(maps.sum(axis=0)[tissue].mean(), expected, rtol=0.01)
    np.testing.assert_allclose(np.nanmean(maps[1] / maps.sum(axis=0)), 0.25, atol=0.01)
    edge = maps.sum(axis=0)[:, 58:60].mean()
    np.testing.assert_allclose(edge, expected, rtol=0.1, err_msg="the edge must not look sparse")


def test_tissue_is_laid_on_cells():
    mask = tissue_mask(np.array([shapely.box(32, 16, 64, 48)], object), (4, 5), 16)
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert not tissue_mask(np.empty(0, object), (4, 5), 16).any()


def test_cells_grow_with_the_slide_but_never_shrink_below_25_um():
    assert density_cell_um((1000, 40000), 0.5, 400) == 50
    assert density_cell_um((1000, 4000), 0.5, 400) == 25


@pytest.mark.parametrize("mpp", [0.35, 0.5])
def test_the_map_of_a_slide_holds_its_nuclei_where_they_lie(mpp):
    """At any mpp: 200 nuclei on 0.25 mm² of tissue, all in the left half."""
    side = round(1000 / mpp)
    frame = Frame((side // 2, side), mpp, (mpp, mpp), (0.0, 0.0), (side // 2, side))
    rng = np.random.default_rng(0)
    row, column = rng.uniform(0, 500 / mpp, 200), rng.uniform(0, 500 / mpp, 200)
    pieces = np.array([shapely.box(0, 0, 500 / mpp, 500 / mpp)], object)
    maps, cell_um = slide_density(row, column, np.zeros(200, np.uint8), 1, pieces, frame, 400)
    assert cell_um == 25
    assert maps.shape == (1, 20, 40)
    assert np.isnan(maps[0, :, 21:]).all()
    np.testing.assert_allclose(np.nanmean(maps), 200 / 0.25, rtol=0.1)

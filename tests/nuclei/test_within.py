"""Nuclei of regions: kept by their centroid, and doubtful where their clump is cut off."""

import numpy as np
import shapely

from nucwsi.grid import Frame, Window
from nucwsi.nuclei.pixels import connected
from nucwsi.nuclei.within import REGION_MARGIN_UM, Within

#: Canvas and level 0 of one size, 1 µm a pixel; level 0 begins at the canvas' corner.
FRAME = Frame((1000, 1000), 1.0, (1.0, 1.0), (0.0, 0.0), (1000, 1000))
REGION = shapely.box(100, 100, 300, 300)


def test_a_nucleus_belongs_to_the_area_that_covers_its_centroid_boundary_included():
    within = Within(REGION, FRAME)
    held = within.holds(np.array([100.0, 300.0, 300.1, 200.0]), np.array([100.0, 300.0, 200, 99.9]))
    assert held.tolist() == [True, True, False, False]


def cut_off(mask, tissue, window):
    components, count = connected(mask)
    return Within(REGION, FRAME).cut_off(components, count, tissue, window).tolist()


def test_a_clump_is_cut_off_where_the_analysis_ends_far_from_the_regions():
    """It ends at column 364; two clumps reach that end, one of them where the tissue ends, too."""
    end = 300 + int(REGION_MARGIN_UM)
    window = Window(90, 250, 300, 200)
    mask = np.zeros(window.shape, bool)
    mask[10:20, 20 : end - 250] = True  # from the region to the end of what was analysed
    mask[40:50, 20:60] = True  # ends by itself
    mask[80:90, 20:60] = True  # ends where the tissue ends, near the region
    tissue = np.zeros((302, 202), bool)
    tissue[:, : end - 250 + 1] = True
    tissue[75:95, 61:] = False
    assert cut_off(mask, tissue, window) == [False, True, False, False]
    assert cut_off(mask, tissue | True, window) == [False] * 4

"""The nuclei of a window: kept, dropped, marked at the edge, and owned by one block."""

import numpy as np
import pytest
import shapely
from instances_made import LIMIT, discs, label_mask, perfect_hv

from nucwsi.grid import Window
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.pixels import Pixels
from nucwsi.nuclei.window import WindowMaps, nuclei_of


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
        PixelConstants(128, LIMIT, 4, np.array([area, area + 1]), 0, False, 0),
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
        PixelConstants(128, LIMIT, 4, np.array([1]), least, False, 0),
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
        maps, Pixels.of(labels > 0), 1, PixelConstants(128, LIMIT, 4, np.array([1]), 0, False, 0)
    )
    assert found.at_edge.tolist() == [touches]


def test_blocks_that_partition_a_window_return_each_nucleus_once():
    labels = discs((60, 200), [(30, 20 + 22 * k) for k in range(7)], 12)
    np_map = ((labels > 0) * 255).astype(np.uint8)
    maps = WindowMaps(
        np.ones((62, 202), bool), np_map, perfect_hv(labels), np.full((1, 60, 200), 255, np.uint8)
    )
    constants = PixelConstants(128, LIMIT, 4, np.array([1]), 0, True, 0)
    components, count = label_mask(labels > 0)

    def owners(block):
        return nuclei_of(maps, Pixels.of(components), count, constants, block).first_px.tolist()

    whole = owners(None)
    blocks = Window(0, 0, 60, 200).cut(29, 50)
    assert sorted(first for block in blocks for first in owners(block)) == sorted(whole)
    assert len(whole) == 7

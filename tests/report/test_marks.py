"""What the overview marks: folds are found and drawn where they lie, nothing is on clean slides."""

import numpy as np
import pytest
from shown import polygons_of

from nucwsi.report import marks
from nucwsi.report.marks import fold_mask, large_parts, mark_of

CELL_UM = 8.0


def tissue_overview(seed=0):
    """Pale stroma with a dense tumour in it: much haematoxylin, no more eosin than elsewhere."""
    rng = np.random.default_rng(seed)
    shape = (150, 200)
    haematoxylin, eosin = np.full(shape, 0.25), np.full(shape, 0.5)
    haematoxylin[20:60, 20:90] = 0.9
    eosin[100:130, 20:90] = 1.4  # blood
    both = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    density = np.stack([haematoxylin, eosin], -1) + rng.normal(0, 0.02, (*shape, 2))
    return density, both


def painted(density, both):
    return (255 * np.exp(-density @ both)).clip(0, 255).astype(np.uint8)


def test_a_fold_is_found_and_dense_tumour_and_blood_are_not():
    density, both = tissue_overview()
    tissue = np.ones(density.shape[:2], bool)
    assert not large_parts(fold_mask(painted(density, both), tissue), CELL_UM).any()
    density[70:80, 100:190] *= 2.2
    found = large_parts(fold_mask(painted(density, both), tissue), CELL_UM)
    fold = np.zeros_like(found)
    fold[70:80, 100:190] = True
    assert (found & fold).sum() > 0.9 * fold.sum()
    assert not (found & ~fold).any()
    assert not fold_mask(painted(density, both), ~tissue).any()


def test_a_fold_is_the_same_however_many_colours_are_taken_apart_at_once(monkeypatch):
    density, both = tissue_overview()
    density[70:80, 100:190] *= 2.2
    image, tissue = painted(density, both), np.ones(density.shape[:2], bool)
    whole = fold_mask(image, tissue)
    monkeypatch.setattr(marks, "_AT_ONCE", 999)
    np.testing.assert_array_equal(fold_mask(image, tissue), whole)


def test_what_is_smaller_than_a_fold_is_left_out():
    mask = np.zeros((100, 100), bool)
    mask[10:26, 10:26] = True  # 0.016 mm²
    assert not large_parts(mask, CELL_UM).any()
    mask[50:70, 50:66] = True  # 0.020 mm²
    kept = large_parts(mask, CELL_UM)
    assert kept.sum() == 320
    assert kept[55, 55]


def test_a_mark_lies_on_the_overview_where_its_cells_are():
    mask = np.zeros((40, 50), bool)
    mask[10:20, 5:15] = mask[30:32, 40:42] = True
    mark = mark_of("fold", mask, CELL_UM, 4.0)
    assert mark.area_mm2 == pytest.approx(104 * 64e-6)
    shapes = sorted(polygons_of(mark.d), key=lambda shape: shape.area)
    assert [shape.bounds for shape in shapes] == [(80, 60, 84, 64), (10, 20, 30, 40)]
    assert mark_of("fold", np.zeros((4, 4), bool), CELL_UM, 4.0) is None

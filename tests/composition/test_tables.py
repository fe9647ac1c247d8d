"""The tables of a slide: which rows they have, by hand on six nuclei."""

import numpy as np
import pytest
import shapely

from nucwsi.composition.counts import Population
from nucwsi.composition.regions import Region, owned_nuclei
from nucwsi.composition.tables import RegionTables

#: x and y; the last nucleus has no class.
POINTS = np.array([(10, 10), (14, 10), (40, 10), (44, 10), (48, 10), (90, 90)], float)
CODES = np.array([0, 0, 1, 1, 1, 2], np.uint8)


@pytest.fixture
def tables():
    regions = [
        Region("slide", "slide", "Slide", "slide", shapely.box(0, 0, 100, 100)),
        Region("region_001", "left", "Tumour", "user", shapely.box(0, 0, 30, 30)),
        Region("grid_r001_c001", "grid_r001_c001", "Grid", "grid", shapely.box(0, 0, 50, 50)),
        Region("region_002", "empty", "", "user", shapely.box(60, 0, 70, 10)),
    ]
    nuclei = Population(
        CODES,
        np.eye(3, 2, dtype=np.float32)[CODES],
        {"area_um2": np.array([10, 20, 30, 40, 50, 60], np.float32)},
        np.empty((6, 0), np.float32),
    )
    return RegionTables(regions, owned_nuclei(POINTS, regions), nuclei, ("a", "b"), {"b": 0.5})


def test_the_composition_has_a_row_for_each_region_in_mm2(tables):
    columns = tables.composition([shapely.box(0, 0, 15, 100)], px_um2=0.25)
    assert columns["region_name"].tolist() == ["slide", "left", "grid_r001_c001", "empty"]
    assert columns["region_class"].tolist() == ["Slide", "Tumour", "Grid", ""]
    np.testing.assert_allclose(columns["area_mm2"] / 0.25e-6, [1e4, 900, 2500, 100])
    np.testing.assert_allclose(columns["tissue_area_mm2"] / 0.25e-6, [1500, 450, 750, 0])
    assert columns["n_nuclei"].tolist() == [6, 2, 5, 0]
    assert columns["n_a"].tolist() == [2, 2, 2, 0]
    assert columns["n_unclassified"].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(columns["b_per_mm2"][:3] * 0.25e-6, [3 / 1500, 0, 3 / 750])


def test_a_class_without_an_error_of_counts_has_none(tables):
    columns = tables.composition([], px_um2=1.0)
    assert columns["a_low"].tolist() == columns["a_high"].tolist() == [2, 2, 2, 0]
    # 1.96 standard deviations of half of six nuclei around three.
    assert (columns["b_low"][0], columns["b_high"][0]) == (0, 9)


def test_squares_of_the_grid_have_no_details(tables):
    details = tables.morphometry()
    rows = zip(details["region_name"], details["class"], details["n"], details["mean"], strict=True)
    assert list(rows) == [("slide", "a", 2, 15), ("slide", "b", 3, 40), ("left", "a", 2, 15)]


def test_every_region_but_the_grid_has_each_pair_of_classes(tables):
    columns = tables.neighbours(POINTS * 0.5, radius_um=2.0)
    rows = zip(
        *(columns[name] for name in ("region_name", "class_a", "class_b", "n_pairs")), strict=True
    )
    pairs = [("a", "a"), ("a", "b"), ("b", "b")]
    counts = {"slide": [1, 0, 2], "left": [1, 0, 0], "empty": [0, 0, 0]}
    assert list(rows) == [
        (name, *pair, n)
        for name, numbers in counts.items()
        for pair, n in zip(pairs, numbers, strict=True)
    ]
    # Three edges among five nuclei: 3 * (2 * 1) / (5 * 4), 3 * 2 * (2 * 3) / 20, 3 * (3 * 2) / 20.
    np.testing.assert_allclose(columns["expected"][:3], [0.3, 1.8, 0.9])
    assert columns["z"][0] > 0 > columns["z"][1]
    assert np.isnan(columns["z"][3:]).all(), "one class, or no nucleus: nothing can vary"

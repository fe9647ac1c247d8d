"""The tables of a slide: which rows they have, by hand on six nuclei."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from nucwsi.composition.counts import Population
from nucwsi.composition.intervals import CountError
from nucwsi.composition.look import Look
from nucwsi.composition.membership import Membership
from nucwsi.composition.regions import Region, geometries, owned_nuclei, tissue_area
from nucwsi.composition.tables import RegionTables
from nucwsi.nuclei.domain import Domain

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
        dict(zip(("a", "b"), np.eye(3, 2, dtype=np.float32)[CODES].T, strict=True)),
        {"area_um2": np.array([10, 20, 30, 40, 50, 60], np.float32)},
        {},
    )
    error = CountError.of(("a", "b"), {"b": 0.5})
    return RegionTables(regions, held_by(regions, POINTS), nuclei, ("a", "b"), error)


def held_by(regions, points):
    return Membership.of([owned_nuclei(points, regions)], len(regions))


def test_the_composition_has_a_row_for_each_region_in_mm2(tables):
    columns = tables.composition(
        tissue_area(geometries(tables.regions), [shapely.box(0, 0, 15, 100)]), px_um2=0.25
    )
    assert columns["region_name"].tolist() == ["slide", "left", "grid_r001_c001", "empty"]
    assert columns["region_class"].tolist() == ["Slide", "Tumour", "Grid", ""]
    np.testing.assert_allclose(columns["area_mm2"] / 0.25e-6, [1e4, 900, 2500, 100])
    np.testing.assert_allclose(columns["tissue_area_mm2"] / 0.25e-6, [1500, 450, 750, 0])
    assert columns["n_nuclei"].tolist() == [6, 2, 5, 0]
    assert columns["n_a"].tolist() == [2, 2, 2, 0]
    assert columns["n_unclassified"].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(columns["b_per_mm2"][:3] * 0.25e-6, [3 / 1500, 0, 3 / 750])


def test_a_class_without_an_error_of_counts_has_none(tables):
    columns = tables.composition(np.zeros(4), px_um2=1.0)
    assert columns["a_low"].tolist() == columns["a_high"].tolist() == [2, 2, 2, 0]
    # 2.306 standard deviations of half of six nuclei around three.
    assert (columns["b_low"][0], columns["b_high"][0]) == (0, 10)


def test_of_what_is_not_known_a_slide_is_neither_in_nor_out_of_domain(tables):
    assert tables.out_of_domain() is None
    columns = tables.composition(np.zeros(4), px_um2=1.0)
    assert columns["out_of_domain"].tolist() == [""] * 4
    assert np.isnan(columns["domain_distance"]).all()


def test_the_slide_and_each_region_have_a_distance_of_their_own(tables):
    """Twenty large nuclei lie in one region, twenty small ones elsewhere on the slide."""
    points = np.concatenate([np.full((20, 2), 10.0), np.full((20, 2), 80.0)])
    area = np.repeat([200.0, 20.0], 20).astype(np.float32)
    nuclei = Population(
        np.zeros(40, np.uint8), dict.fromkeys("ab", np.ones(40, np.float32)), {"area_um2": area}, {}
    )
    mean = (np.log(0.9), 1 / 3, 1 / 3, float(np.log(20)), 0.0, float(np.log(0.01)))
    domain = Domain(mean, tuple(map(tuple, np.eye(6).tolist())), 2.0)
    look = Look(domain, (10, 3000, 3000, 3000), np.ones(40))
    told = tables._replace(nuclei=nuclei, membership=held_by(tables.regions, points), look=look)
    columns = told.composition(np.zeros(4), px_um2=1.0)
    # Ten times the area: 2.3 in logarithms, of which the limit is 2; half of them on the slide.
    away = np.log(10)
    expected = [np.hypot(away / 2, away / 2) / 2, away / 2, away / 2, np.nan]
    np.testing.assert_allclose(columns["domain_distance"], expected, rtol=1e-6)
    assert columns["out_of_domain"].tolist() == ["no", "yes", "yes", ""]
    assert told.out_of_domain() is None
    smaller = told._replace(look=look._replace(domain=replace(domain, limit=1.0)))
    assert "out of domain: its nuclei lie 1.6 times as far" in smaller.out_of_domain()
    assert "above all in size" in smaller.out_of_domain()


def test_squares_of_the_grid_have_no_details(tables):
    details = tables.morphometry()
    rows = zip(details["region_name"], details["class"], details["n"], details["mean"], strict=True)
    assert list(rows) == [("slide", "a", 2, 15), ("slide", "b", 3, 40), ("left", "a", 2, 15)]


def test_every_region_but_the_grid_has_each_pair_of_classes(tables):
    columns = tables.neighbours([lambda: POINTS * 0.5], radius_um=2.0)
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

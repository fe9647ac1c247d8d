"""The columns of a composition against loops over the nuclei of each region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import Population, composition

CONIC = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
COARSE = ("epithelial", "spindle", "other")


def population(codes, n_classes, areas=None, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.asarray(codes, np.uint8)
    return Population(
        codes,
        rng.dirichlet(np.ones(n_classes), len(codes)).astype(np.float32),
        rng.uniform(5, 90, len(codes)).astype(np.float32) if areas is None else np.float32(areas),
    )


def pairs_of(membership):
    return np.array(np.nonzero(membership), np.int64)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 10**6))
def test_columns_equal_a_loop_over_regions(n_nuclei, n_regions, seed):
    rng = np.random.default_rng(seed)
    nuclei = population(rng.integers(0, 6, n_nuclei), 6, seed=seed)
    membership = rng.random((n_regions, n_nuclei)) < rng.uniform(0, 1, (n_regions, 1))
    tissue = rng.choice([0.0, 0.5, 2.0], n_regions)
    found = composition(pairs_of(membership), nuclei, CONIC, tissue)
    for index, members in enumerate(membership):
        codes, total = nuclei.class_code[members], members.sum()
        assert found["n_nuclei"][index] == total == sum(found[f"n_{n}"][index] for n in CONIC)
        for code, name in enumerate(CONIC):
            count = (codes == code).sum()
            assert found[f"n_{name}"][index] == count
            fraction = count / total if total else np.nan
            density = count / tissue[index] if tissue[index] else np.nan
            sizes = nuclei.area_um2[members][codes == code].astype(float)
            p = nuclei.class_probabilities[members, code].astype(float)
            half = 1.959964 * np.sqrt((p * (1 - p)).sum())
            for column, expected in {
                f"frac_{name}": fraction,
                f"{name}_per_mm2": density,
                f"{name}_area_um2_median": np.median(sizes) if count else np.nan,
                f"expected_{name}": p.sum(),
                f"{name}_low": max(0, p.sum() - half),
                f"{name}_high": min(total, p.sum() + half),
            }.items():
                np.testing.assert_allclose(found[column][index], expected, rtol=1e-9, atol=1e-12)


def test_known_medians_ratios_and_shares():
    codes = [0, 2, 2, 1, 1, 1]
    nuclei = population(codes, 6, areas=[7, 10, 20, 30, 1, 5])
    found = composition(pairs_of(np.ones((1, 6))), nuclei, CONIC, np.array([0.5]))
    assert found["neutrophil_area_um2_median"] == 7
    assert found["lymphocyte_area_um2_median"] == 15
    assert found["epithelial_area_um2_median"] == 5
    assert np.isnan(found["plasma_area_um2_median"])
    assert found["neutrophil_lymphocyte_ratio"] == 0.5
    assert found["lymphocyte_epithelial_ratio"] == pytest.approx(2 / 3)
    assert found["immune_fraction"] == 0.5
    assert found["lymphocyte_per_mm2"] == 4


def test_nothing_is_undefined_or_zero_never_infinite():
    nuclei = population([], 6)
    found = composition(np.empty((2, 0), np.int64), nuclei, CONIC, np.array([0.0, 1.0]))
    for name, values in found.items():
        undefined = name.startswith("frac_") or "ratio" in name or "median" in name
        expected = [np.nan] * 2 if undefined or name == "immune_fraction" else [0, 0]
        if name.endswith("_per_mm2"):
            expected = [np.nan, 0]
        np.testing.assert_array_equal(values, expected, err_msg=name)


def test_columns_follow_the_classes_that_exist():
    found = composition(pairs_of(np.ones((1, 2))), population([0, 2], 3), COARSE, np.ones(1))
    assert [name for name in found if name.startswith("n_")] == [
        "n_nuclei",
        "n_epithelial",
        "n_spindle",
        "n_other",
    ]
    assert not [name for name in found if "ratio" in name or "immune" in name]
    mixed = composition(
        pairs_of(np.ones((1, 2))), population([0, 1], 2), ("inflammatory", "other"), np.ones(1)
    )
    assert mixed["immune_fraction"] == 0.5


def test_the_interval_covers_a_drawn_count_19_times_in_20():
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(2), 400).astype(np.float32)
    nuclei = Population(p.argmax(axis=1).astype(np.uint8), p, np.ones(400, np.float32))
    found = composition(pairs_of(np.ones((1, 400))), nuclei, ("other", "spindle"), np.ones(1))
    drawn = (rng.random((4000, 400)) < p[:, 0]).sum(axis=1)
    covered = ((drawn >= found["other_low"]) & (drawn <= found["other_high"])).mean()
    assert 0.93 < covered < 0.97


def test_certain_nuclei_leave_no_interval():
    p = np.float32([[1, 0], [1, 0], [0, 1]])
    nuclei = Population(np.uint8([0, 0, 1]), p, np.ones(3, np.float32))
    found = composition(pairs_of(np.ones((1, 3))), nuclei, ("other", "spindle"), np.ones(1))
    for name, n in (("other", 2), ("spindle", 1)):
        columns = (f"expected_{name}", f"{name}_low", f"{name}_high")
        assert [found[column][0] for column in columns] == [n] * 3

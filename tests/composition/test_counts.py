"""The columns of a composition against loops over the nuclei of each region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition.counts import Population, composition, morphometry
from nucwsi.composition.intervals import CountError
from nucwsi.composition.membership import Membership
from nucwsi.nuclei.miscount import Miscount

CONIC = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
COARSE = ("epithelial", "spindle", "other")


def population(codes, n_classes, areas=None, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.asarray(codes, np.uint8)
    return Population(
        codes,
        dict(enumerate(rng.dirichlet(np.ones(n_classes), len(codes)).astype(np.float32).T)),
        {
            "area_um2": np.float32(rng.uniform(5, 90, len(codes)) if areas is None else areas),
            "solidity": rng.random(len(codes)).astype(np.float32),
        },
        {},
    )


def no_error(classes):
    return CountError.of(classes, {})


def members_of(membership):
    return Membership.of([np.array(np.nonzero(membership), np.int64)], len(membership))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 10**6))
def test_columns_equal_a_loop_over_regions(n_nuclei, n_regions, seed):
    rng = np.random.default_rng(seed)
    # One more than there are classes: without a class.
    nuclei = population(rng.integers(0, 7, n_nuclei), 6, seed=seed)
    membership = rng.random((n_regions, n_nuclei)) < rng.uniform(0, 1, (n_regions, 1))
    tissue = rng.choice([0.0, 0.5, 2.0], n_regions)
    found = composition(members_of(membership), nuclei, CONIC, tissue, no_error(CONIC))
    for index, members in enumerate(membership):
        codes, total = nuclei.class_code[members], members.sum()
        every = [*CONIC, "unclassified"]
        assert found["n_nuclei"][index] == total == sum(found[f"n_{n}"][index] for n in every)
        for code, name in enumerate(CONIC):
            count = (codes == code).sum()
            assert found[f"n_{name}"][index] == count
            fraction = count / total if total else np.nan
            density = count / tissue[index] if tissue[index] else np.nan
            sizes = nuclei.features["area_um2"][members][codes == code].astype(float)
            p = nuclei.class_probabilities[code][members].astype(float)
            for column, expected in {
                f"frac_{name}": fraction,
                f"{name}_per_mm2": density,
                f"{name}_area_um2_median": np.median(sizes) if count else np.nan,
                f"expected_{name}": p.sum(),
            }.items():
                np.testing.assert_allclose(found[column][index], expected, rtol=1e-9, atol=1e-12)


def test_known_medians_ratios_and_shares():
    codes = [0, 2, 2, 1, 1, 1]
    nuclei = population(codes, 6, areas=[7, 10, 20, 30, 1, 5])
    found = composition(
        members_of(np.ones((1, 6))), nuclei, CONIC, np.array([0.5]), no_error(CONIC)
    )
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
    found = composition(
        members_of(np.ones((2, 0))), nuclei, CONIC, np.array([0.0, 1.0]), no_error(CONIC)
    )
    assert found.pop("out_of_domain").tolist() == ["", ""]
    for name, values in found.items():
        undefined = name.startswith("frac_") or "ratio" in name or "median" in name
        undefined |= name == "domain_distance"
        expected = [np.nan] * 2 if undefined or name == "immune_fraction" else [0, 0]
        if name.endswith("_per_mm2"):
            expected = [np.nan, 0]
        np.testing.assert_array_equal(values, expected, err_msg=name)


def test_columns_follow_the_classes_that_exist():
    found = composition(
        members_of(np.ones((1, 2))), population([0, 2], 3), COARSE, np.ones(1), no_error(COARSE)
    )
    assert [name for name in found if name.startswith("n_")] == [
        "n_nuclei",
        "n_epithelial",
        "n_spindle",
        "n_other",
        "n_unclassified",
    ]
    assert not [name for name in found if "ratio" in name or "immune" in name]
    mixed = composition(
        members_of(np.ones((1, 2))),
        population([0, 1], 2),
        ("inflammatory", "other"),
        np.ones(1),
        no_error(("inflammatory", "other")),
    )
    assert mixed["immune_fraction"] == 0.5


def test_intervals_hold_what_is_expected():
    nuclei = population(np.random.default_rng(0).integers(0, 6, 300), 6)
    found = composition(
        members_of(np.ones((1, 300))), nuclei, CONIC, np.array([0.5]), no_error(CONIC)
    )
    for name in CONIC:
        assert found[f"{name}_low"] < found[f"expected_{name}"] < found[f"{name}_high"]
    error = CountError.of(CONIC, {"neutrophil": 0.5, "lymphocyte": 0.01})
    wide = composition(members_of(np.ones((1, 300))), nuclei, CONIC, np.array([0.5]), error)
    assert wide["neutrophil_high"] > wide["expected_neutrophil"] + 2.3 * 0.5 * 300
    assert wide["neutrophil_low"] == 0
    assert wide["lymphocyte_high"] >= found["lymphocyte_high"]
    for name in (
        set(found)
        - {"neutrophil_low", "neutrophil_high"}
        - {f"lymphocyte_{end}" for end in ("low", "high")}
    ):
        np.testing.assert_array_equal(wide[name], found[name])


def test_morphometry_has_a_row_for_all_that_exists():
    nuclei = population([0, 1, 1, 2], 2, areas=[10, 20, 40, 99])
    membership = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 0]])
    found = morphometry(members_of(membership), nuclei, ("other", "spindle"))
    rows = list(zip(found["region"], found["class"], found["feature"], found["n"], strict=True))
    assert rows == [
        (0, "other", "area_um2", 1),
        (0, "other", "solidity", 1),
        (0, "spindle", "area_um2", 2),
        (0, "spindle", "solidity", 2),
        (2, "spindle", "area_um2", 1),
        (2, "spindle", "solidity", 1),
    ]
    np.testing.assert_allclose(found["mean"][[0, 2, 4]], [10, 30, 40])
    np.testing.assert_allclose(found["sd"][[0, 2, 4]], [np.nan, np.sqrt(200), np.nan])
    np.testing.assert_allclose(found["p25"][[0, 2, 4]], [10, 25, 40])
    empty = morphometry(members_of(np.ones((3, 0))), population([], 2), ("a", "b"))
    assert {len(values) for values in empty.values()} == {0}


def test_out_of_domain_intervals_are_wider_and_rows_say_so():
    nuclei = population(np.random.default_rng(0).integers(0, 3, 300), 3)
    held, tissue = members_of(np.ones((4, 300))), np.ones(4)
    error = CountError.of(COARSE, {}, Miscount(0.5, 0.1, {}))
    distance = np.array([0.3, 1.0, 2.0, np.nan])
    found = composition(held, nuclei, COARSE, tissue, error, distance)
    assert found["out_of_domain"].tolist() == ["no", "no", "yes", ""]
    np.testing.assert_array_equal(found["domain_distance"], distance)
    width = found["spindle_high"] - found["spindle_low"]
    assert width[0] == width[1] == width[3] < width[2]

"""A union is counted as if its classes were one."""

import numpy as np
import pytest

from nucwsi.composition.counts import Population, composition
from nucwsi.composition.disagreement import contrast_names
from nucwsi.composition.intervals import CountError
from nucwsi.composition.membership import Membership
from nucwsi.composition.unions import union_columns

CLASSES = ("tumour", "benign", "inflammatory", "other")
UNIONS = {"epithelial": ("tumour", "benign"), "rest": ("other", "inflammatory")}
HELD = Membership.of([np.array([np.repeat([0, 1], [40, 20]), np.arange(60)])], 2)


@pytest.fixture(scope="module")
def nuclei():
    rng = np.random.default_rng(2)
    share = rng.dirichlet([2, 2, 1, 1], 60).astype(np.float32)
    share[:5] = (0.5, 0.5, 0, 0)
    code = share.argmax(1).astype(np.uint8)
    code[7] = len(CLASSES)
    contrasts = rng.normal(0, 0.1, (60, 2 * len(CLASSES))).astype(np.float32)
    area = {"area_um2": rng.uniform(20, 60, 60).astype("f4")}
    return Population(
        code,
        dict(zip(CLASSES, share.T, strict=True)),
        area,
        dict(zip(contrast_names(CLASSES, 2), contrasts.T, strict=True)),
    )


def error_of(**shares):
    return CountError.of(CLASSES, shares)


def test_a_union_has_the_columns_of_a_class_whose_nuclei_are_those_of_its_classes(nuclei):
    mm2 = np.array([0.5, 0.25])
    made = union_columns(HELD, nuclei, CLASSES, UNIONS, mm2, error_of())
    parts = composition(HELD, nuclei, CLASSES, mm2, error_of())
    for name, (one, other) in UNIONS.items():
        for form in ("n_{}", "frac_{}", "{}_per_mm2", "expected_{}"):
            both = parts[form.format(one)] + parts[form.format(other)]
            np.testing.assert_allclose(made[form.format(name)], both, rtol=1e-6)
        assert f"{name}_area_um2_median" in made
    assert len(made) == 2 * 7


def test_the_interval_of_a_union_does_not_know_which_of_its_classes_a_nucleus_is_of(nuclei):
    """Five nuclei that may be either are epithelial for certain."""
    certain = nuclei._replace(contrasts={})
    held = Membership.of([np.array([np.zeros(5, int), np.arange(5)])], 1)
    made = union_columns(held, certain, CLASSES, UNIONS, np.ones(1), error_of())
    assert (made["epithelial_low"], made["epithelial_high"]) == (5, 5)
    assert (made["rest_low"], made["rest_high"]) == (0, 0)


def test_a_union_of_one_network_has_the_interval_that_a_network_of_that_class_would_have(nuclei):
    tumour, benign, *others = nuclei.class_probabilities.values()
    whole = (tumour + benign, *others)
    each = np.column_stack([*nuclei.contrasts.values()]).reshape(60, 2, 4)
    joined = np.concatenate([each[:, :, :2].sum(2, keepdims=True), each[:, :, 2:]], axis=2)
    code = np.maximum(nuclei.class_code.astype(int) - 1, 0).astype(np.uint8)
    classes, mm2 = ("epithelial", *CLASSES[2:]), np.ones(2)
    one = Population(
        code,
        dict(zip(classes, whole, strict=True)),
        nuclei.features,
        dict(enumerate(joined.reshape(60, -1).T)),
    )
    expected = composition(HELD, one, classes, mm2, CountError.of(classes, {"epithelial": 0.2}))
    error = error_of(tumour=0.1, benign=0.2, other=0.9)
    made = union_columns(HELD, nuclei, CLASSES, UNIONS, mm2, error)
    for column in (
        "n_epithelial",
        "epithelial_low",
        "epithelial_high",
        "epithelial_area_um2_median",
    ):
        np.testing.assert_array_equal(made[column], expected[column])


def test_without_unions_there_is_no_column(nuclei):
    assert union_columns(HELD, nuclei, CLASSES, {}, np.ones(2), error_of()) == {}

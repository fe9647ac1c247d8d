"""Whether a slide is out of domain, and by how much its intervals grow."""

import numpy as np

from nucwsi.composition.look import Look, describe, stretch_of, warning_of
from nucwsi.composition.membership import Membership
from nucwsi.nuclei.domain import MIN_NUCLEI, Domain

UNIT = tuple(tuple(float(row == column) for column in range(6)) for row in range(6))
MEAN = (float(np.log(0.9)), 1 / 3, 1 / 3, 3.0, 0.0, float(np.log(0.01)))
LOOK = Look(Domain(MEAN, UNIT, 2.0), (10, 3000, 3000, 3000), np.ones(2 * MIN_NUCLEI))


def test_intervals_grow_with_the_distance_beyond_the_limit_alone():
    distance = np.array([0.0, 0.99, 1.0, 1.5, 40.0, np.nan])
    assert stretch_of(distance).tolist() == [1, 1, 1, 1.5, 40, 1]


def test_groups_are_described_by_their_own_nuclei():
    half = np.arange(MIN_NUCLEI)
    pairs = np.array([[0] * MIN_NUCLEI + [1] * MIN_NUCLEI, [*half, *(half + MIN_NUCLEI)]])
    area = np.exp(np.repeat([3.0, 4.0], MIN_NUCLEI))
    found = describe(Membership.of([pairs], 3), LOOK, area)
    np.testing.assert_allclose(found[:2], [MEAN, (*MEAN[:3], 4.0, *MEAN[4:])], atol=1e-6)
    assert np.isnan(found[2]).all()


def test_a_warning_says_how_far_and_why():
    inside, outside = np.array(MEAN), np.array(MEAN)
    outside[1] += 5
    assert warning_of(LOOK, inside) is None
    assert warning_of(LOOK, np.full(6, np.nan)) is None
    said = warning_of(LOOK, outside)
    assert said.startswith("out of domain: its nuclei lie 2.5 times as far")
    assert "above all in stain" in said
    assert "\n" not in said

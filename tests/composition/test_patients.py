"""Slides of one patient: joined by tissue area, and apart from those of others."""

import numpy as np

from nucwsi.composition.patients import SlideCounts, joined_patients


def slide(name, patient, group, tissue=1.0, n=10, counts=(4, 6)):
    return SlideCounts(name, patient, group, tissue, n, np.array(counts, float))


def test_densities_are_weighted_by_tissue_and_fractions_by_nuclei():
    [one] = joined_patients(
        [slide("s1", "P", "a", 1.5, 30, (10, 20)), slide("s2", "P", "a", 0.5, 10, (10, 0))]
    )
    assert one.slides == ("s1", "s2")
    np.testing.assert_allclose(
        one.per_mm2, np.average([[10 / 1.5, 20 / 1.5], [20, 0]], 0, [1.5, 0.5])
    )
    np.testing.assert_allclose(one.fraction, np.average([[1 / 3, 2 / 3], [1, 0]], 0, [30, 10]))


def test_a_patient_in_two_groups_is_two_and_slides_without_a_patient_stand_alone():
    found = joined_patients(
        [
            slide("s1", "P", "after"),
            slide("s2", "P", "before"),
            slide("s3", "", "before"),
            slide("s4", "", "before"),
            slide("s5", "s3", "before"),
            slide("s6", "Q", "after"),
        ]
    )
    assert [(one.group, one.patient, one.slides) for one in found] == [
        ("after", "P", ("s1",)),
        ("after", "Q", ("s6",)),
        ("before", "P", ("s2",)),
        ("before", "s3", ("s3",)),
        ("before", "s4", ("s4",)),
        ("before", "s3", ("s5",)),
    ]


def test_regions_of_one_slide_are_one_slide():
    [one] = joined_patients([slide("s1", "P", "a"), slide("s1", "P", "a", 3.0)])
    assert (one.slides, one.tissue_mm2, one.n_nuclei) == (("s1",), 4.0, 20)


def test_nothing_is_divided_by_nothing():
    [one] = joined_patients([slide("s1", "P", "a", 0.0, 0, (0, np.nan))])
    assert np.isnan(one.per_mm2).all()
    assert np.isnan(one.fraction).all()
    [other] = joined_patients([slide("s1", "P", "a", counts=(4, np.nan)), slide("s2", "P", "a")])
    np.testing.assert_array_equal(np.isnan(other.per_mm2), [False, True])

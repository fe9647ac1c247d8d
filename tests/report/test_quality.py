"""Measurements of a slide's quality."""

import numpy as np
import pytest

from nucwsi.report.quality import blurred_share, outliers, typical_diameter


def test_a_wrong_mpp_shows_in_the_diameter():
    """Also where a network finds many crumbs beside the nuclei."""
    nuclei = np.full(1000, np.pi * 3.0**2)
    assert typical_diameter(nuclei) == pytest.approx(6)
    crumbs = np.full(2000, np.pi * 0.7**2)
    assert typical_diameter(np.concatenate([nuclei, crumbs])) == pytest.approx(6)
    assert np.isnan(typical_diameter(np.empty(0)))


def test_outliers_need_company():
    values = np.array([4.0, 4.1, 3.9, 4.05, 9.0, np.nan])
    assert outliers(values).tolist() == [False, False, False, False, True, False]
    assert not outliers(values[[0, 1, 2, 4]]).any()
    assert not outliers(np.array([5.0, 5.0, 5.0, 5.0, 5.01])).any(), "a hair's breadth"


def test_a_field_counts_as_blurred_above_the_limit_only():
    assert blurred_share([0.45, 0.4501, 0.9, 0.1]) == 0.5
    assert np.isnan(blurred_share([]))

"""Measurements of a slide's quality."""

import numpy as np
import pytest
from scipy import ndimage

from nucwsi.grid import Window
from nucwsi.io.slides.slide import open_slide
from nucwsi.report.quality import blur, blurred_share, dark_share, outliers, typical_diameter


def test_a_wrong_mpp_shows_in_the_diameter():
    """Also where a network finds many crumbs beside the nuclei."""
    nuclei = np.full(1000, np.pi * 3.0**2)
    assert typical_diameter(nuclei) == pytest.approx(6)
    crumbs = np.full(2000, np.pi * 0.7**2)
    assert typical_diameter(np.concatenate([nuclei, crumbs])) == pytest.approx(6)
    assert np.isnan(typical_diameter(np.empty(0)))


def test_blur_grows_with_blurring(shared):
    with open_slide(shared / "slides" / "CMU-1-Small-Region.svs") as slide:
        field, _ = slide.read(0, Window(900, 900, 256, 256))
    seen = [blur(np.stack([ndimage.gaussian_filter(c, s) for c in field.T], -1)) for s in (0, 1, 2)]
    assert seen[0] < seen[1] < seen[2]
    assert seen[0] < 0.4
    assert seen[2] > 0.45
    assert blur(np.full((64, 64, 3), 240, np.uint8)) == 0


def test_dark_bands_are_measured_and_nuclei_are_not():
    overview = np.full((100, 100, 3), 200, np.uint8)
    tissue = np.ones((100, 100), bool)
    overview[::7, ::7] = 60
    assert dark_share(overview, tissue) == 0
    overview[40:50] = 90
    assert dark_share(overview, tissue) == pytest.approx(0.1, abs=0.01)
    assert dark_share(overview, np.zeros((100, 100), bool)) == 0


def test_outliers_need_company():
    values = np.array([4.0, 4.1, 3.9, 4.05, 9.0, np.nan])
    assert outliers(values).tolist() == [False, False, False, False, True, False]
    assert not outliers(values[[0, 1, 2, 4]]).any()
    assert not outliers(np.array([5.0, 5.0, 5.0, 5.0, 5.01])).any(), "a hair's breadth"


def test_a_field_counts_as_blurred_above_the_limit_only():
    assert blurred_share([0.45, 0.4501, 0.9, 0.1]) == 0.5
    assert np.isnan(blurred_share([]))

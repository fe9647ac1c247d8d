"""The phantom's tissue: the sheet has no gap, and fibres run along their own angle."""

import numpy as np
import pytest

from nucwsi.phantom.anatomy import Anatomy

ANATOMY = Anatomy((3000, 4000), 0.25, 1, (1500.0, 2000.0, 440.0))


def test_the_sheet_is_tissue_at_least_as_deep_as_its_rim_is_far():
    angle = np.linspace(0, 2 * np.pi, 24)
    for share in (0.0, 0.5, 0.95):
        rows = 1500 + share * 440 * np.sin(angle)
        columns = 2000 + share * 440 * np.cos(angle)
        depth_um = ANATOMY.tissue(rows, columns)
        assert (depth_um >= 0.25 * 440 * (1 - share) - 1e-6).all()


def test_a_slide_has_tissue_and_glass():
    rows, columns = np.mgrid[0:3000:20, 0:4000:20]
    share = (ANATOMY.tissue(rows, columns) > 0).mean()
    assert 0.2 < share < 0.9
    assert ANATOMY.tissue(2990.0, 10.0) < 0


@pytest.mark.parametrize(("row", "column"), [(400.0, 900.0), (1234.0, 77.0), (2000.0, 3100.0)])
def test_fibres_run_along_their_angle(row, column):
    angle = ANATOMY.fibre_angle(row, column)
    down, right = 4 * np.sin(angle), 4 * np.cos(angle)
    along = ANATOMY.across(row + down, column + right) - ANATOMY.across(row - down, column - right)
    aside = ANATOMY.across(row + right, column - down) - ANATOMY.across(row - right, column + down)
    assert abs(along) < 0.2 * abs(aside)


def test_an_anatomy_follows_from_its_seed():
    again = Anatomy((3000, 4000), 0.25, 1, (1500.0, 2000.0, 440.0))
    other = Anatomy((3000, 4000), 0.25, 2, (1500.0, 2000.0, 440.0))
    rows, columns = np.arange(0.0, 3000, 100), np.arange(0.0, 3000, 100)
    for name in ("tissue", "epithelium", "inflammation", "cloud", "across"):
        values = getattr(ANATOMY, name)(rows, columns)
        np.testing.assert_array_equal(values, getattr(again, name)(rows, columns))
        assert (values != getattr(other, name)(rows, columns)).any()

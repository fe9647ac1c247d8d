"""Names and values of corrected columns belong together."""

import numpy as np

from nucwsi.review.columns import column_names, column_values
from nucwsi.review.estimator import Totals

BLANK = np.zeros((2, 2, 2))


def test_every_value_has_its_name():
    totals = Totals(
        np.array([30.0, 10]), BLANK, BLANK, np.ones((2, 2)), np.array([9.0, 9]), np.zeros(2)
    )
    names = column_names(["a", "b"])
    row = dict(zip(names, column_values(totals, 7, 0.5, 2), strict=True))
    assert row["n_labels"] == 7
    assert row["corrected_nuclei"] == row["corrected_nuclei_low"] == 40
    assert row["corrected_frac_a"] == 0.75
    assert row["corrected_b_per_mm2_high"] == 20


def test_what_is_not_known_is_not_a_number():
    row = column_values(None, 3, 0.5, 2)
    assert len(row) == len(column_names(["a", "b"]))
    assert np.isnan(row[1:]).all()
    glass = Totals(np.ones(2), BLANK, BLANK, np.ones((2, 2)), np.ones(2), np.zeros(2))
    values = dict(zip(column_names(["a", "b"]), column_values(glass, 9, 0.0, 2), strict=True))
    assert np.isnan(values["corrected_a_per_mm2"])
    assert values["corrected_a"] == 1

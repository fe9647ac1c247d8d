"""Corrected columns replace themselves and nothing else; the record survives its file."""

import numpy as np
import pytest

from nucwsi.errors import StoreError
from nucwsi.io.csv_table import read_csv
from nucwsi.io.review.corrected import (
    Corrected,
    is_corrected,
    read_record,
    write_corrected_table,
    write_record,
)
from nucwsi.review.estimator import Totals

TABLE = 'slide,region_id,region_name,n_a\ns,slide,\'=1+1,5\ns,r,"a,b",-1\n'


def record(**changes):
    facts = {"slide": "s", "classes": ("a",), "network": 1, "draws": (), "more_labels": 1}
    facts |= {"more_frames": 2, "tissue_mm2": 1.0, "found": (5,)}
    return Corrected(**facts | changes)


def test_columns_are_added_and_all_else_stays(tmp_path):
    path = tmp_path / "composition.csv"
    path.write_text(TABLE)
    write_corrected_table(path, path, ["n_labels", "corrected_a"], {"slide": [7, 1.5]})
    assert path.read_text() == (
        "slide,region_id,region_name,n_a,n_labels,corrected_a\n"
        "s,slide,'=1+1,5,7,1.5\n"
        's,r,"a,b",-1,,\n'
    )
    write_corrected_table(path, path, ["corrected_b"], {"r": [np.nan]})
    assert list(read_csv(path)[0]) == ["slide", "region_id", "region_name", "n_a", "corrected_b"]
    assert read_csv(path)[0]["region_name"] == "=1+1"
    assert is_corrected("n_labels")
    assert not is_corrected("n_a")


def test_the_record_survives_its_file_even_with_an_unknown_variance(tmp_path):
    totals = Totals(
        np.ones(1),
        np.full((2, 1, 1), np.inf),
        np.zeros((2, 1, 1)),
        np.ones((2, 1)),
        np.ones(2),
        np.ones(1),
    )
    write_record(tmp_path / "c.json", record().with_totals(totals))
    again = read_record(tmp_path / "c.json")
    for one, two in zip(again.slide_totals(), totals, strict=True):
        np.testing.assert_array_equal(one, two)
    assert record().slide_totals() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "other"}'])
def test_a_damaged_record_is_named_and_a_missing_one_is_none(tmp_path, text):
    assert read_record(tmp_path / "none.json") is None
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(StoreError, match=r"c\.json"):
        read_record(tmp_path / "c.json")

"""Columns are read in any order, anew whenever they are asked for, and never of another table."""

import numpy as np
import pytest
from stores import frame_of, nucleus_facts
from tables_made import nuclei_at

from nucwsi.errors import StoreError
from nucwsi.io.nuclei.parquet import write_nuclei
from nucwsi.io.nuclei.stored_columns import StoredColumns, open_columns, read_columns

CLASSES = ("epithelial", "spindle")
FACTS = nucleus_facts(frame_of((500, 500)), classes=CLASSES, contrasts=2)


def some(n):
    rng = np.random.default_rng(0)
    return nuclei_at(rng.uniform(50, 900, (n, 2)), CLASSES, rng.dirichlet([1, 1], n))


@pytest.fixture
def path(tmp_path):
    write_nuclei(tmp_path / "n.parquet", [some(60)], FACTS, 25)
    return tmp_path / "n.parquet"


def test_row_groups_are_read_in_any_order_and_more_than_once(path):
    whole = read_columns(path, ["id", "at_edge"])
    with open_columns(path, ["id", "at_edge"]) as groups:
        assert len(groups) == 3
        for place in (2, 0, 1, 0):
            for name, values in groups[place]().items():
                np.testing.assert_array_equal(values, whole[name][25 * place :][:25])


def test_a_damaged_row_group_is_refused_when_it_is_read(path):
    with open_columns(path, ["id"]) as groups:
        content = bytearray(path.read_bytes())
        content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"n\.parquet: .* is damaged"):
            groups[0]()


def test_columns_are_those_of_the_file_by_their_keys(path):
    columns = StoredColumns(path, {"one": "p_spindle", "other": "area_um2"}, 60)
    assert (list(columns), len(columns)) == (["one", "other"], 2)
    for key, name in {"one": "p_spindle", "other": "area_um2"}.items():
        np.testing.assert_array_equal(columns[key], read_columns(path, [name])[name])
    with pytest.raises(KeyError):
        columns["third"]


def test_a_table_that_was_replaced_is_not_mixed_with_what_was_read(path):
    columns = StoredColumns(path, {"one": "p_spindle"}, 60)
    write_nuclei(path, [some(59)], FACTS, 25)
    with pytest.raises(StoreError, match=r"has 59 nuclei instead of 60; it was replaced"):
        columns["one"]

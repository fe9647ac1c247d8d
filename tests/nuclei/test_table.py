"""The table of nuclei: plain columns that are taken and joined together."""

from dataclasses import fields, replace

import numpy as np
from tables_made import nuclei_at

from nucwsi.nuclei.table import NucleusTable


def three():
    centres = np.array([[10.0, 20.0], [30.0, 50.0], [70.0, 40.0]])
    table = nuclei_at(centres, ("a", "b"), np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]))
    return replace(table, network_probabilities=np.array([[1, 0], [0.5, 0.5], [0.1, 0.9]]))


def assert_equal(one, other):
    for field in fields(NucleusTable):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_every_column_is_taken_in_the_order_asked():
    table = three()
    turned = table.take(np.array([2, 0]))
    assert len(turned) == 2
    for field in fields(NucleusTable):
        values = getattr(table, field.name)
        np.testing.assert_array_equal(getattr(turned, field.name), values[[2, 0]])


def test_what_is_taken_apart_and_joined_is_the_same():
    table = three()
    parts = [table.take(np.array([0])), table.take(np.array([], int)), table.take(np.array([1, 2]))]
    assert_equal(NucleusTable.concatenated(parts), table)

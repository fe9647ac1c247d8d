"""Sums by group are those of numpy to the last bit, however few numbers are looked at together."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.nuclei import group_sums as module
from nucwsi.nuclei.group_sums import group_sizes, group_sums, in_parts


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([1, 7, 100]))
def test_sums_and_sizes_are_those_of_bincount(n, n_groups, seed, at_once):
    rng = np.random.default_rng(seed)
    # Of many sizes, so that another order would be rounded otherwise.
    group, values = rng.integers(0, n_groups, n), np.exp(rng.normal(0, 20, n))
    with mock.patch.object(module, "_AT_ONCE", at_once):
        found = group_sums(group, n_groups, lambda some: [values[some], values[some] ** 2])
        assert group_sizes(group, n_groups).tolist() == np.bincount(group, None, n_groups).tolist()
    for row, terms in zip(found, (values, values**2), strict=True):
        assert row.tolist() == np.bincount(group, terms, n_groups).tolist()


@pytest.mark.parametrize(("n", "parts"), [(0, [(0, 0)]), (7, [(0, 7)]), (17, [(0, 10), (10, 17)])])
def test_parts_cover_a_range(n, parts):
    with mock.patch.object(module, "_AT_ONCE", 10):
        assert [(part.start, part.stop) for part in in_parts(n)] == parts

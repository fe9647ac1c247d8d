"""Statistics of groups against numpy, group by group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition.group_stats import group_percentiles, group_stats


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(1, 4), st.integers(0, 10**6))
def test_group_stats_equal_numpy_group_by_group(n, n_groups, seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    values = rng.choice(np.float32([0, 0.5, 1, 7.25, 1e6, np.nan]), n)
    found = group_stats(values, group, n_groups, (0, 5, 50, 95, 100))
    for index in range(n_groups):
        mine = values[(group == index) & ~np.isnan(values)].astype(float)
        assert found.n[index] == len(mine)
        if len(mine) == 0:
            assert np.isnan([found.mean[index], found.sd[index]]).all()
            assert np.isnan(found.percentiles[:, index]).all()
            continue
        assert found.mean[index] == pytest.approx(mine.mean())
        expected = mine.std(ddof=1) if len(mine) > 1 else np.nan
        assert found.sd[index] == pytest.approx(expected, nan_ok=True)
        np.testing.assert_allclose(
            found.percentiles[:, index], np.percentile(mine, (0, 5, 50, 95, 100)), rtol=1e-6
        )


def test_negative_zero_is_zero():
    values = np.float32([-0.0, 1.0, 0.5])
    assert group_percentiles(values, np.zeros(3, np.int64), 1, (50,)) == 0.5


def test_groups_without_a_value_have_no_percentile():
    values = np.float32([np.nan, 3.0])
    found = group_percentiles(values, np.array([0, 2]), 4, (0, 100))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 3, np.nan]] * 2)

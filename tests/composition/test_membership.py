"""Groups of nuclei against loops: what is made of some groups at a time is what they have."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.composition import membership
from nucwsi.composition.membership import Membership


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 6), st.integers(0, 10**6), st.sampled_from([1, 7, 1000]))
def test_every_group_has_its_nuclei_however_they_come(n_nuclei, n_groups, seed, at_once):
    rng = np.random.default_rng(seed)
    held = rng.random((n_groups, n_nuclei)) < rng.uniform(0, 1, (n_groups, 1))
    cuts = np.sort(rng.integers(0, n_nuclei + 1, 2))
    pairs = [
        np.array(np.nonzero(some)) + np.array([[0], [first]])
        for some, first in zip(np.split(held, cuts, axis=1), [0, *cuts], strict=True)
    ]
    found = Membership.of(iter(pairs), n_groups)
    assert found.size.tolist() == held.sum(axis=1).tolist()
    for group, members in enumerate(held):
        assert found.of_group(group).tolist() == np.flatnonzero(members).tolist()
    seen = []

    def made(group, members, n):
        seen.append(len(members))
        weights = np.bincount(group, members + 1.0, n)
        return weights, np.stack([np.bincount(group, minlength=n)] * 2)

    with mock.patch.object(membership, "_AT_ONCE", at_once):
        sums, counts = found.by_group(made)
    assert sums.tolist() == [(np.flatnonzero(members) + 1).sum() for members in held]
    assert counts.tolist() == [held.sum(axis=1).tolist()] * 2
    # A group is not parted, so a large one comes alone.
    assert max(seen) <= max([at_once, *found.size])


def test_chosen_groups_keep_their_nuclei():
    pairs = np.array([[0, 0, 2, 3], [3, 4, 4, 1]])
    chosen = Membership.of([pairs], 4).of_groups(np.array([3, 1, 0]))
    assert [chosen.of_group(group).tolist() for group in range(3)] == [[1], [], [3, 4]]
    assert Membership.of([pairs], 4).of_groups(np.empty(0, int)).n_groups == 0


@pytest.mark.parametrize("n_groups", [0, 3])
def test_of_no_nuclei_something_is_made_of_each_group(n_groups):
    [made] = Membership.of([], n_groups).by_group(lambda group, members, n: [np.zeros(n)])
    assert made.shape == (n_groups,)

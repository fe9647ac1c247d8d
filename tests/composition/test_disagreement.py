"""Contrasts between the answers of an ensemble."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.composition.disagreement import (
    contrast_names,
    contrast_weights,
    disagreement,
    disagreement_of_counts,
)

VIEWS = st.sampled_from([1, 2, 4, 8])


@given(VIEWS, st.integers(1, 5), st.integers(0, 10**6))
def test_squares_add_up_to_the_variance_between_members(n_views, n_members, seed):
    answers = np.random.default_rng(seed).normal(size=(n_views, n_members))
    contrasts = np.einsum("qvm,vm->q", contrast_weights(n_views, n_members), answers)
    expected = answers.mean(axis=0).var(ddof=1) if n_members > 1 else 0.0
    np.testing.assert_allclose(np.square(contrasts[: n_members - 1]).sum(), expected, atol=1e-5)


@given(VIEWS, st.integers(1, 4))
def test_answers_that_agree_have_no_contrast(n_views, n_members):
    weights = contrast_weights(n_views, n_members)
    assert len(weights) == n_members - 1 + (n_views > 1)
    np.testing.assert_allclose(weights.sum(axis=(1, 2)), 0, atol=1e-6)


@pytest.mark.parametrize("n_views", [2, 4, 8])
def test_the_last_contrast_estimates_the_variance_between_views(n_views):
    rng = np.random.default_rng(5)
    # What a view says is heard from all members alike.
    answers = np.repeat(rng.normal(0, 3, (20_000, n_views, 1)), 2, axis=2)
    contrasts = np.einsum("qvm,nvm->nq", contrast_weights(n_views, 2), answers)
    np.testing.assert_allclose(contrasts[:, 0], 0, atol=1e-5)
    assert np.square(contrasts[:, 1]).mean() == pytest.approx(9, rel=0.05)


def test_doubts_in_common_add_up_and_opposite_ones_cancel():
    alike = np.array([[0.1, -0.1], [0.1, -0.1]])
    opposite = np.array([[0.1, -0.1], [-0.1, 0.1]])
    sums = np.array([alike.sum(axis=0), [0, 0], opposite.sum(axis=0)]).T
    found = disagreement_of_counts(sums, 2)
    np.testing.assert_allclose(found, [[0.2, 0.2], [0, 0], [0, 0]], atol=1e-12)


def test_each_nucleus_has_the_contrasts_of_its_own_class():
    # Two contrasts of two classes.
    contrasts = np.array([[0.3, 9, 0.4, 9], [9, 0.1, 9, 0]])
    np.testing.assert_allclose(disagreement(contrasts, np.array([0, 1]), 2), [0.5, 0.1])
    assert disagreement(np.empty((3, 0)), np.zeros(3, int), 2).tolist() == [0, 0, 0]
    assert contrast_names(("a", "b"), 2) == [
        "contrast1_a",
        "contrast1_b",
        "contrast2_a",
        "contrast2_b",
    ]

"""The estimator is unbiased, and its intervals hold what they promise."""

import numpy as np
import pytest

from nucwsi.review.drawing import inclusion_probabilities, sizes, systematic_draw
from nucwsi.review.estimator import Evidence, Totals, design_covariance

RNG = np.random.default_rng(0)
N, C = 800, 3
TRUTH = RNG.choice(C + 1, N, p=[0.5, 0.3, 0.1, 0.1])
LABELS = np.eye(C + 1)[TRUTH][:, :C]
# A network that takes the first class for the second now and then, and knows no false nuclei.
SEEN = np.where((TRUTH == 0) & (RNG.random(N) < 0.2), 1, np.minimum(TRUTH, 2))
GUESS = RNG.dirichlet(np.full(C, 0.3), N) * 0.3 + 0.7 * np.eye(C)[SEEN]
GUESS /= GUESS.sum(axis=1, keepdims=True)
CHANCE = inclusion_probabilities(sizes(GUESS, np.zeros(N, int)), 80)
FRAME_OF_MISSED = RNG.integers(0, 60, 90)
MISSED = np.eye(C)[RNG.integers(0, C, 90)]
FRAME_CHANCE = inclusion_probabilities(RNG.uniform(0.5, 2, 60), 15)
MODEL = np.einsum(
    "n,nce->ce",
    (1 - CHANCE) / CHANCE,
    GUESS[:, :, None] * (np.eye(C) - GUESS[:, None]),
)


def drawn(rng):
    at = systematic_draw(CHANCE, np.zeros(N, int), rng)
    frames = systematic_draw(FRAME_CHANCE, np.zeros(60, int), rng)
    inside = np.isin(FRAME_OF_MISSED, frames)
    place = np.searchsorted(frames, FRAME_OF_MISSED[inside])
    return Evidence(
        LABELS[at], GUESS[at], CHANCE[at], MISSED[inside], place, FRAME_CHANCE[frames]
    ), at


def totals(evidence):
    guess = GUESS.sum(axis=0)
    return evidence.found(guess, MODEL).plus(evidence.missed_nuclei(guess))


def test_counts_and_shares_are_unbiased_and_covered():
    rng, true = np.random.default_rng(1), LABELS.sum(axis=0) + MISSED.sum(axis=0)
    found = [totals(drawn(rng)[0]) for _ in range(600)]
    counts = np.array([one.total for one in found])
    error = counts.std(axis=0) / np.sqrt(len(counts))
    assert (np.abs(counts.mean(axis=0) - true) < 4 * error).all()
    for interval, truth in (
        ([one.counts() for one in found], true),
        ([one.shares() for one in found], true / true.sum()),
        ([one.all_classes() for one in found], true.sum(keepdims=True)),
    ):
        held = np.mean([(i.low <= truth) & (truth <= i.high) for i in interval], axis=0)
        assert (held > 0.92).all(), held
        assert (held < 0.985).all(), held


def test_the_network_narrows_the_interval():
    evidence, _ = drawn(np.random.default_rng(2))
    blind = evidence._replace(guess=np.zeros_like(evidence.guess))
    wide = blind.found(np.zeros(C), np.zeros((C, C))).shares()
    narrow = evidence.found(GUESS.sum(axis=0), MODEL).shares()
    assert ((narrow.high - narrow.low) < 0.9 * (wide.high - wide.low)).all()


def test_if_everything_is_answered_nothing_is_uncertain():
    evidence = Evidence(LABELS, GUESS, np.ones(N), MISSED, FRAME_OF_MISSED, np.ones(60))
    guess = GUESS.sum(axis=0)
    whole = evidence.found(guess, np.zeros((C, C))).plus(evidence.missed_nuclei(guess)).counts()
    np.testing.assert_allclose(whole.low, LABELS.sum(axis=0) + MISSED.sum(axis=0))
    np.testing.assert_allclose(whole.high, whole.low)


def test_a_class_that_no_answer_shows_is_not_ruled_out():
    evidence, _ = drawn(np.random.default_rng(3))
    none = evidence._replace(
        labels=np.eye(C)[np.zeros(len(evidence.labels), int)], guess=np.eye(C)[[0]].repeat(80, 0)
    )
    found = none.found(np.array([N, 0.0, 0]), np.diag([0.0, 0, N**2 / 80**2]))
    assert found.counts().high[2] > N / 80
    assert found.counts().low[2] == 0


def test_one_unit_has_an_unknown_variance_and_a_census_none():
    assert np.isinf(np.diag(design_covariance(np.ones((1, 2)), np.array([0.5])))).all()
    assert (design_covariance(np.ones((3, 2)), np.ones(3)) == 0).all()


def test_the_variance_is_that_of_many_draws():
    rng = np.random.default_rng(4)
    residual = LABELS - GUESS
    sums, variances = [], []
    for _ in range(800):
        at = systematic_draw(CHANCE, np.zeros(N, int), rng)
        sums.append((residual[at] / CHANCE[at][:, None]).sum(axis=0))
        variances.append(np.diag(design_covariance(residual[at], CHANCE[at])))
    np.testing.assert_allclose(np.mean(variances, axis=0), np.var(sums, axis=0), rtol=0.2)


def test_totals_of_slides_add_up_and_parts_are_parts():
    one, two = (totals(drawn(np.random.default_rng(seed))[0]) for seed in (5, 6))
    both = one.plus(two)
    np.testing.assert_allclose(both.total, one.total + two.total)
    np.testing.assert_allclose(both.covariance, one.covariance + two.covariance)
    half = one.scaled(0.5)
    assert half.total.sum() == pytest.approx(one.total.sum() / 2)
    assert half.counted.sum() == 0


def test_counts_are_never_below_what_was_seen():
    blank = np.zeros((2, 1, 1))
    below = Totals(
        np.array([-3.0]), blank, blank, np.ones((2, 1)), np.array([9.0, 0]), np.array([2.0])
    )
    assert [side.tolist() for side in below.counts()] == [[2], [2], [2]]

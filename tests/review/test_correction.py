"""Regions, several draws and what was not answered."""

import numpy as np
import pytest

from nucwsi.review.correction import (
    MIN_LABELS,
    Review,
    confusion,
    corrected,
    labels_to_halve,
    with_responses,
)
from nucwsi.review.drawing import inclusion_probabilities, sizes, systematic_draw

RNG = np.random.default_rng(0)
N = 600
TRUTH = RNG.integers(0, 3, N)  # 2: no nucleus
SHARES = np.where(RNG.random(N)[:, None] < 0.85, np.eye(3)[TRUTH], np.eye(3)[(TRUTH + 1) % 3])
SHARES = SHARES[:, :2] * 0.8 + 0.1
SHARES /= SHARES.sum(axis=1, keepdims=True)
REGION = (np.arange(N) * 3) // N
PAIRS = np.concatenate(
    [np.stack([np.zeros(N, int), np.arange(N)]), np.stack([REGION + 1, np.arange(N)])], axis=1
)
BLOCK = np.zeros(N, int)
CHANCE = inclusion_probabilities(sizes(SHARES, BLOCK), 90)


def drawn(rng, drawn_from=None, n_missed=0):
    at = systematic_draw(CHANCE, BLOCK, rng)
    return Review(
        rows=at,
        labels=np.eye(3)[TRUTH[at]][:, :2],
        probability=CHANCE[at],
        drawn_from=np.ones(N, bool) if drawn_from is None else drawn_from,
        missed=np.eye(2)[np.zeros(n_missed, int)],
        missed_frame=np.arange(n_missed),
        frames=np.full(10 * (n_missed > 0), 0.1),
    )


def test_regions_are_unbiased_and_add_up_to_the_slide():
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        totals = corrected([drawn(rng, n_missed=4)], SHARES, PAIRS, 4).totals
        found.append([one.total for one in totals])
    found = np.array(found)
    np.testing.assert_allclose(found[:, 1:].sum(axis=1), found[:, 0])
    truth = np.array([np.bincount(TRUTH[r == REGION], minlength=3)[:2] for r in range(3)])
    missed = 40 * np.array([[1, 0]])
    error = found.std(axis=0) / np.sqrt(300)
    assert (
        np.abs(found[:, 0].mean(axis=0) - truth.sum(axis=0) - missed) < 4 * error[0] + 0.5
    ).all()


def test_a_region_with_few_answers_or_outside_of_the_draw_has_no_number():
    part = REGION == 0
    review = drawn(np.random.default_rng(2), part)
    inside = np.isin(review.rows, np.flatnonzero(part))
    review = review._replace(
        rows=review.rows[inside],
        labels=review.labels[inside],
        probability=review.probability[inside],
    )
    made = corrected([review], SHARES, PAIRS, 5)
    assert [one is None for one in made.totals] == [True, False, True, True, True]
    few = review._replace(
        rows=review.rows[: MIN_LABELS - 1],
        labels=review.labels[: MIN_LABELS - 1],
        probability=review.probability[: MIN_LABELS - 1],
    )
    assert corrected([few], SHARES, PAIRS, 4).totals == [None] * 4


def test_two_draws_are_averaged_and_narrower():
    rng = np.random.default_rng(3)
    one, two = drawn(rng), drawn(rng)
    [a, *_], [b, *_], [both, *_] = (
        corrected(reviews, SHARES, PAIRS, 4).totals for reviews in ([one], [two], [one, two])
    )
    np.testing.assert_allclose(both.total, (a.total + b.total) / 2)
    width = [t.counts().high - t.counts().low for t in (a, both)]
    assert (width[1] < 0.85 * width[0]).all()


def test_what_was_not_answered_is_taken_to_be_like_the_rest():
    review = drawn(np.random.default_rng(4), n_missed=4)
    half = review._replace(
        rows=review.rows[::2], labels=review.labels[::2], probability=review.probability[::2]
    )
    made = with_responses(half, len(review.rows), 20)
    np.testing.assert_allclose(made.probability, half.probability / 2)
    np.testing.assert_allclose(made.frames, 0.05)


def test_the_confusion_counts_every_answer_once():
    review = drawn(np.random.default_rng(5), n_missed=4)
    n_labels, estimated = confusion([review, review], SHARES.argmax(axis=1), 2)
    assert n_labels.shape == estimated.shape == (3, 3)
    assert n_labels.sum() == 2 * (90 + 4)
    assert n_labels[2].tolist() == [8, 0, 0]
    assert estimated[2, 0] == pytest.approx(40)
    assert estimated[:2].sum() == pytest.approx((1 / review.probability).sum())


def test_halving_an_interval_takes_a_quarter_of_the_variance():
    for n, available in ((100, 5000), (20, 60), (5, 5)):
        more = labels_to_halve(n, available)
        before, after = 1 / n - 1 / available, 1 / (n + more) - 1 / available
        assert after <= before / 4 + 1e-12
        assert n + more <= available
    assert labels_to_halve(0, 10) == 0

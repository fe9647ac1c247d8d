"""Fitting: what can be learnt is learnt, what cannot is not claimed, and twice gives the same."""

from dataclasses import replace

import numpy as np
import pytest
from taught import answers

from nucwsi.teaching.fit import Labelled, fit, log_loss
from nucwsi.teaching.folds import Folds


def dealt(n, parts=5):
    return Folds(np.arange(n) % parts, "slides")


def test_classes_that_lie_apart_are_told_apart():
    labelled = answers(150, spread=0.5)
    fitted = fit(labelled, dealt(150))
    assert (fitted.unseen.argmax(axis=1) == labelled.code).mean() > 0.9
    assert fitted.linear.weights.shape == (3, 6)


def test_noise_is_not_learnt():
    noise = np.random.default_rng(1).normal(size=(200, 30))
    labelled = replace(answers(200), values=noise, trusted=np.zeros(30, bool))
    fitted = fit(labelled, dealt(200))
    share = np.bincount(labelled.code) / 200
    # No answer is surer than the shares of the classes would be.
    assert log_loss(fitted.unseen, labelled) < 1.03 * -(share * np.log(share)).sum()


def test_a_part_does_not_see_its_own_answers():
    labelled = answers(60, spread=0.5)
    folds = dealt(60)
    other = labelled.code.copy()
    other[folds.of == 0] = (other[folds.of == 0] + 1) % 3
    one, two = fit(labelled, folds), fit(replace(labelled, code=other), folds)
    left_out = folds.of == 0
    # The temperature is one for all, so probabilities are compared by their order.
    np.testing.assert_array_equal(
        one.unseen[left_out].argsort(axis=1), two.unseen[left_out].argsort(axis=1)
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_twice_gives_the_same_to_the_last_digit(n_classes):
    labelled = answers(80, n_classes)
    one, two = fit(labelled, dealt(80)), fit(labelled, dealt(80))
    for here, there in zip(one.linear, two.linear, strict=True):
        np.testing.assert_array_equal(here, there)
    assert one.temperature == two.temperature


def test_a_class_that_a_part_alone_has_seen_is_not_found_there():
    labelled = answers(100, spread=0.3)
    code = np.where(labelled.code == 2, 0, labelled.code)
    folds = dealt(100)
    code[folds.of == 3] = 2
    fitted = fit(replace(labelled, code=code), folds)
    assert fitted.unseen[folds.of == 3, 2].max() == 0
    assert np.isfinite(fitted.unseen).all()


def test_an_answer_of_weight_two_counts_like_two():
    labelled = answers(40, 2, spread=2.0)
    heavy = replace(labelled, weight=np.where(labelled.code == 1, 3.0, 1.0))
    once, twice = (fit(one, dealt(40)).unseen[:, 1].mean() for one in (labelled, heavy))
    assert twice > once + 0.05


def test_a_feature_that_is_the_same_everywhere_does_no_harm():
    labelled = answers(60)
    almost = -5.298317 + np.random.default_rng(0).normal(0, 1e-8, 60)
    values = np.c_[labelled.values, np.full(60, 1e7), almost]
    none = np.zeros(8, bool)
    fitted = fit(Labelled(values, labelled.code, labelled.weight, none), dealt(60))
    assert fitted.linear.scale[-2:].tolist() == [1, 1]
    assert (fitted.linear.weights[:, -2:] == 0).all()
    assert np.isfinite(fitted.linear.logits(values)).all()


def test_probabilities_are_calibrated():
    """Where it says 0.7, it is right in 7 of 10 cases, though it learnt from few answers."""
    labelled = answers(1500, 2, 4, spread=1.5)
    shares = fit(labelled, dealt(1500)).unseen
    sure, hit = shares.max(axis=1), shares.argmax(axis=1) == labelled.code
    for low in (0.5, 0.65, 0.8):
        some = (sure >= low) & (sure < low + 0.15)
        assert abs(hit[some].mean() - sure[some].mean()) < 0.08


def test_what_is_trusted_stands_where_answers_are_few():
    """The network is right for most nuclei; forty features tell nothing."""
    rng = np.random.default_rng(0)
    code = np.arange(40) % 2
    said = np.where(rng.random(40) < 0.85, code, 1 - code) * 4.0 - 2
    values = np.c_[rng.normal(size=(40, 40)), said]
    right = []
    for trusted in (False, True):
        mask = np.array([False] * 40 + [trusted])
        fitted = fit(Labelled(values, code, np.ones(40), mask), dealt(40))
        right.append((fitted.unseen.argmax(axis=1) == code).mean())
    assert right[1] > right[0]
    assert right[1] >= ((said > 0) == code).mean() - 0.05

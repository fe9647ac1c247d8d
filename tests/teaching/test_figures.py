"""Figures of a classifier: counted by hand, and every doubt said."""

from dataclasses import replace

import numpy as np
import pytest
from taught import answers, figures

from nucwsi.teaching.figures import (
    commonest_answers,
    confusions,
    doubts,
    measured,
    network_answers,
)
from nucwsi.teaching.fit import Labelled, fit
from nucwsi.teaching.folds import Folds

FOUR = Labelled(
    np.zeros((4, 1)), np.array([0, 0, 0, 1]), np.array([1.0, 1, 2, 4]), np.zeros(1, bool)
)
FOLDS = Folds(np.array([0, 1, 2, 2]), "slides")


def test_shares_are_weighed():
    fitted = fit(answers(8, 2), Folds(np.arange(8) % 4, "slides"))
    fitted = fitted._replace(unseen=np.full((4, 2), 0.5))
    found = measured(
        np.array([0, 1, 0, 1]), np.array([0, 0, -1, 0]), FOUR, fitted, FOLDS, ("a", "b"), 3
    )
    assert found.accuracy == pytest.approx(7 / 8)
    assert found.network == pytest.approx(2 / 8)
    assert found.ahead == pytest.approx(5 / 8)
    assert found.classes["a"].recall == pytest.approx(3 / 4)
    assert found.classes["b"].precision == pytest.approx(4 / 5)
    assert found.mean_recall == pytest.approx((3 / 4 + 1) / 2)
    assert found.log_loss == pytest.approx(np.log(2), abs=1e-4)


def test_a_class_that_is_never_called_has_no_precision():
    fitted = fit(answers(8, 2), Folds(np.arange(8) % 4, "slides"))
    fitted = fitted._replace(unseen=np.full((4, 2), 0.5))
    found = measured(np.zeros(4, int), np.zeros(4, int), FOUR, fitted, FOLDS, ("a", "b"), 3)
    assert found.classes["b"].precision is None
    assert found.classes["b"].recall == 0


def test_the_commonest_class_is_that_of_the_other_parts():
    # Without the last part, b is unknown; without another one, it is the heaviest.
    assert commonest_answers(FOUR, FOLDS).tolist() == [1, 1, 0, 0]


def test_the_network_is_taken_at_its_word_where_it_knows_the_classes():
    code = np.array([1, 0, 2, 1])
    assert network_answers(code, [1, 0, -1], FOUR, FOLDS).tolist() == [0, 1, -1, 0]


def test_else_its_classes_are_renamed_by_what_the_other_parts_show():
    labelled = replace(FOUR, weight=np.ones(4))
    folds = Folds(np.array([0, 1, 2, 3]), "slides")
    # Class 5 of the network is a; class 2, which no other part has, counts as the commonest.
    found = network_answers(np.array([5, 5, 5, 2]), None, labelled, folds)
    assert found.tolist() == [0, 0, 0, 0]


def test_a_sound_classifier_raises_no_doubt():
    assert list(doubts(figures(), {}, 80)) == []


@pytest.mark.parametrize(
    ("changed", "few", "n", "said"),
    [
        ({}, {"plasma cell": 6}, 80, "plasma cell has 6 answers and is not claimed"),
        ({}, {"plasma cell": 1}, 80, "plasma cell has 1 answer and is not claimed"),
        ({}, {}, 29, "29 answers are few"),
        ({"accuracy": 0.69}, {}, 80, "worse than the network: right for 69 % .* 70 %"),
        ({"ahead": 0.02}, {}, 80, "not shown to be better than the network"),
        ({"commonest": 0.9}, {}, 80, "no better than the commonest class"),
        ({"over": "blocks", "n_slides": 1}, {}, 80, "tissue of the same one slide"),
        ({"over": "blocks", "n_slides": 2}, {}, 80, "tissue of the same 2 slides"),
        (
            {"classes": {"a": {"labels": 9, "recall": 0.3, "precision": 0.4}}},
            {},
            80,
            "finds 30 % of a\nof what it calls a, 40 % is right",
        ),
    ],
)
def test_every_doubt_is_said(changed, few, n, said):
    assert list(doubts(figures(**changed), few, n)) != []
    import re

    assert re.search(said, "\n".join(doubts(figures(**changed), few, n)))


def test_classes_that_are_mixed_up_part_by_part_widen_intervals():
    labelled = answers(300, 2, spread=1.0)
    folds = Folds(np.arange(300) % 10, "slides")
    fitted = fit(labelled, folds)
    # In half of the parts everything is called by one class.
    shifted = np.where((folds.of % 2 == 0)[:, None], [0.9, 0.1], [0.1, 0.9])
    steady, shaky = (
        confusions(one, labelled, folds).mean() for one in (fitted, fitted._replace(unseen=shifted))
    )
    assert shaky > steady > 0

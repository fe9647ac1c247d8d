"""A classifier: its probabilities, and how they meet those of the network."""

import numpy as np
import pytest
from taught import a_classifier, figures

from nucwsi.teaching.classifier import softmax, standardised

VALUES = np.random.default_rng(0).normal((30, 0.8, -1), (10, 0.1, 0.5), (50, 3))


def extending(**changed):
    values = {"classes": ("mitosis",), "extends": True, "confusion": {}}
    return a_classifier(**{**values, "figures": figures(("mitosis", "(network)")), **changed})


def test_probabilities_add_up_and_grow_with_the_evidence():
    shares = a_classifier().shares(VALUES)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    evidence = (VALUES[:, 0] - 30) / 10 + (VALUES[:, 2] + 1)
    assert np.corrcoef(evidence, shares[:, 0])[0, 1] > 0.9


def test_a_nucleus_has_the_same_digits_alone_and_among_others():
    model = a_classifier()
    together = model.shares(VALUES)
    alone = np.concatenate([model.shares(VALUES[k : k + 1]) for k in range(len(VALUES))])
    np.testing.assert_array_equal(together, alone)


def test_a_higher_temperature_is_less_sure():
    hot = a_classifier(figures=figures(temperature=4.0)).shares(VALUES).max(axis=1)
    assert (hot <= a_classifier().shares(VALUES).max(axis=1)).all()


def test_an_odd_nucleus_does_not_outweigh_everything():
    found = standardised(np.array([[1e9, 0.8, -1]]), np.array([30, 0.8, -1]), np.ones(3))
    assert found.tolist() == [[5, 0, 0]]


def test_classes_that_replace_take_the_place_of_the_networks():
    model, network = a_classifier(), np.full((50, 2), 0.5)
    shares = model.shares(VALUES)
    np.testing.assert_array_equal(model.combined(shares, network), shares.astype(np.float32))
    assert model.final_classes(("a", "b")) == ("large", "small")


def test_what_is_none_of_the_taught_classes_is_the_networks():
    model = extending()
    network = np.random.default_rng(1).dirichlet([1, 1], 50)
    shares = model.shares(VALUES)
    found = model.combined(shares, network)
    assert model.final_classes(("epithelial", "other")) == ("epithelial", "other", "mitosis")
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], shares[:, 0], rtol=1e-6)
    # Among its own classes the network has its way.
    np.testing.assert_allclose(found[:, 0] / found[:, 1], network[:, 0] / network[:, 1], rtol=1e-4)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"classes": ("other",)}, "each its own"),
        ({"weights": ((1.0, 0.0, 0.5),)}, "rows each"),
    ],
)
def test_a_class_that_the_network_has_is_not_added(changed, said):
    with pytest.raises(ValueError, match=said):
        extending(**changed)


def test_probabilities_of_impossible_classes_are_none():
    found = softmax(np.array([[0, -np.inf, 0], [1000, -np.inf, 0]]))
    np.testing.assert_allclose(found, [[0.5, 0, 0.5], [1, 0, 0]])

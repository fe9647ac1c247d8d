"""Answers and classifiers for tests, made without a slide."""

import numpy as np

from nucwsi.teaching.classifier import Classifier, Figures
from nucwsi.teaching.fit import Labelled


def figures(names=("large", "small"), **changed):
    """Figures of a classifier without a fault."""
    of_class = {"labels": 40, "recall": 0.9, "precision": 0.9}
    values = {
        "accuracy": 0.9,
        "network": 0.7,
        "commonest": 0.6,
        "mean_recall": 0.9,
        "network_mean_recall": 0.7,
        "ahead": 0.2,
        "ahead_se": 0.03,
        "log_loss": 0.3,
        "temperature": 1.0,
        "n_folds": 5,
        "n_slides": 5,
        "over": "slides",
        "classes": dict.fromkeys(names, of_class),
    }
    return Figures.model_validate({**values, **changed})


def a_classifier(**changed):
    """A classifier of two classes on three features; `changed` are its attributes."""
    values = {
        "name": "mine",
        "classes": ("large", "small"),
        "extends": False,
        "network_classes": ("epithelial", "other"),
        "features": ("area_um2", "circularity", "network_other"),
        "mean": (30.0, 0.8, -1.0),
        "scale": (10.0, 0.1, 0.5),
        "weights": ((1.0, 0.0, 0.5), (-1.0, 0.0, -0.5)),
        "bias": (0.0, 0.0),
        "strength": 0.1,
        "confusion": {"large": 0.8},
        "figures": figures(),
        "made_by": "0",
    }
    return Classifier.model_validate({**values, **changed})


def answers(n=120, n_classes=3, n_features=6, spread=1.0, seed=0, shares=None):
    """Answers whose classes lie two units apart along one feature each."""
    rng = np.random.default_rng(seed)
    code = rng.choice(n_classes, n, p=shares)
    code[:n_classes] = np.arange(n_classes)
    values = rng.normal(0, spread, (n, n_features))
    values[np.arange(n), code] += 2
    return Labelled(values, code, np.ones(n), np.zeros(n_features, bool))

"""Fit a classifier to answers, and find out by cross-validation what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from nucwsi.teaching.classifier import softmax, standardised
from nucwsi.teaching.folds import Folds

#: Strengths of regularisation that are tried, the strongest first: scikit-learn's ``C``.
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

#: Features that are trusted count as if they were so many times larger: their weights are hardly
#: regularised. What the network said stands where answers are few, and other features only correct
#: it. On the images of docs/teach.md, 4 to 16 make classifiers that carry over to other patients
#: right for up to 0.09 more nuclei than 1 does.
_TRUST = 8.0

#: Temperatures lie between the inverse of this and this.
_HOTTEST = 5.0

#: Least probability that an error costs; a class that was not seen has none at all.
_LEAST = 1e-3

#: A feature that spreads by less than this share of its size tells nothing.
_LEAST_SPREAD = 1e-5

#: Digits of what is kept: more would differ between machines.
_DIGITS = 7


@dataclass(frozen=True)
class Labelled:
    """N nuclei whose class somebody has told.

    Attributes
    ----------
    values : (N, F) ndarray of float64
        Their features.
    code : (N,) ndarray of int64
        Class of each, 0 to K - 1; each occurs.
    weight : (N,) ndarray of float64
        How many nuclei each stands for, in any unit; above 0.
    trusted : (F,) ndarray of bool
        Features that are trusted: the network's answers.
    """

    values: NDArray[np.float64]
    code: NDArray[np.int64]
    weight: NDArray[np.float64]
    trusted: NDArray[np.bool_]

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.code.max()) + 1

    def take(self, mask: NDArray[np.bool_]) -> Labelled:
        """Return some of the nuclei.

        Parameters
        ----------
        mask : (N,) ndarray of bool
            Which ones.

        Returns
        -------
        Labelled
            In the same order; not each class need occur.
        """
        return Labelled(self.values[mask], self.code[mask], self.weight[mask], self.trusted)


class Linear(NamedTuple):
    """A multinomial logistic regression of K classes on F features.

    Attributes
    ----------
    mean, scale : (F,) ndarray of float64
        Mean and standard deviation of each feature.
    weights : (K, F) ndarray of float64
        Of the standardised features.
    bias : (K,) ndarray of float64
        Minus infinity for a class that was not seen.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logarithm of each class's probability, up to a constant.

        Parameters
        ----------
        values : (N, F) ndarray of float
            Features.

        Returns
        -------
        (N, K) ndarray of float64
            Minus infinity for a class that was not seen.
        """
        return standardised(values, self.mean, self.scale) @ self.weights.T + self.bias


class Fitted(NamedTuple):
    """A classifier, and its answers for nuclei of parts that it had not seen.

    Attributes
    ----------
    linear : Linear
        Fitted to all answers.
    strength : float
        Regularisation that was chosen.
    temperature : float
        By which logits are divided.
    unseen : (N, K) ndarray of float64
        Class probabilities of each nucleus by a classifier that did not see its part.
    """

    linear: Linear
    strength: float
    temperature: float
    unseen: NDArray[np.float64]


def fit(labelled: Labelled, folds: Folds) -> Fitted:
    """Fit a classifier; its regularisation is chosen by cross-validation.

    Parameters
    ----------
    labelled : Labelled
        N nuclei of K classes, at least two.
    folds : Folds
        What is left out in turn; at least three parts.

    Returns
    -------
    Fitted
        Each part was left out of everything that made its answers, the choice of the
        regularisation included. The temperature is chosen on these answers.
    """
    # Threads would wait for each other: the matrices are small. One also adds in one order.
    with threadpool_limits(1):
        return _fit(labelled, folds)


def _fit(labelled: Labelled, folds: Folds) -> Fitted:
    n_classes = labelled.n_classes
    unseen = np.empty((len(labelled.code), n_classes))
    for part in np.unique(folds.of).tolist():
        left_out = folds.of == part
        rest = labelled.take(~left_out)
        best = _best_strength(rest, folds.of[~left_out], n_classes)
        linear = _linear(rest, best, n_classes)
        unseen[left_out] = linear.logits(labelled.values[left_out])
    temperature = _temperature(unseen, labelled)
    linear, strength = fit_linear(labelled, folds)
    return Fitted(linear, strength, temperature, softmax(unseen / temperature))


def fit_linear(labelled: Labelled, folds: Folds) -> tuple[Linear, float]:
    """Fit a logistic regression alone, without asking what it is worth.

    Parameters
    ----------
    labelled : Labelled
        N nuclei of K classes, at least two.
    folds : Folds
        What is left out in turn to choose the regularisation.

    Returns
    -------
    linear : Linear
        Fitted to all answers.
    strength : float
        Regularisation that was chosen.
    """
    with threadpool_limits(1):
        strength = _best_strength(labelled, folds.of, labelled.n_classes)
        return _linear(labelled, strength, labelled.n_classes), strength


def log_loss(shares: NDArray[np.float64], labelled: Labelled) -> float:
    """Return how surprised class probabilities are by the truth.

    Parameters
    ----------
    shares : (N, K) ndarray of float64
        Class probabilities.
    labelled : Labelled
        N nuclei.

    Returns
    -------
    float
        Weighted mean of the negative logarithm; a probability below 0.001 counts as 0.001.
    """
    told = shares[np.arange(len(shares)), labelled.code]
    return float(np.average(-np.log(np.maximum(told, _LEAST)), weights=labelled.weight))


def _best_strength(labelled: Labelled, fold: NDArray[np.int64], n_classes: int) -> float:
    """Return the strength whose answers for parts left out are the least surprised."""
    losses = []
    for strength in _STRENGTHS:
        logits = np.empty((len(fold), n_classes))
        for part in np.unique(fold).tolist():
            left_out = fold == part
            linear = _linear(labelled.take(~left_out), strength, n_classes)
            logits[left_out] = linear.logits(labelled.values[left_out])
        losses.append(log_loss(softmax(logits), labelled))
    return _STRENGTHS[int(np.argmin(losses))]


def _linear(labelled: Labelled, strength: float, n_classes: int) -> Linear:
    """Fit a multinomial logistic regression."""
    # Its import takes longer than many a step.
    from sklearn.linear_model import LogisticRegression

    mean = labelled.values.mean(axis=0)
    spread = labelled.values.std(axis=0)
    scale = np.where(spread > _LEAST_SPREAD * np.maximum(1, np.abs(mean)), spread, np.inf)
    weights = np.zeros((n_classes, labelled.values.shape[1]))
    bias = np.full(n_classes, -np.inf)
    seen = np.unique(labelled.code)
    if len(seen) == 1:
        bias[seen] = 0.0
        return Linear(mean, scale, weights, bias)
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-6)
    share = labelled.weight * len(labelled.code) / labelled.weight.sum()
    size = np.where(labelled.trusted, _TRUST, 1.0)
    values = size * standardised(labelled.values, mean, scale)
    model.fit(values, labelled.code, sample_weight=share)
    # Of two classes, the library keeps the weights of the second against the first.
    both = len(seen) == 2
    weights[seen] = np.concatenate([-model.coef_, model.coef_]) / 2 if both else model.coef_
    bias[seen] = np.append(-model.intercept_, model.intercept_) / 2 if both else model.intercept_
    weights *= size
    # What tells nothing was 0 throughout.
    scale[np.isinf(scale)] = 1.0
    return Linear(*map(_rounded, (mean, scale, weights, bias)))


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    digits = [float(f"{value:.{_DIGITS}g}") for value in values.ravel().tolist()]
    return np.reshape(digits, values.shape)


def _temperature(logits: NDArray[np.float64], labelled: Labelled) -> float:
    """Return the temperature under which the true classes are the most probable.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """

    def surprise(logarithm: float) -> float:
        return log_loss(softmax(logits / np.exp(logarithm)), labelled)

    limit = float(np.log(_HOTTEST))
    found = minimize_scalar(surprise, bounds=(-limit, limit), method="bounded")
    return float(f"{np.exp(found.x):.{_DIGITS}g}")

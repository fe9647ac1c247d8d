"""What a classifier is worth beside the network's own classes and the commonest class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nucwsi.composition.miscounts import KnownCounts, fit_miscounts
from nucwsi.teaching.classifier import ClassFigures, Figures
from nucwsi.teaching.fit import Fitted, Labelled, log_loss
from nucwsi.teaching.folds import Folds

#: With fewer answers a classifier is more often worse than the network than better.
FEW_LABELS = 30

#: A class of which less is found, or more is wrong, is named.
_WEAK = 0.5


def network_answers(
    network_code: NDArray[np.integer],
    same: Sequence[int] | None,
    labelled: Labelled,
    folds: Folds,
) -> NDArray[np.int64]:
    """Say what the network answers, in the classes that are taught.

    Parameters
    ----------
    network_code : (N,) ndarray of int
        Class of the network of each nucleus, 0 to D - 1.
    same : sequence of int, optional
        For each of the D classes of the network the taught class it is, -1 for none. Without it,
        each counts as the taught class that it most often is in the parts that are not left out:
        the best that could be made of the network by renaming its classes.
    labelled : Labelled
        N nuclei.
    folds : Folds
        What is left out in turn.

    Returns
    -------
    (N,) ndarray of int64
        Taught class; -1 where it is none of them.
    """
    if same is not None:
        return np.asarray(same, np.int64)[network_code]
    answer = np.empty(len(network_code), np.int64)
    n_network = int(network_code.max(initial=0)) + 1
    for part in np.unique(folds.of).tolist():
        left_out = folds.of == part
        rest = ~left_out
        votes = np.zeros((n_network, labelled.n_classes))
        np.add.at(votes, (network_code[rest], labelled.code[rest]), labelled.weight[rest])
        # One that was not seen counts as the commonest.
        votes += 1e-9 * votes.sum(axis=0)
        answer[left_out] = votes.argmax(axis=1)[network_code[left_out]]
    return answer


def commonest_answers(labelled: Labelled, folds: Folds) -> NDArray[np.int64]:
    """Call each nucleus by the class that is commonest in the parts that are not left out.

    Parameters
    ----------
    labelled : Labelled
        N nuclei.
    folds : Folds
        What is left out in turn.

    Returns
    -------
    (N,) ndarray of int64
        Taught class.
    """
    answer = np.empty(len(labelled.code), np.int64)
    for part in np.unique(folds.of).tolist():
        left_out = folds.of == part
        votes = np.bincount(labelled.code[~left_out], labelled.weight[~left_out])
        answer[left_out] = votes.argmax()
    return answer


def measured(
    answered: NDArray[np.int64],
    network: NDArray[np.int64],
    labelled: Labelled,
    fitted: Fitted,
    folds: Folds,
    names: Sequence[str],
    n_slides: int,
) -> Figures:
    """Compare a classifier with the network and with the commonest class.

    Parameters
    ----------
    answered : (N,) ndarray of int64
        Class of each nucleus by a classifier that did not see its part.
    network : (N,) ndarray of int64
        Class by the network, -1 where it is none of them.
    labelled : Labelled
        N nuclei.
    fitted : Fitted
        The classifier.
    folds : Folds
        What was left out in turn.
    names : sequence of str
        Of the K classes.
    n_slides : int
        Slides with answers.

    Returns
    -------
    Figures
        Rounded to four digits.
    """
    code, weight = labelled.code, labelled.weight
    right, other = answered == code, network == code
    gain = right.astype(float) - other
    ahead = float(np.average(gain, weights=weight))
    spread = weight * (gain - ahead)
    classes = {
        name: _class_figures(answered == at, code == at, weight) for at, name in enumerate(names)
    }
    recalls = [other[code == at] for at in range(len(names))]
    weights = [weight[code == at] for at in range(len(names))]
    return Figures(
        accuracy=_share(right, weight),
        network=_share(other, weight),
        commonest=_share(commonest_answers(labelled, folds) == code, weight),
        mean_recall=round(float(np.mean([one.recall for one in classes.values()])), 4),
        network_mean_recall=round(
            float(np.mean([_share(r, w) for r, w in zip(recalls, weights, strict=True)])), 4
        ),
        ahead=round(ahead, 4),
        ahead_se=round(float(np.sqrt((spread**2).sum()) / weight.sum()), 4),
        log_loss=round(log_loss(fitted.unseen, labelled), 4),
        temperature=fitted.temperature,
        n_folds=len(np.unique(folds.of)),
        n_slides=n_slides,
        over=folds.over,
        classes=classes,
    )


def _share(hit: NDArray[np.bool_], weight: NDArray[np.float64]) -> float:
    return round(float(np.average(hit, weights=weight)), 4)


def _class_figures(
    called: NDArray[np.bool_], is_one: NDArray[np.bool_], weight: NDArray[np.float64]
) -> ClassFigures:
    precision = _share(is_one[called], weight[called]) if called.any() else None
    recall = _share(called[is_one], weight[is_one])
    return ClassFigures(labels=int(is_one.sum()), recall=recall, precision=precision)


def doubts(figures: Figures, not_claimed: dict[str, int], n_labels: int) -> Iterator[str]:
    """Say what makes a classifier less than it seems.

    Parameters
    ----------
    figures : Figures
        What cross-validation said.
    not_claimed : dict
        Class that had too few answers -> their number.
    n_labels : int
        Answers that it was taught with.

    Yields
    ------
    str
        One line for each doubt.
    """
    for name, count in not_claimed.items():
        yield f"{name} has {count} {'answer' if count == 1 else 'answers'} and is not claimed"
    if n_labels < FEW_LABELS:
        yield (
            f"{n_labels} answers are few: with fewer than {FEW_LABELS} a classifier is more often"
            " worse than the network than better"
        )
    own = f"right for {_percent(figures.accuracy)} of the nuclei left out"
    if figures.accuracy < figures.network:
        yield f"worse than the network: {own}, the network for {_percent(figures.network)}"
    elif figures.ahead < 2 * figures.ahead_se:
        yield (
            f"not shown to be better than the network: {own}, the network for"
            f" {_percent(figures.network)}, and the difference is within its error"
        )
    if figures.accuracy <= figures.commonest:
        yield f"no better than the commonest class: {own}, that for {_percent(figures.commonest)}"
    for name, one in figures.classes.items():
        if one.recall < _WEAK:
            yield f"finds {_percent(one.recall)} of {name}"
        if one.precision is not None and one.precision < _WEAK:
            yield f"of what it calls {name}, {_percent(one.precision)} is right"
    if figures.over == "blocks":
        slides = "one slide" if figures.n_slides == 1 else f"{figures.n_slides} slides"
        yield (
            f"tested on tissue of the same {slides}: what it is worth on another is not known;"
            " three slides with answers would tell"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def confusions(fitted: Fitted, labelled: Labelled, folds: Folds) -> NDArray[np.float64]:
    """Return how far a class is taken for another all over a slide, beyond chance.

    Parameters
    ----------
    fitted : Fitted
        The classifier.
    labelled : Labelled
        N nuclei of K classes.
    folds : Folds
        What was left out in turn.

    Returns
    -------
    (K,) ndarray of float64
        `CountError.confusion`, fitted to the parts as if they were images. Answers are few, so it
        stays near what is typical.
    """
    n_parts, shares = int(folds.of.max()) + 1, fitted.unseen

    def _sums(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.stack([np.bincount(folds.of, column, n_parts) for column in values.T], axis=1)

    truth = _sums(np.eye(shares.shape[1])[labelled.code]).astype(np.int64)
    known = np.ones(truth.shape, bool)
    source = np.full(n_parts, "answers")
    counts = KnownCounts(truth, known, _sums(shares), _sums(shares * (1 - shares)), source)
    return np.round(fit_miscounts(counts).confusion, 4)

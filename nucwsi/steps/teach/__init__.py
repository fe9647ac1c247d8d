"""`teach`: learn classes of a user's own from answers for a hundred nuclei or so.

`labels` finds the nuclei that answers are for; what is here gathers their features, has a
classifier fitted to them and writes it with what cross-validation says of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi import __version__
from nucwsi.classes import check_names
from nucwsi.config import TeachSettings
from nucwsi.errors import AnswerError, ConfigError
from nucwsi.io.classifier import card_path, write_classifier
from nucwsi.io.outputs import check_outputs
from nucwsi.io.review.results import NUCLEI, result_folders
from nucwsi.review.answers import class_key
from nucwsi.steps.teach.gather import (
    FEATURES,
    Gathered,
    feature_names,
    gathered,
    network_classes_of,
)
from nucwsi.steps.teach.labels import SlideLabels, class_counts, read_labels
from nucwsi.teaching.card import NONE_OF_THEM, card, summary
from nucwsi.teaching.classifier import Classifier
from nucwsi.teaching.figures import confusions, doubts, measured, network_answers
from nucwsi.teaching.fit import Labelled, fit
from nucwsi.teaching.folds import make_folds

log = logging.getLogger(__name__)

#: A class of fewer answers is not claimed.
LEAST_LABELS = 10


def teach(
    sources: Sequence[Path],
    output: Path,
    settings: TeachSettings,
    *,
    slides: Sequence[Path] = (),
) -> list[str]:
    """Learn classes from answers, and say what they are worth.

    Parameters
    ----------
    sources : sequence of pathlib.Path
        Folders of results (of slides or cohorts) or their ``nuclei.parquet``, and files of answers.
    output : pathlib.Path
        The classifier; its card is written beside it, with ``.md`` added to the name.
    settings : TeachSettings
        Whether classes are added to the network's, and what the classifier sees.
    slides : sequence of pathlib.Path
        Files of slides, where the results hold no features and do not say where the slide is.

    Returns
    -------
    list of str
        What came out, one line each.

    Raises
    ------
    AnswerError
        If answers cannot be used, or are too few.
    ConfigError
        If no results or no answers are named, or classes would be mixed up.
    SlideError
        If features must be measured, but a slide cannot be read.
    StoreError
        If a result is missing or damaged, or the output cannot be written.
    """
    results = [path for path in sources if path.is_dir() or path.suffix == ".parquet"]
    answers = [path for path in sources if path not in results]
    if not results or not answers:
        lacking = "results (a folder)" if not results else "answers (a file)"
        listed = ", ".join(map(str, sources))
        raise ConfigError(f"{listed}: names no {lacking}; name folders of results, and answers")
    if settings.rest and not settings.extend:
        raise ConfigError("`rest` needs `extend`: without it, every class of the answers is taught")
    folders = [folder for path in results for folder in result_folders(path)]
    read = [folder / name for folder in folders for name in (NUCLEI, FEATURES)]
    check_outputs([output, card_path(output)], [*answers, *slides, *read])
    labels = [one for one in read_labels(results, answers) if one.classes]
    if n_none := sum(len(one.none) for one in labels):
        log.info("%d answers say that it is no nucleus; not taught", n_none)
    if not labels:
        raise AnswerError(f"{', '.join(map(str, answers))}: name no class of a nucleus")
    classes, not_claimed = _claimed(labels, settings, answers)
    names = feature_names(labels, settings)
    found = gathered(labels, names, slides)
    classifier = _classifier(output.stem, found, classes, not_claimed, names, settings, labels)
    write_classifier(output, classifier, card(classifier))
    for line in classifier.warnings:
        log.warning("%s", line)
    return [*summary(classifier), f"{output} and its card {card_path(output)}"]


def _claimed(
    labels: Sequence[SlideLabels], settings: TeachSettings, answers: Sequence[Path]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the classes to teach, and those that have too few answers."""
    counts = dict(class_counts(labels))
    rest = _rest(labels, settings) if settings.extend else set()
    taught = {name: count for name, count in counts.items() if class_key(name) not in rest}
    few = {name: count for name, count in taught.items() if count < LEAST_LABELS}
    classes = tuple(sorted(name for name in taught if name not in few))
    n_rest = sum(count for name, count in counts.items() if class_key(name) in rest)
    named = ", ".join(map(str, answers[:3])) + (", ..." if len(answers) > 3 else "")
    told = ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
    told = f"{named}: answers are {told:.300}"
    if settings.extend and (not classes or n_rest < LEAST_LABELS):
        raise AnswerError(
            f"{told}; to add a class to the network's takes {LEAST_LABELS} answers for it,"
            f" and {LEAST_LABELS} for nuclei of the network's classes (or of those in --rest)"
        )
    if not settings.extend and len(classes) < 2:
        raise AnswerError(
            f"{told}; it takes two classes with at least {LEAST_LABELS} answers each, or"
            " --extend for one class beside the network's"
        )
    network_classes = labels[0].facts.network_classes if settings.extend else ()
    try:
        check_names((*network_classes, *classes), ())
    except ValueError as error:
        raise ConfigError(f"{error}; name the classes otherwise in the answers") from None
    return classes, few


def _rest(labels: Sequence[SlideLabels], settings: TeachSettings) -> set[str]:
    """Return the keys of the classes that mean: none of those that are taught."""
    networks = (name for one in labels for name in one.facts.network_classes)
    return {class_key(name) for name in (*networks, *settings.rest)}


def _classifier(
    name: str,
    found: Gathered,
    classes: tuple[str, ...],
    not_claimed: dict[str, int],
    names: tuple[str, ...],
    settings: TeachSettings,
    labels: Sequence[SlideLabels],
) -> Classifier:
    """Fit a classifier to what was gathered."""
    rest = _rest(labels, settings) if settings.extend else set()
    code_of = {class_name: at for at, class_name in enumerate(classes)}
    last = len(classes)
    code = np.array(
        [
            last if class_key(label) in rest else code_of.get(label, -1)
            for label in found.label.tolist()
        ]
    )
    kept = code >= 0
    found, code = found.take(kept), code[kept]
    network_classes = network_classes_of(labels)
    said_of_classes = {f"network_{class_name}" for class_name in network_classes}
    trusted = np.array([feature in said_of_classes for feature in names])
    labelled = Labelled(found.values, code, found.weight / found.weight.mean(), trusted)
    folds = make_folds(found.slide, found.points_um)
    fitted = fit(labelled, folds)
    said = found.network.argmax(axis=1)
    n_slides = len(np.unique(found.slide))
    called = _called(fitted.unseen, np.exp(found.network), last if settings.extend else None)
    figures = measured(
        called,
        network_answers(said, _same(network_classes, classes, settings), labelled, folds),
        labelled,
        fitted,
        folds,
        (*classes, *([NONE_OF_THEM] if settings.extend else [])),
        n_slides,
    )
    linear = fitted.linear
    error = confusions(fitted, labelled, folds)[:last]
    return Classifier(
        name=name,
        classes=classes,
        extends=settings.extend,
        network_classes=network_classes,
        features=names,
        mean=tuple(linear.mean.tolist()),
        scale=tuple(linear.scale.tolist()),
        weights=tuple(map(tuple, linear.weights.tolist())),
        bias=tuple(linear.bias.tolist()),
        strength=fitted.strength,
        confusion=dict(zip(classes, error.tolist(), strict=True)),
        figures=figures,
        not_claimed=not_claimed,
        warnings=tuple(doubts(figures, not_claimed, len(code))),
        made_by=__version__,
    )


def _called(
    shares: NDArray[np.float64], network_shares: NDArray[np.float64], last: int | None
) -> NDArray[np.int64]:
    """Return the most probable class; `last` is that of what keeps the network's, if any does.

    What keeps the network's class is several classes, none of which need be as probable as a taught
    one.
    """
    if last is None:
        return shares.argmax(axis=1)
    best = network_shares.max(axis=1) / network_shares.sum(axis=1)
    competing = np.column_stack([shares[:, :last], shares[:, last] * best])
    return competing.argmax(axis=1)


def _same(
    network_classes: tuple[str, ...], classes: tuple[str, ...], settings: TeachSettings
) -> list[int] | None:
    """Return the taught class that each class of the network is, if all taught ones are such."""
    if settings.extend:
        return [len(classes)] * len(network_classes)
    keys = [class_key(name) for name in classes]
    known = [class_key(name) for name in network_classes]
    if not set(keys) <= set(known):
        return None
    return [keys.index(key) if key in keys else -1 for key in known]

"""`classify`: give nuclei the classes that a classifier was taught."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi import RESULT_VERSION
from nucwsi.classes import check_names, most_probable, unions_within
from nucwsi.errors import ConfigError
from nucwsi.facts import SlideFacts
from nucwsi.io.classifier import read_classifier
from nucwsi.io.nuclei.features import Described, read_features
from nucwsi.io.nuclei.parquet import AT_ONCE, iter_tables, write_nuclei
from nucwsi.io.outputs import check_outputs
from nucwsi.nuclei.miscount import Miscount
from nucwsi.nuclei.table import NucleusTable
from nucwsi.nuclei.taught import Taught
from nucwsi.runtime.progress import progress
from nucwsi.steps.features import SlideNuclei, measuring, read_nuclei
from nucwsi.teaching.classifier import Classifier

log = logging.getLogger(__name__)


def classify(
    slide: Path,
    nuclei: Path,
    classifier: Path,
    output: Path,
    *,
    features: Path | None = None,
    threads: int = 1,
) -> None:
    """Apply a classifier to the nuclei of a slide.

    Parameters
    ----------
    slide : pathlib.Path
        The slide itself; not read where features are given.
    nuclei : pathlib.Path
        Table of nuclei, as `stitch` or this step has made it.
    classifier : pathlib.Path
        What `teach` has made.
    output : pathlib.Path
        ``nuclei.parquet``: the same nuclei with the classes that were taught, and those of the
        network in columns of their own.
    features : pathlib.Path, optional
        ``features.parquet`` of these nuclei; by default features are measured.
    threads : int
        Number of pieces of the slide that are worked on at the same time.

    Raises
    ------
    CheckpointError
        If the classifier cannot be read.
    ConfigError
        If it was taught with the answers of another network.
    SlideError
        If the slide cannot be read.
    StoreError
        If an input is missing or damaged, or the output cannot be written.
    """
    check_outputs([output], [slide, nuclei, classifier, features])
    model, checksum = read_classifier(classifier)
    table = read_nuclei(nuclei)
    lacking = [name for name in model.features if name not in table.names]
    if lacking:
        raise ConfigError(
            f"{classifier}: sees {lacking[0]!r}, which {nuclei} lacks: it was taught with the"
            f" answers of a network of other classes ({', '.join(model.network_classes)}); teach"
            " one with --no-network"
        )
    facts = _facts(table.facts, model, checksum, classifier)
    total = table.surroundings.n_nuclei
    with progress("classify", total, "nuclei") as advance:
        described = _described(slide, table, model.features, features, threads)

        def classified() -> Iterator[NucleusTable]:
            for some, values in _aligned(iter_tables(nuclei), described, len(model.features)):
                yield _classified(some, values, model)
                advance(len(some))

        write_nuclei(output, classified(), facts, AT_ONCE)
    for line in model.warnings:
        log.warning("%s: %s", model.name, line)
    log.info("%d nuclei classified by %s", total, model.name)


def _facts(facts: SlideFacts, model: Classifier, checksum: str, path: Path) -> SlideFacts:
    """Say of the nuclei that a classifier gave them their classes."""
    network = facts.network_classes
    classes = model.final_classes(network)
    try:
        check_names(classes, ())
    except ValueError as error:
        raise ConfigError(f"{path}: cannot be added to the network's classes: {error}") from None
    figures = model.figures
    known = facts.miscount or Miscount(0.0, 0.0, {})
    own = known.confusion if model.extends and facts.taught is None else {}
    return facts.with_(
        classes=classes,
        unions=unions_within(facts.unions, classes),
        contrasts=facts.contrasts if model.extends and facts.taught is None else 0,
        count_error={},
        miscount=replace(known, confusion={**own, **model.confusion}),
        result_version=RESULT_VERSION,
        taught=Taught(
            name=model.name,
            checksum=checksum,
            network_classes=network,
            extends=model.extends,
            labels={name: figures.classes[name].labels for name in model.classes},
            accuracy=figures.accuracy,
            network_accuracy=figures.network,
            commonest_accuracy=figures.commonest,
            warnings=model.warnings,
        ),
    )


def _described(
    slide: Path, table: SlideNuclei, names: tuple[str, ...], features: Path | None, threads: int
) -> Iterator[Described]:
    """Yield the features of all nuclei, from a table or from the slide."""
    if features is not None:
        yield from read_features(features, names, table.digest)
        return
    columns = [table.names.index(name) for name in names]
    with measuring(slide, table, threads) as measure:
        for some in measure(None):
            yield Described(some.id, some.values[:, columns])


def _aligned(
    tables: Iterator[NucleusTable], described: Iterator[Described], n_features: int
) -> Iterator[tuple[NucleusTable, NDArray[np.float32]]]:
    """Yield tables and the features of their nuclei, however both are cut."""
    waiting = np.empty((0, n_features), np.float32)
    for table in tables:
        while len(waiting) < len(table):
            waiting = np.concatenate([waiting, next(described).values])
        yield table, waiting[: len(table)]
        waiting = waiting[len(table) :]


def _classified(
    table: NucleusTable, values: NDArray[np.float32], model: Classifier
) -> NucleusTable:
    network = table.network_probabilities
    if network is None:
        network = table.class_probabilities
    shares = model.shares(values)
    combined = model.combined(shares, network)
    contrasts = np.empty((len(table), 0), np.float32)
    if model.extends and table.network_probabilities is None:
        contrasts = _extended(table.contrasts, shares[:, -1:], network.shape[1], len(model.classes))
    return replace(
        table,
        class_code=most_probable(combined),
        class_probabilities=combined,
        contrasts=contrasts,
        network_probabilities=network,
    )


def _extended(
    contrasts: NDArray[np.float32], rest: NDArray[np.float64], n_network: int, n_taught: int
) -> NDArray[np.float32]:
    """Return contrasts (N, Q · C) between the answers of networks that have their say in `rest`.

    `rest` (N, 1) is the probability that the network's class holds; of the taught ones there is no
    contrast.
    """
    count, columns = contrasts.shape
    each = contrasts.reshape(count, columns // n_network, n_network) * rest[:, :, None]
    wider = np.pad(each, ((0, 0), (0, 0), (0, n_taught)))
    return wider.reshape(count, -1).astype(np.float32)

"""What is known of every nucleus with an answer: its features, its class, its place, its weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.config import TeachSettings
from nucwsi.errors import ConfigError
from nucwsi.features import network
from nucwsi.io.nuclei.features import read_features
from nucwsi.steps.features import SlideNuclei, measuring, names_of, read_nuclei
from nucwsi.steps.teach.labels import SlideLabels
from nucwsi.steps.teach.slides import slide_of

#: Table of features beside that of nuclei.
FEATURES = "features.parquet"


class Gathered(NamedTuple):
    """N answers.

    Attributes
    ----------
    values : (N, F) ndarray of float64
        Features of the nuclei.
    label : (N,) ndarray of str
        Class that was answered.
    weight : (N,) ndarray of float64
        How many nuclei each stands for.
    slide : (N,) ndarray of int64
        Number of the slide, from 0 on.
    points_um : (N, 2) ndarray of float64
        Row and column in µm from the first nuclei of the slide; not negative.
    network : (N, D) ndarray of float64
        Logarithm of the probability of each class of the networks, minus infinity for a class that
        another network has.
    """

    values: NDArray[np.float64]
    label: NDArray[np.object_]
    weight: NDArray[np.float64]
    slide: NDArray[np.int64]
    points_um: NDArray[np.float64]
    network: NDArray[np.float64]

    def take(self, mask: NDArray[np.bool_]) -> Gathered:
        """Return some of the answers.

        Parameters
        ----------
        mask : (N,) ndarray of bool
            Which ones.

        Returns
        -------
        Gathered
            In the same order.
        """
        columns: list[Any] = [column[mask] for column in self]
        return Gathered(*columns)


def feature_names(labels: Sequence[SlideLabels], settings: TeachSettings) -> tuple[str, ...]:
    """Return the features that the classifier sees.

    Parameters
    ----------
    labels : sequence of SlideLabels
        Slides with answers, at least one.
    settings : TeachSettings
        Whether it sees what the network said.

    Returns
    -------
    tuple of str
        Names of F features.

    Raises
    ------
    ConfigError
        If it shall see what networks of different classes said.
    """
    networks = {one.facts.network_classes for one in labels}
    if len(networks) > 1 and (settings.network or settings.extend):
        raise ConfigError(
            f"the results are of networks with different classes ({sorted(networks)}); teach with"
            " --no-network and without --extend, or from results of one network"
        )
    classes = labels[0].facts.network_classes
    # A single class, as nuclei of other programs may have, tells nothing.
    hidden = set(network.names(classes)) if len(classes) == 1 or not settings.network else set()
    return tuple(name for name in names_of(classes) if name not in hidden)


def network_classes_of(labels: Sequence[SlideLabels]) -> tuple[str, ...]:
    """Return the classes of all networks, each once.

    Parameters
    ----------
    labels : sequence of SlideLabels
        Slides with answers.

    Returns
    -------
    tuple of str
        D names, those of the first slide first.
    """
    return tuple(dict.fromkeys(name for one in labels for name in one.facts.network_classes))


def gathered(
    labels: Sequence[SlideLabels], names: tuple[str, ...], slides: Sequence[Path]
) -> Gathered:
    """Gather what is known of all nuclei with an answer.

    Parameters
    ----------
    labels : sequence of SlideLabels
        Slides with answers, at least one.
    names : tuple of str
        Of F features.
    slides : sequence of pathlib.Path
        Files of slides, where the results hold no features and do not say where the slide is.

    Returns
    -------
    Gathered
        Slide by slide, each in the order of its table.

    Raises
    ------
    ConfigError
        If features must be measured, but the slide is not there.
    StoreError
        If a table is missing, damaged, or of other nuclei.
    """
    parts, every = [], network_classes_of(labels)
    for number, one in enumerate(labels):
        wanted = np.zeros(len(one.ids), bool)
        wanted[one.rows] = True
        table = read_nuclei(one.nuclei)
        asked = [f"network_{name}" for name in one.facts.network_classes]
        kept = [*names, *(name for name in asked if name not in names)]
        values = _features(one, table, wanted, tuple(kept), slides)
        points = table.surroundings.points_um[wanted]
        label = np.array([one.classes[row] for row in one.rows.tolist()], object)
        said = np.full((len(label), len(every)), -np.inf)
        for class_name, column in zip(one.facts.network_classes, asked, strict=True):
            said[:, every.index(class_name)] = values[:, kept.index(column)]
        parts.append(
            Gathered(
                values[:, : len(names)].astype(np.float64),
                label,
                one.weight,
                np.full(len(label), number),
                points - table.surroundings.points_um.min(axis=0),
                said,
            )
        )
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Gathered(*columns)


def _features(
    one: SlideLabels,
    table: SlideNuclei,
    wanted: NDArray[np.bool_],
    names: tuple[str, ...],
    slides: Sequence[Path],
) -> NDArray[np.float32]:
    """Read features from the table beside the nuclei, or measure them on the slide."""
    beside = one.nuclei.with_name(FEATURES)
    if beside.exists():
        ids = one.ids[wanted]
        described = read_features(beside, names, table.digest)
        return np.concatenate([some.values[np.isin(some.id, ids)] for some in described])
    slide = slide_of(one, slides)
    if slide is None:
        raise ConfigError(
            f"{beside}: does not exist, and the slide of {one.facts.slide} is not where it was;"
            " name it with --slide"
        )
    with measuring(slide, table) as measure:
        values = np.concatenate([some.values for some in measure(wanted)])
    return values[:, [table.names.index(name) for name in names]]

"""Which labels training uses, how often it draws each sample, and the weight of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.labels.targets import published_hv_targets
from nucwsi.training.sample import CLASS_OF_SET, Sample

#: Multiples of it, modulo 1, spread evenly however many there are.
_GOLDEN = 0.6180339887498949


def by_turns(sources: Sequence[str]) -> list[int]:
    """Order images so that the first ones, however many, stand for all.

    Parameters
    ----------
    sources : sequence of str
        The source of each image, such as its data set.

    Returns
    -------
    list of int
        Places of the images. Sources take turns, each with its images in an order that is spread
        over all that it has.
    """
    names = np.array(sources, np.str_)
    turn = np.zeros(len(names), int)
    for name in np.unique(names):
        own = np.flatnonzero(names == name)
        turn[own[np.argsort(np.arange(len(own)) * _GOLDEN % 1)]] = np.arange(len(own))
    order: list[int] = np.lexsort((names, turn)).tolist()
    return order


def select_supervision(samples: list[Sample], how: TrainSettings) -> list[Sample]:
    """Return the samples with the labels and targets that the settings ask for.

    Parameters
    ----------
    samples : list of Sample
        With all that is known of them.
    how : TrainSettings
        With `published_targets` the targets are those of the published code. Without `label_sets`,
        labels that allow several classes are forgotten; without `point_cover`, what points say
        about `np` is.

    Returns
    -------
    list of Sample
        In the same order; none is changed in place.
    """
    if how.published_targets:
        samples = [replace(s, hv_map=published_hv_targets(s.instances)) for s in samples]
    if not how.label_sets:
        single = CLASS_OF_SET >= 0
        samples = [replace(s, class_set=s.class_set * single[s.class_set]) for s in samples]
    if not how.point_cover:
        samples = [replace(s, known=s.known & s.outlined) for s in samples]
    return samples


def class_weights(samples: list[Sample], n_classes: int) -> NDArray[np.float64]:
    """Weigh classes by the root of their rarity, within [0.5, 2].

    Parameters
    ----------
    samples : list of Sample
        To learn from; labels that allow several classes do not count.
    n_classes : int
        Classes C of the network.

    Returns
    -------
    (C,) ndarray of float64
        About 1 for a class as frequent as the median; 1 for a class that occurs nowhere.
    """
    nuclei = np.sum([sample.class_counts(n_classes) for sample in samples], axis=0)
    present = nuclei > 0
    weights = np.ones(n_classes)
    if present.any():
        weights[present] = np.sqrt(np.median(nuclei[present]) / nuclei[present])
    return weights.clip(0.5, 2)


def read_source_weights(lines: Sequence[str], samples: list[Sample]) -> dict[str, float]:
    """Read how much more or less often than usual crops of each data set are drawn.

    Parameters
    ----------
    lines : sequence of str
        ``data set = multiple``, as `TrainSettings.source_weights` holds them.
    samples : list of Sample
        To learn from.

    Returns
    -------
    dict of str to float
        Data set -> multiple of its share, for those that are named.

    Raises
    ------
    ConfigError
        If a data set has no image, is named twice, or none is left to learn from.
    """
    present = {sample.dataset for sample in samples}
    weights: dict[str, float] = {}
    for line in lines:
        name, _, multiple = (part.strip() for part in line.partition("="))
        if name not in present:
            raise ConfigError(
                f"`source_weights` names {name!r}; expected data sets that have images to learn"
                f" from: {', '.join(sorted(present))}"
            )
        if name in weights:
            raise ConfigError(f"`source_weights` names {name!r} twice; expected each data set once")
        weights[name] = float(multiple)
    if not any(weights.get(name, 1.0) for name in present):
        raise ConfigError("`source_weights` is 0 for every data set; expected one to learn from")
    return weights


def sample_weights(
    samples: list[Sample],
    rarity: NDArray[np.float64] | None,
    source_weights: Mapping[str, float] = MappingProxyType({}),
) -> NDArray[np.float64]:
    """Give every data set a share by the root of its nuclei, divided among its images.

    Half of the share is divided by the area of the images, half by their nuclei.

    Parameters
    ----------
    samples : list of Sample
        To learn from.
    rarity : (C,) ndarray of float64, or None
        Weight of a nucleus of each class; None: the whole share is divided by area.
    source_weights : mapping of str to float
        Data set -> what its share is multiplied by; 1 where it is not named.

    Returns
    -------
    (N,) ndarray of float
        Probability that a crop comes from each of the N samples; sums to one.
    """
    datasets = np.array([sample.dataset for sample in samples])
    n_nuclei = np.array([len(s.allowed) for s in samples])
    areas = np.array([s.instances.size / s.scale**2 for s in samples])
    rare = np.zeros(len(samples))
    if rarity is not None:
        rare = np.array([s.class_counts(len(rarity)) @ rarity for s in samples])
    weights = np.zeros(len(samples))
    for dataset in np.unique(datasets):
        chosen = datasets == dataset
        share = areas[chosen] / areas[chosen].sum()
        if rare[chosen].any():
            share = (share + rare[chosen] / rare[chosen].sum()) / 2
        worth = source_weights.get(str(dataset), 1.0)
        weights[chosen] = worth * share * math.sqrt(max(1, n_nuclei[chosen].sum()))
    return weights / weights.sum()

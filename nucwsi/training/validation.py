"""Scores of a network on validation images, for monitoring training and choosing constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nucwsi import metrics
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.nuclei.constants import PostProcessing, in_pixels
from nucwsi.training.labelled_nuclei import ImageNuclei, find_nuclei
from nucwsi.training.sample import Sample
from nucwsi.training.scores import detect_classes


class OutlineScores(NamedTuple):
    """How well the outlines of a data set are met: means over its images, on their own pixels.

    Attributes
    ----------
    pq, aji : float
        Panoptic quality and aggregated Jaccard index, 0 to 1.
    """

    pq: float
    aji: float


def outlines_by_dataset(
    samples: list[Sample], maps: list[QuantisedMaps], fixed: PostProcessing, mpp: float
) -> dict[str, OutlineScores]:
    """Score the outlines that post-processing makes of the maps of images.

    Parameters
    ----------
    samples : list of Sample
        The truth; images without outlines are left out.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    fixed : PostProcessing
        Constants of post-processing, in µm.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    dict
        Data set -> OutlineScores; images without nuclei, true or found, have no score.
    """
    scores: dict[str, list[OutlineScores]] = {}
    outlined = [sample.outlined for sample in samples]
    for sample, nuclei in _found_in(samples, maps, fixed, mpp, outlined):
        pairs = metrics.overlaps(sample.instances, nuclei.labels)
        score = OutlineScores(metrics.panoptic_of(pairs).pq, metrics.aji_of(pairs))
        if np.isfinite(score.pq):
            scores.setdefault(sample.dataset, []).append(score)
    return {
        dataset: OutlineScores(*np.mean(values, axis=0).tolist())
        for dataset, values in scores.items()
    }


def detection_by_dataset(
    samples: list[Sample], maps: list[QuantisedMaps], fixed: PostProcessing, mpp: float
) -> dict[str, float]:
    """Score the nuclei of images whose truth is points.

    Parameters
    ----------
    samples : list of Sample
        The truth; images with outlines are left out.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    fixed : PostProcessing
        Constants of post-processing, in µm.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    dict
        Data set -> F1 over the nuclei of all its images (`metrics.class_detection`), averaged over
        the classes that the data set knows.
    """
    scores: dict[str, list[list[metrics.Score]]] = {}
    pointed = [not sample.outlined for sample in samples]
    n_classes = len(fixed.min_area_um2)
    for sample, nuclei in _found_in(samples, maps, fixed, mpp, pointed):
        score = detect_classes(sample, nuclei, n_classes, mpp)
        scores.setdefault(sample.dataset, []).append(score)
    pooled = {dataset: metrics.summed(values) for dataset, values in scores.items()}
    known = {name: [one for one in pool if one.tp + one.fn] for name, pool in pooled.items()}
    return {name: float(np.mean([one.dq for one in pool])) for name, pool in known.items() if pool}


def mean_score(
    samples: list[Sample], maps: list[QuantisedMaps], fixed: PostProcessing, mpp: float
) -> float:
    """Average the scores of all data sets, so that each counts alike.

    Parameters
    ----------
    samples : list of Sample
        The truth; at least one image with outlines has nuclei.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    fixed : PostProcessing
        Constants of post-processing, in µm.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    float
        0 to 1. A data set with outlines scores the mean of its PQ and AJI, one with points its F1
        of classes.
    """
    outlines = outlines_by_dataset(samples, maps, fixed, mpp)
    points = detection_by_dataset(samples, maps, fixed, mpp)
    means = [(one.pq + one.aji) / 2 for one in outlines.values()]
    return float(np.mean([*means, *points.values()]))


def _found_in(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    fixed: PostProcessing,
    mpp: float,
    chosen: list[bool],
) -> Iterable[tuple[Sample, ImageNuclei]]:
    """Yield the chosen images with their nuclei, one at a time."""
    constants = in_pixels(fixed, tuple(fixed.min_area_um2), mpp)
    for sample, seen, wanted in zip(samples, maps, chosen, strict=True):
        if wanted:
            yield sample, find_nuclei(seen, constants, sample)

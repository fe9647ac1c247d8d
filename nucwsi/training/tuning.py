"""What is chosen on validation images after training: temperature and post-processing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.calibration import (
    Reliability,
    fit_temperature,
    reliability,
    temperature_scaled,
)
from nucwsi.metrics import Score, aji, class_detection, panoptic, summed
from nucwsi.models.ensemble import QuantisedMaps
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.window import in_pixels
from nucwsi.training.count_truth import class_codes
from nucwsi.training.data import Sample
from nucwsi.training.labelled_nuclei import MATCH_UM, Found, found

#: A class with fewer nuclei says nothing of a state of training.
_FEWEST_NUCLEI = 50

#: Values that are tried, one constant after the other.
_TRIED: dict[str, tuple[Any, ...]] = {
    "edge_slope": (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.2),
    "min_marker_um2": (0.5, 1.0, 2.0, 4.0),
}
_TRIED_AREAS_UM2 = (2.0, 4.0, 6.0, 8.0, 11.0, 14.0, 18.0)

#: These two are tried together: a low threshold pays only where unsure nuclei are dropped.
_TRIED_THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
_TRIED_MEANS = (0.0, 0.55, 0.6, 0.65, 0.7, 0.75)

#: What of the score may be given up for a lower threshold: in other tissue, and averaged over
#: members, networks are less sure than on the images that choose.
_TOLERANCE = 0.002


def first_constants(classes: tuple[str, ...]) -> PostProcessing:
    """Return the constants that the search begins with, and that training is watched with.

    Parameters
    ----------
    classes : tuple of str

    Returns
    -------
    PostProcessing
        In µm, so that they fit any mpp.
    """
    return PostProcessing(0.5, 0.08, 2.0, dict.fromkeys(classes, 6.0))


class Outlined(NamedTuple):
    """How well the outlines of a data set are met: means over its images, at their resolution."""

    pq: float
    aji: float


def _compared(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    fixed: PostProcessing,
    mpp: float,
    *,
    outlined: bool,
) -> Iterator[tuple[str, Sample, Found]]:
    """Yield the data set, the truth and the nuclei of the images with outlines, or without."""
    constants = in_pixels(fixed, tuple(fixed.min_area_um2), mpp)
    for sample, seen in zip(samples, maps, strict=True):
        if sample.outlined == outlined:
            yield sample.name.split("/")[0], sample, found(seen, constants, sample)


def outlines_by_source(
    samples: list[Sample], maps: list[QuantisedMaps], fixed: PostProcessing, mpp: float
) -> dict[str, Outlined]:
    """Score the nuclei that the maps of images give.

    Parameters
    ----------
    samples : list of Sample
        Those without outlines are left out.
    maps : list of QuantisedMaps
        Of each sample.
    fixed : PostProcessing
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    dict
        Data set -> Outlined; images without nuclei, true or found, have no score.
    """
    scores: dict[str, list[Outlined]] = {}
    for source, sample, nuclei in _compared(samples, maps, fixed, mpp, outlined=True):
        pair = sample.instances, nuclei.labels
        score = Outlined(panoptic(*pair).pq, aji(*pair))
        if np.isfinite(score.pq):
            scores.setdefault(source, []).append(score)
    return {
        source: Outlined(*np.mean(values, axis=0).tolist()) for source, values in scores.items()
    }


def detection_by_source(
    samples: list[Sample], maps: list[QuantisedMaps], fixed: PostProcessing, mpp: float
) -> dict[str, float]:
    """Score the nuclei that the maps of images give where the truth is points.

    Parameters
    ----------
    samples : list of Sample
        Those with outlines are left out.
    maps : list of QuantisedMaps
        Of each sample.
    fixed : PostProcessing
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    dict
        Data set -> F1 of the nuclei of all its images, each class by itself, mean over the classes
        that it knows (`metrics.class_detection`).
    """
    scores: dict[str, list[list[Score]]] = {}
    for source, sample, nuclei in _compared(samples, maps, fixed, mpp, outlined=False):
        score = class_detection(
            sample.centroids,
            nuclei.centroids,
            class_codes(sample.allowed),
            nuclei.class_code,
            len(fixed.min_area_um2),
            MATCH_UM / mpp * sample.scale,
        )
        scores.setdefault(source, []).append(score)
    pooled = {source: summed(values) for source, values in scores.items()}
    known = {source: [one for one in of if one.tp + one.fn] for source, of in pooled.items()}
    return {source: float(np.mean([one.dq for one in of])) for source, of in known.items() if of}


def tuned(
    samples: list[Sample], maps: list[QuantisedMaps], classes: tuple[str, ...], mpp: float
) -> PostProcessing:
    """Search the constants of post-processing, one after the other, twice around.

    Parameters
    ----------
    samples : list of Sample
        For validation.
    maps : list of QuantisedMaps
        Of each sample.
    classes : tuple of str
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    PostProcessing
        That with the best mean over data sets, of the mean of PQ and AJI or, where the truth is
        points, of the F1 of classes; but for `np_threshold`: the least that comes within 0.002 of
        it. The first values where no sample has outlined nuclei.
    """
    best = first_constants(classes)
    if not any(sample.instances.any() for sample in samples if sample.outlined):
        return best

    reached: dict[str, float] = {}

    def _quality(candidate: PostProcessing) -> float:
        key = repr(candidate)
        if key not in reached:
            outlines = outlines_by_source(samples, maps, candidate, mpp)
            points = detection_by_source(samples, maps, candidate, mpp)
            both = [(one.pq + one.aji) / 2 for one in outlines.values()]
            reached[key] = float(np.mean([*both, *points.values()]))
        return reached[key]

    for _ in range(2):
        by_threshold = [
            max(
                (replace(best, np_threshold=threshold, min_mean_np=mean) for mean in _TRIED_MEANS),
                key=_quality,
            )
            for threshold in _TRIED_THRESHOLDS
        ]
        enough = max(map(_quality, by_threshold)) - _TOLERANCE
        best = next(one for one in by_threshold if _quality(one) >= enough)
        for name, values in _TRIED.items():
            candidates = [replace(best, **{name: value}) for value in values]
            best = max(candidates, key=_quality)
        candidates = [
            replace(best, min_area_um2=dict.fromkeys(classes, v)) for v in _TRIED_AREAS_UM2
        ]
        best = max(candidates, key=_quality)
    return best


class _Typed(NamedTuple):
    """Pixels of nuclei whose class is known.

    Attributes
    ----------
    pixels : (N, C) ndarray of float64
        Class probabilities.
    nucleus : (N,) ndarray of int
        Which nucleus each belongs to, from 0.
    truth : (K,) ndarray of int
        Class of each nucleus.
    """

    pixels: NDArray[np.float64]
    nucleus: NDArray[np.integer]
    truth: NDArray[np.integer]


def _typed(samples: Iterable[Sample], maps: Iterable[QuantisedMaps]) -> _Typed:
    pixels, owners, truths, total = [], [], [], 0
    for sample, seen in zip(samples, maps, strict=True):
        rows, columns = (
            np.minimum(((np.arange(size) + 0.5) * sample.scale).astype(int), side - 1)
            for size, side in zip(seen.np_map.shape, sample.owner.shape, strict=True)
        )
        at = np.ix_(rows, columns)
        # A label that allows several classes tells nothing of how sure to be.
        known = np.isin(sample.class_set[at], 1 << np.arange(8))
        nuclei, first, owner = np.unique(
            sample.owner[at][known], return_index=True, return_inverse=True
        )
        pixels.append(seen.tp_map[:, known].T / 255)
        owners.append(owner + total)
        truths.append(np.log2(sample.class_set[at][known][first]).astype(int))
        total += len(nuclei)
    return _Typed(np.concatenate(pixels), np.concatenate(owners), np.concatenate(truths))


def temperature(samples: list[Sample], maps: list[QuantisedMaps]) -> float:
    """Find by what the class logits are to be divided.

    Parameters
    ----------
    samples : list of Sample
        For validation.
    maps : list of QuantisedMaps
        Of each sample.

    Returns
    -------
    float
    """
    return fit_temperature(*_typed(samples, maps))


def said_and_true(samples: list[Sample], maps: list[QuantisedMaps]) -> Reliability:
    """Compare how sure the maps are of the classes of true nuclei with how often they are right.

    Parameters
    ----------
    samples : list of Sample
        For validation.
    maps : list of QuantisedMaps
        Of each sample.

    Returns
    -------
    Reliability
    """
    pixels, nucleus, truth = _typed(samples, maps)
    return reliability(temperature_scaled(pixels, nucleus, len(truth), 1.0), truth)


def class_accuracy(samples: list[Sample], maps: list[QuantisedMaps]) -> float:
    """Return the mean over classes of the share of true nuclei that are called by their class.

    Classes of fewer than 50 nuclei are left out, unless there is no other.

    Parameters
    ----------
    samples : list of Sample
    maps : list of QuantisedMaps
        Of each sample.

    Returns
    -------
    float
        0 where no class is known.
    """
    pixels, nucleus, truth = _typed(samples, maps)
    if not len(truth):
        return 0.0
    called = most_probable(temperature_scaled(pixels, nucleus, len(truth), 1.0))
    classes, count = np.unique(truth, return_counts=True)
    enough = count >= min(_FEWEST_NUCLEI, count.max())
    return float(np.mean([(called[truth == c] == c).mean() for c in classes[enough]]))

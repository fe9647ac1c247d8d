"""Scores of the nuclei that are found in labelled images, by image and by data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucwsi import metrics
from nucwsi.composition.intervals import CountError
from nucwsi.training.count_truth import count_images
from nucwsi.training.labelled_nuclei import ImageNuclei
from nucwsi.training.sample import Sample

#: Largest distance between the centroids of a pair, in µm: 12 px at 0.25 and 6 px at 0.5 µm/px, as
#: in Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 4.2.
MATCH_UM = 3.0

#: How true and found centroids are paired -> the pairs: as published, and as many as possible.
PAIRINGS = {"hovernet": metrics.pair_as_published, "most_pairs": metrics.match_centroids}


def match_radius_px(sample: Sample, mpp: float) -> float:
    """Return the largest distance between a true and a found centroid that are a pair.

    Parameters
    ----------
    sample : Sample
        The labelled image.
    mpp : float
        µm per pixel of the network.

    Returns
    -------
    float
        In pixels of the image.
    """
    return MATCH_UM / mpp * sample.scale


def detect_classes(
    sample: Sample, nuclei: ImageNuclei, n_classes: int, mpp: float
) -> list[metrics.Score]:
    """Score the nuclei of each class by their centroids, as `metrics.class_detection`.

    Parameters
    ----------
    sample : Sample
        The truth.
    nuclei : ImageNuclei
        Nuclei found in it.
    n_classes : int
        Classes C of the network.
    mpp : float
        µm per pixel of the network.

    Returns
    -------
    list of Score
        One for each of C classes.
    """
    return metrics.class_detection(
        sample.centroids,
        nuclei.centroids,
        sample.class_codes,
        nuclei.class_code,
        n_classes,
        match_radius_px(sample, mpp),
    )


@dataclass(frozen=True)
class ImageScores:
    """One labelled image, the nuclei found in it, and their scores; C classes.

    Attributes
    ----------
    sample : Sample
        The truth.
    nuclei : ImageNuclei
        Nuclei found in it.
    values : dict of str to float
        Column of ``images.csv`` -> value: numbers of nuclei, and scores from 0 to 1.
    n_pairs : dict of str to int
        Key of `PAIRINGS` -> pairs of true and found nuclei.
    agreement : dict of str to ClassAgreement
        Key of `PAIRINGS` -> the classes of these pairs.
    detected : list of Score
        Nuclei of each of C classes, by their centroids.
    segmented : list of Score
        Nuclei of each of C classes, by their pixels; empty where the truth has no outlines.
    truth_counts, counts : (C,) ndarray of int64
        True and found nuclei of each class.
    """

    sample: Sample
    nuclei: ImageNuclei
    values: dict[str, float]
    n_pairs: dict[str, int]
    agreement: dict[str, metrics.ClassAgreement]
    detected: list[metrics.Score]
    segmented: list[metrics.Score]
    truth_counts: NDArray[np.int64]
    counts: NDArray[np.int64]


def score_image(sample: Sample, nuclei: ImageNuclei, n_classes: int, mpp: float) -> ImageScores:
    """Score the nuclei of one image against its labels.

    Parameters
    ----------
    sample : Sample
        The truth.
    nuclei : ImageNuclei
        Nuclei found in it.
    n_classes : int
        Classes C of the network.
    mpp : float
        µm per pixel of the network.

    Returns
    -------
    ImageScores
        With the scores of outlines only where the truth has outlines.
    """
    truth, n_truth, n_found = sample.class_codes, len(sample.centroids), len(nuclei.centroids)
    radius_px = match_radius_px(sample, mpp)
    pairs = {
        name: pair(sample.centroids, nuclei.centroids, radius_px) for name, pair in PAIRINGS.items()
    }
    values = {"n_truth": float(len(truth)), "n_found": float(n_found)}
    segmented: list[metrics.Score] = []
    if sample.outlined:
        values |= _outline_values(sample, nuclei)
        # A later outline may hide an earlier nucleus altogether.
        seen = np.unique(nuclei.labels[nuclei.labels > 0]) - 1
        segmented = metrics.class_panoptic(
            sample.instances, truth, nuclei.labels, nuclei.class_code[seen], n_classes
        )
    n_pairs = {name: len(found) for name, found in pairs.items()}
    values |= {f"f1_{name}": _f1(count, n_truth, n_found) for name, count in n_pairs.items()}
    return ImageScores(
        sample,
        nuclei,
        values,
        n_pairs,
        {
            name: metrics.class_agreement(truth, nuclei.class_code, found, n_classes)
            for name, found in pairs.items()
        },
        detect_classes(sample, nuclei, n_classes, mpp),
        segmented,
        sample.class_counts(n_classes),
        np.bincount(nuclei.class_code, minlength=n_classes),
    )


def _f1(n_pairs: int, n_truth: float, n_found: float) -> float:
    """Return the F1 of detection, 0 to 1; NaN without a nucleus."""
    return 2 * n_pairs / (n_truth + n_found) if n_truth + n_found else float("nan")


def _outline_values(sample: Sample, nuclei: ImageNuclei) -> dict[str, float]:
    """Return the scores of outlines, 0 to 1, by their columns."""
    pair = sample.instances, nuclei.labels
    score = metrics.panoptic(*pair)
    return {
        "pq": score.pq,
        "dq": score.dq,
        "sq": score.sq,
        "aji": metrics.aji(*pair),
        "dice": metrics.dice(*pair),
    }


def image_row(scores: ImageScores, classes: tuple[str, ...]) -> dict[str, str | float | int]:
    """Lay out the scores of one image as a row of ``images.csv``.

    Parameters
    ----------
    scores : ImageScores
        Of the image.
    classes : tuple of str
        Names of its C classes.

    Returns
    -------
    dict
        Column -> value; the counts of classes only where all true classes are known.
    """
    row: dict[str, str | float | int] = {"image": scores.sample.name, **scores.values}
    if scores.sample.fully_classed:
        both = zip(classes, scores.truth_counts.tolist(), scores.counts.tolist(), strict=True)
        for name, n_truth, n_found in both:
            row |= {f"n_{name}_truth": n_truth, f"n_{name}": n_found}
    return row


def dataset_row(
    images: list[ImageScores], classes: tuple[str, ...], error: CountError
) -> dict[str, float]:
    """Pool the images of one data set as a row of ``summary.csv``.

    Parameters
    ----------
    images : list of ImageScores
        At least one.
    classes : tuple of str
        Names of its C classes.
    error : CountError
        By how much counts are off beyond chance.

    Returns
    -------
    dict
        Column -> value; NaN where there is nothing to score. No column of a class that the data
        set does not know, however often it was found.
    """
    row = _image_means(images)
    truth_counts = np.stack([one.truth_counts for one in images])
    known = np.flatnonzero(truth_counts.any(axis=0))
    if not known.size:
        return row
    return {
        **row,
        **_pooled_columns(images, known, classes),
        **_r2_columns(images, known, classes),
        **_coverage_columns(images, classes, error),
    }


def _pooled_columns(
    images: list[ImageScores], known: NDArray[np.integer], classes: tuple[str, ...]
) -> dict[str, float]:
    """Pool the nuclei of all images, class by class, and score them."""
    f1 = {
        f"f1_{name}": sum((one.agreement[name] for one in images[1:]), images[0].agreement[name]).f1
        for name in PAIRINGS
    }
    detected = metrics.summed([one.detected for one in images])
    row = _class_columns(known, classes, **f1, detection=[one.dq for one in detected])
    segmented = metrics.summed([one.segmented for one in images if one.segmented])
    if segmented:
        row["mpq_plus"] = _finite_mean(segmented[code].pq for code in known)
    return row


def _r2_columns(
    images: list[ImageScores], known: NDArray[np.integer], classes: tuple[str, ...]
) -> dict[str, float]:
    """Compare the counts of images with the true ones, where at least two images have them."""
    counted = [one for one in images if one.sample.fully_classed]
    if len(counted) < 2:
        return {}
    truth = np.stack([one.truth_counts for one in counted])
    r2 = metrics.count_r2(truth, np.stack([one.counts for one in counted]))
    return _class_columns(known, classes, r2=r2)


def _coverage_columns(
    images: list[ImageScores], classes: tuple[str, ...], error: CountError
) -> dict[str, float]:
    """Return the share of images whose interval holds the true count, where it is defined."""
    samples, nuclei = [one.sample for one in images], [one.nuclei for one in images]
    coverage = count_images(samples, nuclei, len(classes)).coverage(error)
    return _class_columns(np.flatnonzero(np.isfinite(coverage)), classes, coverage=coverage)


def _image_means(images: list[ImageScores]) -> dict[str, float]:
    """Average the scores of images where they have one, and pool their nuclei for F1."""
    names = dict.fromkeys(name for one in images for name in one.values)
    row = {name: _finite_mean(one.values.get(name, np.nan) for one in images) for name in names}
    for name in ("n_truth", "n_found"):
        row[name] = sum(one.values[name] for one in images)
    for name in PAIRINGS:
        n_pairs = sum(one.n_pairs[name] for one in images)
        row[f"f1_{name}"] = _f1(n_pairs, row["n_truth"], row["n_found"])
    return row


def _class_columns(
    codes: NDArray[np.integer], classes: tuple[str, ...], **scores: Iterable[float]
) -> dict[str, float]:
    """Name scores (C,) by their class, ``score_class``, for the classes in `codes` alone."""
    columns = {name: list(values) for name, values in scores.items()}
    return {
        f"{name}_{classes[code]}": float(values[code])
        for code in codes
        for name, values in columns.items()
    }


def _finite_mean(values: Iterable[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")

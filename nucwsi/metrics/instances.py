"""Scores of instance maps: panoptic quality, AJI, Dice. Overlaps are counted once, and sparse."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.integer]


@dataclass(frozen=True)
class Overlaps:
    """Which instances of the truth and of a prediction share pixels.

    Attributes
    ----------
    truth_labels, predicted_labels : (T,) and (P,) ndarray of int
        Ascending, without 0.
    truth_areas, predicted_areas : (T,) and (P,) ndarray of int
        In pixels.
    truth_index, predicted_index : (N,) ndarray of int
        One overlapping pair each, as positions in the label arrays.
    shared : (N,) ndarray of int
        Pixels the pair shares; at least 1.
    """

    truth_labels: Labels
    predicted_labels: Labels
    truth_areas: Labels
    predicted_areas: Labels
    truth_index: Labels
    predicted_index: Labels
    shared: Labels

    @property
    def union(self) -> Labels:
        """Pixels that either member of a pair holds."""
        return (
            self.truth_areas[self.truth_index]
            + self.predicted_areas[self.predicted_index]
            - self.shared
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of every pair."""
        return self.shared / self.union


def overlaps(truth: Labels, predicted: Labels) -> Overlaps:
    """Count the pixels that instances share.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps of one picture.

    Returns
    -------
    Overlaps

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, the prediction {predicted.shape}")
    truth_labels, truth_at, truth_areas = _ranked(truth)
    predicted_labels, predicted_at, predicted_areas = _ranked(predicted)
    both = (truth_at > 0) & (predicted_at > 0)
    # In 64 bits: the product of two label ranks overflows 32.
    width = np.int64(predicted_labels.size + 1)
    keys, shared = np.unique(truth_at[both] * width + predicted_at[both], return_counts=True)
    return Overlaps(
        truth_labels,
        predicted_labels,
        truth_areas,
        predicted_areas,
        keys // width - 1,
        keys % width - 1,
        shared,
    )


def _ranked(labels: Labels) -> tuple[Labels, Labels, Labels]:
    found, ranks, areas = np.unique(labels, return_inverse=True, return_counts=True)
    # Rank 0 is background, whether or not the picture has any.
    foreground = found > 0
    rank_of = np.cumsum(foreground) * foreground
    return found[foreground], rank_of[ranks].ravel().astype(np.int64), areas[foreground]


@dataclass(frozen=True)
class Score:
    """Matches and misses, and the quality of the matches; add scores to pool them.

    Attributes
    ----------
    tp, fp, fn : int
        Matched, surplus and missed objects.
    iou_sum : float
        Sum of the matches' intersection over union; 0 where objects are points.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Score) -> Score:
        """Pool the objects of two scores."""
        return Score(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum
        )

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are true; nan if nothing was predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the true objects that were found; nan if there are none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def dq(self) -> float:
        """Detection quality, which is the F1 score; nan if there is no object at all."""
        return _ratio(self.tp, self.tp + 0.5 * self.fp + 0.5 * self.fn)

    @property
    def sq(self) -> float:
        """Segmentation quality, the mean intersection over union of matches; 0 without a match."""
        return self.iou_sum / self.tp if self.tp else 0.0 * self.dq

    @property
    def pq(self) -> float:
        """Panoptic quality, `dq` times `sq`; nan if there is no object at all."""
        return self.dq * self.sq


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def panoptic(truth: Labels, predicted: Labels) -> Score:
    """Match instances whose intersection over union exceeds 0.5, which makes matches unique.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps of one picture.

    Returns
    -------
    Score

    References
    ----------
    Kirillov et al., Panoptic Segmentation, CVPR 2019.
    """
    found = overlaps(truth, predicted)
    matched = found.iou[found.iou > 0.5]
    n_truth, n_predicted = found.truth_labels.size, found.predicted_labels.size
    return Score(
        matched.size, n_predicted - matched.size, n_truth - matched.size, float(matched.sum())
    )


def class_panoptic(
    truth: Labels,
    truth_classes: Labels,
    predicted: Labels,
    predicted_classes: Labels,
    n_classes: int,
) -> list[Score]:
    """Match instances within each class of one picture.

    For the mPQ+ of CoNIC, add the scores of all pictures class by class and average the `pq` of
    the classes. CoNIC adds 1e-6 to the denominators, which changes the seventh digit.

    Parameters
    ----------
    truth : (H, W) ndarray of int
        Instance map.
    truth_classes : (N,) ndarray of int
        Class of each label, in ascending order of the labels that occur in the map; one class
        per instance, from 0. Instances of other numbers, e.g. -1, are of unknown class, and what is
        matched with them is left out.
    predicted : (H, W) ndarray of int
    predicted_classes : (M,) ndarray of int
    n_classes : int

    Returns
    -------
    list of Score
        One per class.

    Raises
    ------
    ValueError
        If a map holds another number of instances than it has classes.
    """
    found = overlaps(truth, predicted)
    for name, labels, classes in (
        ("truth", found.truth_labels, truth_classes),
        ("prediction", found.predicted_labels, predicted_classes),
    ):
        if labels.size != len(classes):
            raise ValueError(f"the {name} holds {labels.size} instances but {len(classes)} classes")
    truth_classes, predicted_classes = np.asarray(truth_classes), np.asarray(predicted_classes)
    matched = found.iou > 0.5
    true, answered = found.truth_index[matched], found.predicted_index[matched]
    told = np.ones(len(predicted_classes), bool)
    told[answered[~np.isin(truth_classes[true], np.arange(n_classes))]] = False
    hit = truth_classes[true] == predicted_classes[answered]
    hit_class, hit_iou = truth_classes[true][hit], found.iou[matched][hit]
    scores = []
    for code in range(n_classes):
        tp = int((hit_class == code).sum())
        fp = int((told & (predicted_classes == code)).sum()) - tp
        fn = int((truth_classes == code).sum()) - tp
        scores.append(Score(tp, fp, fn, float(hit_iou[hit_class == code].sum())))
    return scores


def aji(truth: Labels, predicted: Labels) -> float:
    """Return the aggregated Jaccard index of one picture.

    Every true nucleus is compared with the predicted one it overlaps best (of equals the one of
    the lower label), which may serve several; what no nucleus chose counts against the prediction.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps.

    Returns
    -------
    float
        0 to 1; nan if both maps are empty.

    References
    ----------
    Kumar et al., IEEE Transactions on Medical Imaging 36 (2017), algorithm 1.
    """
    found = overlaps(truth, predicted)
    order = np.lexsort((found.predicted_index, -found.iou, found.truth_index))
    _, first = np.unique(found.truth_index[order], return_index=True)
    best = order[first]
    missed = np.setdiff1d(np.arange(found.truth_labels.size), found.truth_index)
    surplus = np.setdiff1d(np.arange(found.predicted_labels.size), found.predicted_index[best])
    union = (
        found.union[best].sum()
        + found.truth_areas[missed].sum()
        + found.predicted_areas[surplus].sum()
    )
    return _ratio(float(found.shared[best].sum()), float(union))


def dice(truth: Labels, predicted: Labels) -> float:
    """Return the Dice coefficient of nucleus against background pixels.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps, or masks.

    Returns
    -------
    float
        0 to 1; nan if both maps are empty.

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, the prediction {predicted.shape}")
    one, other = truth > 0, predicted > 0
    return _ratio(2.0 * (one & other).sum(), float(one.sum() + other.sum()))


def summed(per_picture: Iterable[list[Score]]) -> list[Score]:
    """Pool the scores of pictures, class by class.

    Parameters
    ----------
    per_picture : iterable of list of Score
        From `class_panoptic`.

    Returns
    -------
    list of Score
        One per class.
    """
    return [sum(scores, Score()) for scores in zip(*per_picture, strict=True)]

"""Scores of instance maps: panoptic quality, AJI and Dice, from the overlaps of instances."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Whole numbers of any type: instance maps, labels, classes, counts of pixels.
Labels: TypeAlias = NDArray[np.integer]

#: Up to this number, labels are counted one by one, which is ten times as fast as to sort them.
_COUNTED = 1 << 22


@dataclass(frozen=True)
class Overlaps:
    """Which instances of the truth and of a prediction share pixels.

    Attributes
    ----------
    truth_labels, predicted_labels : (T,) and (P,) ndarray of int
        Labels of the instances, ascending, without 0.
    truth_areas, predicted_areas : (T,) and (P,) ndarray of int
        Their areas in pixels.
    truth_index, predicted_index : (N,) ndarray of int
        The two members of each overlapping pair, as positions in the arrays of labels.
    shared : (N,) ndarray of int
        Pixels that both members of each pair hold; at least 1.
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
        """(N,) ndarray: pixels that either member of each pair holds."""
        return (
            self.truth_areas[self.truth_index]
            + self.predicted_areas[self.predicted_index]
            - self.shared
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """(N,) ndarray: intersection over union of each pair, above 0 to 1."""
        return self.shared / self.union


def overlaps(truth: Labels, predicted: Labels) -> Overlaps:
    """Count the pixels that instances share.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps of one image, 0 is background.

    Returns
    -------
    Overlaps
        Of T true and P predicted instances.

    Raises
    ------
    ValueError
        If the maps differ in shape.

    Examples
    --------
    >>> found = overlaps(np.array([[1, 1, 0, 2]]), np.array([[5, 5, 5, 0]]))
    >>> found.shared.tolist(), found.iou.round(2).tolist()
    ([2], [0.67])
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, the prediction {predicted.shape}")
    truth_labels, truth_at, truth_areas = _ranked(truth)
    predicted_labels, predicted_at, predicted_areas = _ranked(predicted)
    both = (truth_at > 0) & (predicted_at > 0)
    # In 64 bits: the product of two label ranks overflows 32.
    width = np.int64(predicted_labels.size + 1)
    keys, shared = _counted(truth_at[both] * width + predicted_at[both])
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
    """Return the labels (N,) of a map, the rank of each pixel's label from 1 on, and areas (N,)."""
    flat = labels.ravel()
    values, areas = _counted(flat)
    # Rank 0 is background, whether or not the map has any.
    foreground = values > 0
    rank_of = (np.cumsum(foreground) * foreground).astype(np.int64)
    if _countable(flat):
        by_label = np.zeros(int(flat.max(initial=0)) + 1, np.int64)
        by_label[values] = rank_of
        ranks = by_label[flat]
    else:
        ranks = rank_of[np.searchsorted(values, flat)]
    return values[foreground], ranks, areas[foreground]


def _countable(numbers: Labels) -> bool:
    return not numbers.size or bool(numbers.min() >= 0 and numbers.max() < _COUNTED)


def _counted(numbers: Labels) -> tuple[Labels, Labels]:
    """Return the numbers that occur, ascending, and how often each does."""
    if not _countable(numbers):
        return np.unique(numbers, return_counts=True)
    count = np.bincount(numbers)
    values = np.flatnonzero(count)
    return values.astype(numbers.dtype), count[values]


@dataclass(frozen=True)
class Score:
    """Matched and unmatched nuclei, and the quality of the matches; add scores to pool images.

    Attributes
    ----------
    tp, fp, fn : int
        Matched pairs, predicted nuclei without a partner, and true nuclei without a partner.
    iou_sum : float
        Sum of the matches' intersection over union; 0 where nuclei are points.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Score) -> Score:
        """Pool the nuclei of two images."""
        return Score(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum
        )

    @property
    def precision(self) -> float:
        """Share of predicted nuclei that are matched; NaN if none was predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of true nuclei that are matched; NaN if there are none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def dq(self) -> float:
        """Detection quality, which is the F1 score; NaN if there is no nucleus at all."""
        return _ratio(self.tp, self.tp + 0.5 * self.fp + 0.5 * self.fn)

    @property
    def sq(self) -> float:
        """Segmentation quality: mean intersection over union of the matches; 0 without a match."""
        return self.iou_sum / self.tp if self.tp else 0.0 * self.dq

    @property
    def pq(self) -> float:
        """Panoptic quality, `dq` times `sq`; NaN if there is no nucleus at all."""
        return self.dq * self.sq


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def panoptic(truth: Labels, predicted: Labels) -> Score:
    """Match instances whose intersection over union exceeds 0.5, which makes matches unique.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps of one image, 0 is background.

    Returns
    -------
    Score
        Of all nuclei, whatever their class.

    References
    ----------
    Kirillov et al., Panoptic Segmentation, CVPR 2019.
    """
    return panoptic_of(overlaps(truth, predicted))


def panoptic_of(pairs: Overlaps) -> Score:
    """Return `panoptic` of instances whose overlaps are known.

    Parameters
    ----------
    pairs : Overlaps
        Of the truth and a prediction.

    Returns
    -------
    Score
        Of all nuclei, whatever their class.
    """
    matched = pairs.iou[pairs.iou > 0.5]
    n_truth, n_predicted = pairs.truth_labels.size, pairs.predicted_labels.size
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
    """Match instances within each class of one image.

    For the mPQ+ of CoNIC, pool the scores of all images class by class and average the `pq` of the
    classes. CoNIC adds 1e-6 to the denominators, which changes the seventh digit.

    Parameters
    ----------
    truth : (H, W) ndarray of int
        Instance map, 0 is background.
    truth_classes : (N,) ndarray of int
        Index of the class of each instance, in ascending order of the labels in the map. Instances
        of other numbers than 0 to `n_classes` - 1, e.g. -1, are of unknown class, and what is
        matched with them is left out.
    predicted : (H, W) ndarray of int
        Instance map, 0 is background.
    predicted_classes : (M,) ndarray of int
        Index of the class of each instance, in ascending order of the labels in the map.
    n_classes : int
        Number of classes.

    Returns
    -------
    list of Score
        One for each class.

    Raises
    ------
    ValueError
        If a map holds another number of instances than it has classes.
    """
    pairs = overlaps(truth, predicted)
    for name, labels, classes in (
        ("truth", pairs.truth_labels, truth_classes),
        ("prediction", pairs.predicted_labels, predicted_classes),
    ):
        if labels.size != len(classes):
            raise ValueError(f"the {name} holds {labels.size} instances but {len(classes)} classes")
    truth_classes, predicted_classes = np.asarray(truth_classes), np.asarray(predicted_classes)
    matched = pairs.iou > 0.5
    true, answered = pairs.truth_index[matched], pairs.predicted_index[matched]
    judged = np.ones(len(predicted_classes), bool)
    judged[answered[~np.isin(truth_classes[true], np.arange(n_classes))]] = False
    hit = truth_classes[true] == predicted_classes[answered]
    hit_class, hit_iou = truth_classes[true][hit], pairs.iou[matched][hit]
    scores = []
    for code in range(n_classes):
        tp = int((hit_class == code).sum())
        fp = int((judged & (predicted_classes == code)).sum()) - tp
        fn = int((truth_classes == code).sum()) - tp
        scores.append(Score(tp, fp, fn, float(hit_iou[hit_class == code].sum())))
    return scores


def aji(truth: Labels, predicted: Labels) -> float:
    """Return the aggregated Jaccard index of one image.

    Every true nucleus is compared with the predicted one that it overlaps best (of equals the one
    of the lower label), which may serve several. Predicted nuclei that serve none count against the
    prediction.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps of one image, 0 is background.

    Returns
    -------
    float
        0 to 1; NaN if both maps are empty.

    References
    ----------
    Kumar et al., IEEE Transactions on Medical Imaging 36 (2017), algorithm 1.
    """
    return aji_of(overlaps(truth, predicted))


def aji_of(pairs: Overlaps) -> float:
    """Return `aji` of instances whose overlaps are known.

    Parameters
    ----------
    pairs : Overlaps
        Of the truth and a prediction.

    Returns
    -------
    float
        0 to 1; NaN if both maps are empty.
    """
    order = np.lexsort((pairs.predicted_index, -pairs.iou, pairs.truth_index))
    _, first = np.unique(pairs.truth_index[order], return_index=True)
    best = order[first]
    missed = np.setdiff1d(np.arange(pairs.truth_labels.size), pairs.truth_index)
    surplus = np.setdiff1d(np.arange(pairs.predicted_labels.size), pairs.predicted_index[best])
    union = (
        pairs.union[best].sum()
        + pairs.truth_areas[missed].sum()
        + pairs.predicted_areas[surplus].sum()
    )
    return _ratio(float(pairs.shared[best].sum()), float(union))


def dice(truth: Labels, predicted: Labels) -> float:
    """Return the Dice coefficient of the pixels of all nuclei.

    Parameters
    ----------
    truth, predicted : (H, W) ndarray of int
        Instance maps or masks of one image, 0 is background.

    Returns
    -------
    float
        0 to 1; NaN if both maps are empty.

    Raises
    ------
    ValueError
        If the maps differ in shape.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, the prediction {predicted.shape}")
    one, other = truth > 0, predicted > 0
    return _ratio(2.0 * (one & other).sum(), float(one.sum() + other.sum()))


def summed(of_images: Iterable[list[Score]]) -> list[Score]:
    """Pool the scores of images, class by class.

    Parameters
    ----------
    of_images : iterable of list of Score
        For each image one score for each class, from `class_panoptic` or `class_detection`.

    Returns
    -------
    list of Score
        One for each class; none without an image.
    """
    return [sum(scores, Score()) for scores in zip(*of_images, strict=True)]

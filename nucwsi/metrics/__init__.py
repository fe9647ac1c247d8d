"""How well nuclei agree with the truth: their pixels, their places, their numbers.

Labels are any positive numbers, 0 is background. What cannot be known is nan, never 0 or 1: a
class that neither the truth nor the prediction holds has no score, and a mean over classes skips
it (`numpy.nanmean`).
"""

from __future__ import annotations

from nucwsi.metrics.counts import central_counts, count_r2, interval_coverage
from nucwsi.metrics.instances import (
    Overlaps,
    Score,
    aji,
    class_panoptic,
    dice,
    overlaps,
    panoptic,
    summed,
)
from nucwsi.metrics.points import (
    ClassCounts,
    class_counts,
    class_detection,
    detection,
    match_centroids,
)

__all__ = [
    "ClassCounts",
    "Overlaps",
    "Score",
    "aji",
    "central_counts",
    "class_counts",
    "class_detection",
    "class_panoptic",
    "count_r2",
    "detection",
    "dice",
    "interval_coverage",
    "match_centroids",
    "overlaps",
    "panoptic",
    "summed",
]

"""How well predicted nuclei agree with true ones: their pixels, their centroids, their counts.

Here belong scores of arrays; no file, no setting, no network. Labels are any positive numbers, 0
is background. A score that is undefined is NaN, never 0 or 1: a class that neither truth nor
prediction holds has no score, and a mean over classes skips it (`numpy.nanmean`).
"""

from __future__ import annotations

from nucwsi.metrics.counts import central_counts, count_r2, interval_coverage
from nucwsi.metrics.instances import (
    Overlaps,
    Score,
    aji,
    aji_of,
    class_panoptic,
    dice,
    overlaps,
    panoptic,
    panoptic_of,
    summed,
)
from nucwsi.metrics.points import (
    ClassAgreement,
    class_agreement,
    class_detection,
    detection,
    match_centroids,
    pair_as_published,
)

__all__ = [
    "ClassAgreement",
    "Overlaps",
    "Score",
    "aji",
    "aji_of",
    "central_counts",
    "class_agreement",
    "class_detection",
    "class_panoptic",
    "count_r2",
    "detection",
    "dice",
    "interval_coverage",
    "match_centroids",
    "overlaps",
    "pair_as_published",
    "panoptic",
    "panoptic_of",
    "summed",
]

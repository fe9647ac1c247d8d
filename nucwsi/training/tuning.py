"""The constants of post-processing that validation images choose after training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nucwsi.models.ensemble import QuantisedMaps
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.training.sample import Sample
from nucwsi.training.validation import mean_score

#: The search goes around this often.
_ROUNDS = 2

#: Values that are tried for these constants, one constant after the other.
_TRIED: dict[str, tuple[Any, ...]] = {
    "edge_slope": (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.2),
    "min_marker_um2": (0.5, 1.0, 2.0, 4.0),
}

#: Smallest areas of a nucleus that are tried, equal for all classes.
_TRIED_AREAS_UM2 = (2.0, 4.0, 6.0, 8.0, 11.0, 14.0, 18.0)

#: These two are tried together: a low threshold pays only where unsure nuclei are dropped.
_TRIED_THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
_TRIED_MEANS = (0.0, 0.55, 0.6, 0.65, 0.7, 0.75)

#: How much of the score may be given up for a lower threshold: in other tissue, and averaged over
#: members, networks are less sure than on the images that choose.
_TOLERANCE = 0.002

#: Candidates that `search_constants` compares in all; some repeat an earlier one, at no cost.
N_CANDIDATES = _ROUNDS * (
    len(_TRIED_THRESHOLDS) * len(_TRIED_MEANS)
    + sum(map(len, _TRIED.values()))
    + len(_TRIED_AREAS_UM2)
)


def first_constants(classes: tuple[str, ...]) -> PostProcessing:
    """Return the constants with which the search begins, and with which training is monitored.

    Parameters
    ----------
    classes : tuple of str
        Classes of the network.

    Returns
    -------
    PostProcessing
        In µm, so that they fit any mpp.
    """
    return PostProcessing(0.5, 0.08, 2.0, dict.fromkeys(classes, 6.0))


def search_constants(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    classes: tuple[str, ...],
    mpp: float,
    advance: Callable[[int], None] = lambda _count: None,
) -> PostProcessing:
    """Search the constants of post-processing, one after the other, twice around.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    classes : tuple of str
        Classes of the network.
    mpp : float
        µm per pixel of the maps.
    advance : callable
        Called with 1 after each of `N_CANDIDATES` candidates; not at all where nothing is searched.

    Returns
    -------
    PostProcessing
        The candidate with the best `validation.mean_score`; of its values of `np_threshold`, the
        lowest that comes within 0.002 of the best score. If no sample has outlined nuclei,
        `first_constants`.
    """
    best = first_constants(classes)
    if not any(sample.instances.any() for sample in samples if sample.outlined):
        return best

    scores: dict[str, float] = {}

    def _score(candidate: PostProcessing) -> float:
        key = repr(candidate)
        if key not in scores:
            scores[key] = mean_score(samples, maps, candidate, mpp)
        return scores[key]

    def _best(candidates: list[PostProcessing]) -> PostProcessing:
        for candidate in candidates:
            _score(candidate)
            advance(1)
        return max(candidates, key=_score)

    for _ in range(_ROUNDS):
        by_threshold = [
            _best([replace(best, np_threshold=value, min_mean_np=mean) for mean in _TRIED_MEANS])
            for value in _TRIED_THRESHOLDS
        ]
        enough = max(map(_score, by_threshold)) - _TOLERANCE
        best = next(one for one in by_threshold if _score(one) >= enough)
        for name, values in _TRIED.items():
            best = _best([replace(best, **{name: value}) for value in values])
        areas = (dict.fromkeys(classes, area) for area in _TRIED_AREAS_UM2)
        best = _best([replace(best, min_area_um2=area) for area in areas])
    return best

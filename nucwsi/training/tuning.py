"""The constants of post-processing that validation images choose after training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from nucwsi.models.quantised import QuantisedMaps
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.training.sample import Sample
from nucwsi.training.sampling import by_turns
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

#: Share of the training's time that the search may take.
TIME_SHARE = 0.1

#: Pixels of maps that the search may look at for each pixel that was learnt from. One core learns
#: 0.27 million pixels a second (lite2 of widths 24 to 96, EPYC) and compares 8 million, so three
#: would take a tenth of the time. Counted rather than timed, so that the search has one result.
_PIXELS_PER_LEARNT = 2.0


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


def affordable(samples: list[Sample], maps: list[QuantisedMaps], learnt_px: float) -> list[int]:
    """Choose the images on which all candidates can be compared in a tenth of the training's time.

    Parameters
    ----------
    samples : list of Sample
        Validation images.
    maps : list of QuantisedMaps
        Maps of each sample at the network's mpp.
    learnt_px : float
        Pixels of all crops that the network has learnt from.

    Returns
    -------
    list of int
        Places in `samples`, ascending: all of them after a long training, none after a few steps,
        between them the first `sampling.by_turns` that fit.
    """
    left_px, chosen = learnt_px * _PIXELS_PER_LEARNT / N_CANDIDATES, []
    for place in by_turns([sample.dataset for sample in samples]):
        size_px = maps[place].np_map.size
        if size_px <= left_px:
            left_px -= size_px
            chosen.append(place)
    return sorted(chosen)


class Search(NamedTuple):
    """What a search for constants has found.

    Attributes
    ----------
    constants : PostProcessing
        In µm.
    n_compared : int
        Candidates that were compared, of `N_CANDIDATES`; 0 where nothing was searched.
    stopped : bool
        Whether time was up before all were compared.
    """

    constants: PostProcessing
    n_compared: int
    stopped: bool


class _TimeIsUpError(Exception):
    """The search must end with what it knows."""


def search_constants(
    samples: list[Sample],
    maps: list[QuantisedMaps],
    classes: tuple[str, ...],
    mpp: float,
    advance: Callable[[int], None] = lambda _count: None,
    time_is_up: Callable[[], bool] = lambda: False,
) -> Search:
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
    time_is_up : callable
        Asked before each comparison but the first whether the search must end.

    Returns
    -------
    Search
        The candidate with the best `validation.mean_score`; of its values of `np_threshold`, the
        lowest that comes within 0.002 of the best score. If time was up, the best until then. If no
        sample has outlined nuclei, `first_constants`.
    """
    best = first_constants(classes)
    if not any(sample.instances.any() for sample in samples if sample.outlined):
        return Search(best, 0, False)

    scores: dict[str, float] = {}
    known: list[PostProcessing] = []
    n_compared = 0

    def _score(candidate: PostProcessing) -> float:
        key = repr(candidate)
        if key not in scores:
            if known and time_is_up():
                raise _TimeIsUpError
            scores[key] = mean_score(samples, maps, candidate, mpp)
            known.append(candidate)
        return scores[key]

    def _best(candidates: list[PostProcessing]) -> PostProcessing:
        nonlocal n_compared
        for candidate in candidates:
            _score(candidate)
            n_compared += 1
            advance(1)
        return max(candidates, key=_score)

    try:
        for _ in range(_ROUNDS):
            best = _search_around(best, _best, _score)
    except _TimeIsUpError:
        return Search(max(known, key=_score), n_compared, True)
    return Search(best, n_compared, False)


def _search_around(
    best: PostProcessing,
    choose: Callable[[list[PostProcessing]], PostProcessing],
    score: Callable[[PostProcessing], float],
) -> PostProcessing:
    """Improve one constant after the other, the two of `np` together."""
    by_threshold = [
        choose([replace(best, np_threshold=value, min_mean_np=mean) for mean in _TRIED_MEANS])
        for value in _TRIED_THRESHOLDS
    ]
    enough = max(map(score, by_threshold)) - _TOLERANCE
    best = next(one for one in by_threshold if score(one) >= enough)
    for name, values in _TRIED.items():
        best = choose([replace(best, **{name: value}) for value in values])
    areas = (dict.fromkeys(best.min_area_um2, area) for area in _TRIED_AREAS_UM2)
    return choose([replace(best, min_area_um2=area) for area in areas])

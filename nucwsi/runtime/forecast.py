"""What the jobs of a slide will cost: time, memory and disk, from how large the slide is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

#: A job may take this many times the memory that is expected, and `_SPARE_MB` more.
_MEMORY_MARGIN, _SPARE_MB = 1.5, 300

#: A job may take this many times as long as expected, for machines differ and are shared.
_TIME_MARGIN = 6.0


class Extent(NamedTuple):
    """How large a slide is, as its overview shows it.

    Attributes
    ----------
    tissue_mm2 : float
        Area of the tissue, in mm².
    network_mp : float
        Pixels of all windows that the networks see, each as often as it is seen, in megapixels.
    canvas_mp : float
        Pixels of the whole canvas, in megapixels.
    """

    tissue_mm2: float
    network_mp: float
    canvas_mp: float


class Cost(NamedTuple):
    """What a verb costs; `x` is the field `driver` of the slide's `Extent`, at least 1 for memory.

    Attributes
    ----------
    verb : str
        Such as ``tile``.
    driver : str
        The field of `Extent` that time and memory grow with.
    threads : int
        Threads that the verb keeps busy, at most.
    s, s_per : float
        Seconds of cores: ``s + s_per x``; of wall time with one thread.
    mb, mb_power, mb_per : float
        Peak memory in MB: ``mb x ** mb_power + mb_per x``.
    disk_mb, disk_mb_per : float
        Size of what the verb writes, in MB: ``disk_mb + disk_mb_per tissue_mm2``.
    kept : int
        1 if what it writes is a result, 0 if it is removed once it has been read.
    """

    verb: str
    driver: str
    threads: int
    s: float
    s_per: float
    mb: float
    mb_power: float
    mb_per: float
    disk_mb: float
    disk_mb_per: float
    kept: int


class Machine(NamedTuple):
    """Where the jobs of a run will be.

    Attributes
    ----------
    name : str
        As users are told, such as ``this machine``.
    threads : dict of str to int
        Verb -> threads of its jobs; others have `default_threads`.
    default_threads : int
        Threads of the other verbs' jobs.
    slides_at_once : float
        Slides whose jobs run at the same time.
    start_s : float
        Seconds from the end of a job to the beginning of the next.
    speed : dict of str to float
        Verb -> how many times as long as on the machine of the shipped figures it takes.
    memory : dict of str to float
        Verb -> how many times the memory of the shipped figures it takes.
    gpu : bool
        Whether `predict` has a GPU.
    """

    name: str
    threads: Mapping[str, int]
    default_threads: int
    slides_at_once: float = 1.0
    start_s: float = 0.0
    speed: Mapping[str, float] = {}
    memory: Mapping[str, float] = {}
    gpu: bool = False


class Forecast(NamedTuple):
    """What a slide, or all slides of a run, will cost.

    Attributes
    ----------
    tissue_mm2 : float
        Area of the tissue, in mm².
    seconds : dict of str to float
        Verb -> wall-clock time of its job.
    memory_mb : dict of str to float
        Verb -> peak memory of its job, in MB.
    kept_mb, temporary_mb : float
        Disk for results, and for what is removed during the run, in MB.
    """

    tissue_mm2: float
    seconds: dict[str, float]
    memory_mb: dict[str, float]
    kept_mb: float
    temporary_mb: float

    @property
    def wall_s(self) -> float:
        """Seconds from the first job of the slide to the last, one after another."""
        return sum(self.seconds.values())

    @property
    def peak_mb(self) -> float:
        """Peak memory of the largest job, in MB."""
        return max(self.memory_mb.values(), default=0.0)


def forecast(extent: Extent, costs: Iterable[Cost], machine: Machine) -> Forecast:
    """Say what the jobs of a slide will cost.

    Parameters
    ----------
    extent : Extent
        How large the slide is.
    costs : iterable of Cost
        The verbs of the run.
    machine : Machine
        Where its jobs will be.

    Returns
    -------
    Forecast
        Of this slide alone on an idle machine.
    """
    seconds, memory, disk = {}, {}, [0.0, 0.0]
    for cost in costs:
        x = getattr(extent, cost.driver)
        threads = min(cost.threads, machine.threads.get(cost.verb, machine.default_threads))
        alone = (cost.s + cost.s_per * x) * machine.speed.get(cost.verb, 1.0)
        seconds[cost.verb] = alone / max(threads, 1) + machine.start_s
        peak = cost.mb * max(x, 1.0) ** cost.mb_power + cost.mb_per * x
        memory[cost.verb] = peak * machine.memory.get(cost.verb, 1.0)
        disk[cost.kept] += cost.disk_mb + cost.disk_mb_per * extent.tissue_mm2
    return Forecast(extent.tissue_mm2, seconds, memory, kept_mb=disk[1], temporary_mb=disk[0])


def total(forecasts: Sequence[Forecast], machine: Machine) -> tuple[float, float, float, float]:
    """Add up what the slides of a run cost.

    Parameters
    ----------
    forecasts : sequence of Forecast
        One for each slide.
    machine : Machine
        Where their jobs will be.

    Returns
    -------
    tuple of float
        Wall-clock seconds of the run, peak memory of its largest job in MB, disk for results in MB,
        and for what is removed in MB: that of the slides that are worked on at the same time.
    """
    walls = sorted((one.wall_s for one in forecasts), reverse=True)
    at_once = max(1.0, min(machine.slides_at_once, len(walls)))
    temporary = sorted((one.temporary_mb for one in forecasts), reverse=True)
    return (
        max([sum(walls) / at_once, *walls[:1]]),
        max((one.peak_mb for one in forecasts), default=0.0),
        sum(one.kept_mb for one in forecasts),
        sum(temporary[: math.ceil(at_once)]),
    )


def refined(pairs: Iterable[tuple[float, float]]) -> float:
    """Return by how much forecasts were wrong, as a factor.

    Parameters
    ----------
    pairs : iterable of (float, float)
        What was measured and what had been forecast, both above 0.

    Returns
    -------
    float
        The middle one of the ratios, by which later forecasts are to be multiplied; drawn towards 1
        as if one more job had been forecast rightly, because a single job tells little.
    """
    logs = sorted(math.log(seen / said) for seen, said in pairs if seen > 0 and said > 0)
    if not logs:
        return 1.0
    half = len(logs) // 2
    middle = (logs[half] + logs[-1 - half]) / 2
    return math.exp(middle * len(logs) / (len(logs) + 1))


def memory_cap_mb(expected_mb: float) -> int:
    """Return how much memory a job asks for, so that a forecast that is wrong ends no job.

    Parameters
    ----------
    expected_mb : float
        Forecast of its peak, in MB.

    Returns
    -------
    int
        Whole hundreds of MB.
    """
    return math.ceil((_MEMORY_MARGIN * expected_mb + _SPARE_MB) / 100) * 100


def time_cap_min(expected_s: float) -> int:
    """Return how much time a job asks for, so that a forecast that is wrong ends no job.

    Parameters
    ----------
    expected_s : float
        Forecast of its wall-clock time, in seconds.

    Returns
    -------
    int
        Minutes, at least 30.
    """
    return max(30, math.ceil(_TIME_MARGIN * expected_s / 60))

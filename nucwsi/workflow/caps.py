"""How much memory and time each job of a slide asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Forecast, memory_cap_mb, time_cap_min
from nucwsi.workflow.batches import BESIDE_MB, OWN_MB
from nucwsi.workflow.forecasts import by_size, kept_forecasts

#: Verb -> MB and minutes that its first attempt has for a slide that was not looked at.
_UNKNOWN = {
    "import": (4000, 60),
    "tile": (2000, 60),
    "predict": (4000, 240),
    "segment": (2000, 120),
    "stitch": (2000, 60),
    "features": (2000, 60),
    "classify": (2000, 60),
    "compose": (3000, 30),
    "correct": (2000, 30),
    "export": (2000, 60),
    "assess": (3000, 30),
    "render": (3000, 60),
}

#: Least MB of a job that may be on a GPU, whose driver takes some of them on the host.
_GPU_MB = 4000


class _Slide(NamedTuple):
    """The wildcards of a job of one slide."""

    slide: str


class Caps:
    """What the jobs of each slide ask for, by its forecast.

    Parameters
    ----------
    config : Config
        Names the folder of the results, which keeps what `nucwsi check` has forecast.
    slides : mapping
        Name of each slide -> its entry.
    """

    def __init__(self, config: Config, slides: Mapping[str, SlideEntry]) -> None:
        self._config, self._slides = config, slides
        self._known = kept_forecasts(Path(config.output))
        self._guessed: dict[str, Forecast | None] = {}

    def memory(self, verb: str) -> Callable[[Any, int], int]:
        """Return a function for the resource ``mem_mb`` of a rule.

        Parameters
        ----------
        verb : str
            The rule.

        Returns
        -------
        callable
            Takes the wildcards and the number of the attempt; returns MB.
        """

        def _mem_mb(wildcards: Any, attempt: int) -> int:
            said, unknown = self._said(wildcards.slide), _UNKNOWN[verb][0]
            if said is None or verb not in said.memory_mb:
                return unknown * attempt
            least = _GPU_MB if verb == "predict" else 0
            if wildcards.slide not in self._known:
                least = unknown
            return max(memory_cap_mb(said.memory_mb[verb]), least) * attempt

        return _mem_mb

    def runtime(self, verb: str) -> Callable[[Any, int], int]:
        """Return a function for the resource ``runtime`` of a rule.

        Parameters
        ----------
        verb : str
            The rule.

        Returns
        -------
        callable
            Takes the wildcards and the number of the attempt; returns minutes.
        """

        def _minutes(wildcards: Any, attempt: int) -> int:
            said, unknown = self._said(wildcards.slide), _UNKNOWN[verb][1]
            if said is None or verb not in said.seconds:
                return unknown * attempt
            least = 0 if wildcards.slide in self._known else unknown
            return max(time_cap_min(said.seconds[verb]), least) * attempt

        return _minutes

    def batch_memory(self, batches: Mapping[str, list[str]]) -> Callable[[Any, int], int]:
        """Return a function for the resource ``mem_mb`` of the job of a batch.

        Parameters
        ----------
        batches : mapping
            Name of each batch -> names of its slides.

        Returns
        -------
        callable
            Takes the wildcards and the number of the attempt; returns the MB of the largest step
            of a slide, of a step beside it, and of the batch itself.
        """
        of_verb = {verb: self.memory(verb) for verb in _UNKNOWN}

        def _mem_mb(wildcards: Any, attempt: int) -> int:
            slides = [_Slide(name) for name in batches[wildcards.batch]]
            largest = max(of_verb[verb](slide, attempt) for verb in _UNKNOWN for slide in slides)
            return largest + BESIDE_MB * attempt + OWN_MB

        return _mem_mb

    def batch_runtime(self, batches: Mapping[str, list[str]]) -> Callable[[Any, int], int]:
        """Return a function for the resource ``runtime`` of the job of a batch.

        Parameters
        ----------
        batches : mapping
            Name of each batch -> names of its slides.

        Returns
        -------
        callable
            Takes the wildcards and the number of the attempt; returns minutes for all steps of all
            slides, one after another.
        """
        longest = max(minutes for _, minutes in _UNKNOWN.values())

        def _minutes(wildcards: Any, attempt: int) -> int:
            names = batches[wildcards.batch]
            said = [one for one in map(self._said, names) if one is not None]
            minutes = time_cap_min(sum(one.wall_s for one in said))
            if any(name not in self._known for name in names):
                minutes = max(minutes, longest)
            return (minutes + longest * (len(names) - len(said))) * attempt

        return _minutes

    def batch_disk(self, batches: Mapping[str, list[str]]) -> Callable[[Any], int]:
        """Return a function for the resource ``disk_mb`` of the job of a batch.

        Parameters
        ----------
        batches : mapping
            Name of each batch -> names of its slides.

        Returns
        -------
        callable
            Takes the wildcards; returns the MB of all that its slides have until they are done.
        """

        def _disk_mb(wildcards: Any) -> int:
            said = map(self._said, batches[wildcards.batch])
            sizes = [one.temporary_mb + one.kept_mb for one in said if one is not None]
            return max(1000, math.ceil(sum(sizes)))

        return _disk_mb

    def _said(self, slide: str) -> Forecast | None:
        """Return the forecast of a slide; of one that was not looked at, by its file's size."""
        if slide in self._known:
            return self._known[slide]
        if slide not in self._guessed:
            self._guessed[slide] = by_size(self._slides[slide], self._config, "usual")
        return self._guessed[slide]

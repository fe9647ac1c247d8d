"""How much memory and time each job of a slide asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Forecast, memory_cap_mb, time_cap_min
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

    def _said(self, slide: str) -> Forecast | None:
        """Return the forecast of a slide; of one that was not looked at, by its file's size."""
        if slide in self._known:
            return self._known[slide]
        if slide not in self._guessed:
            self._guessed[slide] = by_size(self._slides[slide], self._config, "usual")
        return self._guessed[slide]

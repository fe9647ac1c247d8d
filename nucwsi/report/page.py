"""The report of a run as one HTML page, which contains everything that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from nucwsi.classes import colours, display_name
from nucwsi.facts import Member
from nucwsi.io.benchmarks import JobCost
from nucwsi.report.assessment import Assessment
from nucwsi.report.density_images import ClassEntry, common_tops, density_panels
from nucwsi.report.packed_density import unpack_density
from nucwsi.report.quality import outliers
from nucwsi.report.slide_section import compared_values, slide_section

#: What is compared over the slides, as in `compared_values`: key -> heading, decimals.
_COMPARED = {
    "per_mm2": ("Nuclei per mm²", 0),
    "diameter": ("Diameter, µm", 1),
    "certainty": ("Certainty", 2),
    "blurred": ("Blurred, %", 0),
}


class StepTime(NamedTuple):
    """What one step of a run cost, over all jobs of all slides.

    Attributes
    ----------
    step : str
        The step's name.
    jobs : int
        Number of its jobs.
    wall_s, cpu_s : float
        Sum of their wall-clock and CPU times, in seconds.
    memory_mb : float
        Peak memory of the largest job, in MB.
    """

    step: str
    jobs: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0

    def with_job(self, cost: JobCost) -> StepTime:
        """Return the sum with one more job.

        Parameters
        ----------
        cost : JobCost
            What the job cost; what was not measured counts as 0.

        Returns
        -------
        StepTime
            Of the same step.
        """
        return StepTime(
            self.step,
            self.jobs + 1,
            self.wall_s + (cost.wall_s or 0.0),
            self.cpu_s + (cost.cpu_s or 0.0),
            max(self.memory_mb, cost.max_rss_mb or 0.0),
        )


class FailedSlide(NamedTuple):
    """A slide of the run that has no results.

    Attributes
    ----------
    slide : str
        Its name.
    reason : str
        What the failed step says.
    log : str
        Path of that step's log.
    """

    slide: str
    reason: str
    log: str


@dataclass(frozen=True)
class Run:
    """How the results of a report were made.

    Attributes
    ----------
    date : str
        Day of the report, such as ``2026-01-31``.
    version : str
        Version of nucwsi.
    members : tuple of Member
        Networks of the ensemble.
    views : int
        Flips and quarter turns that each member has seen.
    mpp : float
        Working resolution in µm per pixel.
    packages : dict
        Package -> version.
    times : list of StepTime
        In the order of the pipeline; empty if nothing was measured.
    failed : tuple of FailedSlide
        Slides that were to be analysed and could not be; they stand first on the page.
    """

    date: str
    version: str
    members: tuple[Member, ...]
    views: int
    mpp: float
    packages: dict[str, str]
    times: list[StepTime]
    failed: tuple[FailedSlide, ...] = ()


def _number(value: Any, decimals: int = 0) -> str:
    """Format a number with thousands separators; a dash if there is none."""
    if value is None or value == "" or not np.isfinite(float(value)):
        return "–"
    return f"{float(value):,.{decimals}f}"


def _significant(value: Any) -> str:
    """Format a number with about three digits, without an exponent; a dash if there is none."""
    if value is None or value == "" or not np.isfinite(float(value)):
        return "–"
    size = abs(float(value))
    return _number(value, 0 if size >= 100 else 1 if size >= 10 else 2)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nucwsi.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "significant": _significant,
        "display": display_name,
        "px": lambda value: f"{value:.1f}",
    }
    return environment


def _classes(assessments: Sequence[Assessment]) -> list[ClassEntry]:
    """List the classes of all slides, in order of appearance."""
    names = tuple(dict.fromkeys(name for slide in assessments for name in slide.facts.classes))
    return [ClassEntry(name, colour) for name, colour in colours(names).items()]


def _outlying(compared: Sequence[dict[str, float]]) -> list[list[str]]:
    """List for each slide the measurements in which it differs from the others."""
    odd = {key: outliers(np.array([values[key] for values in compared])) for key in _COMPARED}
    return [[key for key in _COMPARED if odd[key][at]] for at in range(len(compared))]


def report_page(
    assessments: Sequence[Assessment],
    viewers: Sequence[str | None],
    run: Run,
    *,
    max_slides: int,
) -> str:
    """Write the report of a run.

    Parameters
    ----------
    assessments : sequence of Assessment
        What `assess` found on each slide; at least one.
    viewers : sequence of (str or None)
        Address of each slide's viewer relative to the report.
    run : Run
        How the results were made.
    max_slides : int
        Largest number of slides with a section of their own. If there are more slides, those with
        the most points to review get one.

    Returns
    -------
    str
        HTML that needs no other file and runs no script.
    """
    classes = _classes(assessments)
    densities = [unpack_density(assessment.density) for assessment in assessments]
    tops = common_tops(assessments, densities, classes)
    outlying = _outlying([compared_values(assessment) for assessment in assessments])
    slides = [
        slide_section(
            assessment, viewer, classes, odd, density_panels(assessment, density, classes, tops)
        )
        for assessment, viewer, density, odd in zip(
            assessments, viewers, densities, outlying, strict=True
        )
    ]
    urgent = sorted(range(len(slides)), key=lambda at: -slides[at].n_review)[:max_slides]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            classes=classes,
            slides=slides,
            shown=[slides[at] for at in sorted(urgent)],
            compared=_COMPARED,
            total={
                "n": sum(slide.whole.n for slide in slides),
                "tissue": sum(float(slide.whole.tissue or 0) for slide in slides),
            },
        )
    )

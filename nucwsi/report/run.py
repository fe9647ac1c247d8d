"""How the results of a report were made: members, versions, times, and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nucwsi.facts import Member
from nucwsi.io.benchmarks import JobCost
from nucwsi.report.review_notes import CorrectedCohort


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
    address : str
        Address of the log relative to the report; may be empty.
    """

    slide: str
    reason: str
    log: str
    address: str = ""


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
    settings : str
        Settings of the pipeline that change results, as one line.
    group_tables : tuple of str
        Addresses of the tables of groups and of patients relative to the report, if any.
    imported : tuple of str
        Slides whose nuclei other programs found.
    tables : tuple of str
        Addresses of the tables of all slides relative to the report.
    reviewed : CorrectedCohort or None
        Corrected numbers of the slides that were reviewed, together; None if none was.
    """

    date: str
    version: str
    members: tuple[Member, ...]
    views: int
    mpp: float
    packages: dict[str, str]
    times: list[StepTime]
    failed: tuple[FailedSlide, ...] = ()
    settings: str = ""
    group_tables: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    reviewed: CorrectedCohort | None = None

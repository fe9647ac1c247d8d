"""What a run says at its end: where its results are, or which jobs failed and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nucwsi.config import Config
from nucwsi.io.slides.remote import shown
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.retries import error_in


class Failure(NamedTuple):
    """A job of one slide that failed.

    Attributes
    ----------
    slide : str
        Name of the slide.
    reason : str
        The last line of the log, such as ``nucwsi tile: a.svs: ...``.
    log : pathlib.Path
        The whole log.
    """

    slide: str
    reason: str
    log: Path


def shown_output(config: Config) -> Path:
    """Return the folder of the results by a name that says where it is.

    Parameters
    ----------
    config : Config
        Names the folder of the results.

    Returns
    -------
    pathlib.Path
        As it is named, but absolute where results lie in the working directory itself.
    """
    output = Path(config.output)
    return output.absolute() if output == Path() else output


def success_message(config: Config, slides: Mapping[str, SlideEntry]) -> str:
    """Say where the results are and which program opens each.

    Parameters
    ----------
    config : Config
        Names the folder of the results.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    str
        Whole lines; empty if the run made only a part of the results.
    """
    output = shown_output(config)
    if not (output / "composition.csv").exists():
        return ""
    if len(slides) == 1:
        name, entry = next(iter(slides.items()))
        count, opened = "1 slide", shown(entry.path)
    else:
        name, count, opened = "<slide>", f"{len(slides)} slides", "the slide"
    hints = {
        output / "report.html": "all slides at a glance: any web browser",
        output / "composition.csv": "a row for each slide and region: statistics",
        output / name / "nuclei.parquet": "a row for each nucleus: Python, R, QGIS",
        output / name / f"{name}.regions.geojson": "regions and their composition: QuPath",
        output / name / f"{name}.nuclei.qupath.zip": f"open {opened} in QuPath, drag this onto it",
    }
    width = max(len(str(path)) for path in hints)
    lines = [f"  {path!s:{width}}   {hint}" for path, hint in hints.items()]
    return "\n".join([f"Done: {count}. Results:", *lines, ""])


def failures(config: Config, slides: Mapping[str, SlideEntry]) -> list[Failure]:
    """List the jobs of slides that failed, as their logs tell.

    Parameters
    ----------
    config : Config
        Names the folder of the results, which holds the logs.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    list of Failure
        One for every log that ends in an error, slide by slide.
    """
    return [
        Failure(name, reason, log)
        for name in slides
        for log in sorted((shown_output(config) / "logs" / name).glob("*.log"))
        if (reason := error_in(log))
    ]


def failure_message(config: Config, slides: Mapping[str, SlideEntry]) -> str:
    """Repeat the last line of every log that ends in an error: of the slides, then of the cohort.

    Parameters
    ----------
    config : Config
        Names the folder of the results, which holds the logs.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    str
        One line per failed job, which ends in the path of its log.
    """
    told = [(one.reason, one.log) for one in failures(config, slides)]
    for log in sorted((shown_output(config) / "logs").glob("*.log")):
        reason = error_in(log)
        # The log of a batch repeats what those of its slides say.
        if reason and not any(one in reason for one, _ in told):
            told.append((reason, log))
    return "".join(f"{reason}  [{log}]\n" for reason, log in told)

"""`report`: write one page about all slides of a run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from nucwsi import __version__
from nucwsi.config import ReportSettings
from nucwsi.errors import StoreError
from nucwsi.io.benchmarks import read_benchmark
from nucwsi.io.inputs import check_file
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import published
from nucwsi.report.assessment import Assessment
from nucwsi.report.page import FailedSlide, Run, StepTime, report_page
from nucwsi.report.region_counts import region_counts

#: Steps in the order of the pipeline; others come last.
_STEPS = ("tile", "predict", "segment", "stitch", "compose", "export", "assess", "render")

_PACKAGES = ("numpy", "scipy", "shapely", "torch", "zarr", "openslide-python", "tifffile")


def _read_assessment(path: Path) -> Assessment:
    try:
        check_file(path)
        assessment = Assessment.from_json(path.read_bytes())
        # A row that cannot be shown is found before the page is made.
        for row in assessment.composition:
            region_counts(row, assessment.facts.classes)
        return assessment
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi assess`") from None
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise StoreError(f"{path}: is not an assessment ({error}); run `nucwsi assess`") from None


def _viewer_address(assessment: Path, output: Path) -> str | None:
    """Return the address of a slide's viewer relative to the report, or None without a viewer."""
    page = assessment.parent / "viewer" / "index.html"
    if not page.exists():
        return None
    return quote(Path(os.path.relpath(page, output.parent)).as_posix())


def _run_times(folder: Path | None, slides: Sequence[str]) -> list[StepTime]:
    """Add up the benchmark files of the slides, step by step."""
    sums: dict[str, StepTime] = {}
    for name in slides if folder is not None else ():
        for path in sorted((folder / name).glob("*.tsv")):  # type: ignore[operator]
            step = path.name.partition(".")[0]
            for cost in read_benchmark(path):
                sums[step] = sums.get(step, StepTime(step)).with_job(cost)
    order = {step: place for place, step in enumerate(_STEPS)}
    return sorted(sums.values(), key=lambda total: order.get(total.step, len(order)))


def _read_failed(path: Path) -> tuple[FailedSlide, ...]:
    try:
        check_file(path)
        return tuple(FailedSlide(**row) for row in json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path}: is no list of failed slides ({error})") from None


def report(
    assessments: Sequence[Path],
    output: Path,
    settings: ReportSettings,
    *,
    benchmarks: Path | None = None,
    failed: Path | None = None,
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    assessments : sequence of pathlib.Path
        ``assessment.json`` of each slide, at least one.
    output : pathlib.Path
        ``report.html``. It contains everything it shows.
    settings : ReportSettings
        Number of slides that get a section of their own.
    benchmarks : pathlib.Path, optional
        Folder of Snakemake's benchmark files, with a folder for each slide.
    failed : pathlib.Path, optional
        JSON list of the slides that could not be analysed: ``slide``, ``reason`` and ``log`` of
        each. They stand first in the report.

    Raises
    ------
    StoreError
        If an assessment is missing or damaged, or the report cannot be written.
    """
    check_outputs([output], [*assessments, failed], within=[benchmarks])
    slides = [_read_assessment(path) for path in assessments]
    viewers = [_viewer_address(path, output) for path in assessments]
    facts = slides[0].facts
    run = Run(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        version=__version__,
        members=facts.members,
        views=facts.views,
        mpp=facts.frame.mpp,
        packages={
            "nucwsi": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        times=_run_times(benchmarks, [slide.facts.slide for slide in slides]),
        failed=_read_failed(failed) if failed is not None else (),
    )
    page = report_page(slides, viewers, run, max_slides=settings.max_slides)
    with published(output) as aside:
        aside.write_text(page, "utf-8")

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
from nucwsi.config import MAX_GROUPS, ReportSettings
from nucwsi.errors import ConfigError, StoreError
from nucwsi.facts import SlideFacts
from nucwsi.io.benchmarks import read_benchmark
from nucwsi.io.csv_table import write_csv
from nucwsi.io.inputs import check_file
from nucwsi.io.outputs import check_outputs
from nucwsi.io.review.corrected import RECORD, read_record
from nucwsi.io.stores.publish import published
from nucwsi.report.assessment import Assessment
from nucwsi.report.group_section import GroupSection, group_section
from nucwsi.report.group_tables import group_tables
from nucwsi.report.multiqc import MULTIQC_FILES, multiqc_documents
from nucwsi.report.page import report_page
from nucwsi.report.region_counts import region_counts
from nucwsi.report.review_notes import CorrectedCohort
from nucwsi.report.run import FailedSlide, Run, StepTime
from nucwsi.report.slide_row import Files, SlideRow, slide_row

#: Steps in the order of the pipeline; others come last.
_STEPS = (
    *("import", "tile", "predict", "segment", "stitch", "features", "classify", "compose"),
    *("export", "assess", "render"),
)

#: Tables of all slides, which lie beside the report.
_TABLES = ("composition.csv", "morphometry.csv", "neighbours.csv")

_PACKAGES = ("numpy", "scipy", "shapely", "torch", "zarr", "openslide-python", "tifffile")


def _read_assessment(path: Path) -> Assessment:
    try:
        check_file(path)
        assessment = Assessment.from_json(path.read_bytes())
        # A row that cannot be shown is found before the page is made.
        for row in assessment.composition:
            region_counts(row, assessment.facts.classes, tuple(assessment.facts.unions))
        return assessment
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi assess`") from None
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise StoreError(f"{path}: is not an assessment ({error}); run `nucwsi assess`") from None


def _address(path: Path, output: Path) -> str:
    """Return the address of a file relative to the report; empty if there is no such file."""
    if not path.exists():
        return ""
    return quote(Path(os.path.relpath(path, output.parent)).as_posix())


def _files(assessment: Path, slide: str, output: Path) -> Files:
    folder = assessment.parent
    names = (
        "viewer/index.html",
        "composition.csv",
        f"{slide}.nuclei.qupath.zip",
        f"{slide}.regions.geojson",
        "provenance.json",
    )
    return Files(*(_address(folder / name, output) for name in names))


def _rows(
    assessments: Sequence[Path], output: Path
) -> tuple[list[SlideRow], SlideFacts, list[Path], tuple[str, ...]]:
    """Read what the page says of each slide.

    Also the facts of the first that was analysed here, which slides were reviewed, and the names of
    those whose nuclei were imported.
    """
    rows: list[SlideRow] = []
    reviewed: list[Path] = []
    imported: list[str] = []
    read_from: dict[str, Path] = {}
    facts: SlideFacts | None = None
    for path in assessments:
        assessment = _read_assessment(path)
        if facts is None or (facts.imported and not assessment.facts.imported):
            facts = assessment.facts
        slide = assessment.facts.slide
        if slide in read_from:
            raise StoreError(
                f"{path}: is of the slide {slide!r}, as is {read_from[slide]}; name each slide once"
            )
        read_from[slide] = path
        rows.append(slide_row(assessment, _files(path, slide, output)))
        if assessment.review is not None:
            reviewed.append(path.parent)
        if assessment.facts.imported:
            imported.append(slide)
    if facts is None:
        raise ConfigError("no assessment: expected the assessment.json of one slide or more")
    return rows, facts, reviewed, tuple(imported)


def _reviewed(folders: Sequence[Path], output: Path) -> CorrectedCohort | None:
    """Add up the slides of which the whole was reviewed; None if there is none."""
    found = [read_record(folder / RECORD) for folder in folders]
    known = [record for record in found if record is not None and record.totals is not None]
    if not known:
        return None
    # Loads what matches answers with nuclei, which most reports do not need.
    from nucwsi.steps.correct.cohort import TABLE, corrected_rows

    address = _address(output.with_name(TABLE), output)
    return CorrectedCohort.of(list(corrected_rows("", known)), address)


def _groups(rows: Sequence[SlideRow], settings: ReportSettings) -> list[GroupSection]:
    """Compare the groups of each column that is to be compared."""
    known = list(dict.fromkeys(name for row in rows for name in row.further))
    asked = {"compare": settings.compare, "pair": (settings.pair,) if settings.pair else ()}
    for setting, columns in asked.items():
        for name in columns:
            if name not in known:
                there = ", ".join(map(repr, known)) or "none"
                raise ConfigError(
                    f"`{setting}`: the slide sheet has no further column {name!r}, but {there};"
                    " name one of these, or compose the slides with that column"
                )
    for name in settings.compare:
        n_groups = len({row.further.get(name, "") for row in rows} - {""})
        if n_groups > MAX_GROUPS:
            raise ConfigError(
                f"`compare`: {name!r} divides the slides into {n_groups} groups, expected"
                f" {MAX_GROUPS} at most; join some of them in a column of the slide sheet"
            )
    classes = tuple(dict.fromkeys(name for row in rows for name in row.classes))
    return [
        group_section(rows, classes, name, settings.patient, settings.pair)
        for name in settings.compare
    ]


def _settings_line(facts: SlideFacts) -> str:
    sections = {"tile": facts.tile, "segment": facts.segment}
    return "; ".join(
        f"{verb} {', '.join(f'{name} {value}' for name, value in values.items())}"
        for verb, values in sections.items()
        if values
    )


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


def _read_failed(path: Path, output: Path) -> tuple[FailedSlide, ...]:
    try:
        check_file(path)
        rows = json.loads(path.read_text("utf-8"))
        return tuple(
            FailedSlide(row["slide"], row["reason"], row["log"], _address(Path(row["log"]), output))
            for row in rows
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path}: is no list of failed slides ({error})") from None


def report(
    assessments: Sequence[Path],
    output: Path,
    settings: ReportSettings,
    *,
    benchmarks: Path | None = None,
    failed: Path | None = None,
    groups: Path | None = None,
    patients: Path | None = None,
    multiqc: Path | None = None,
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
    groups : pathlib.Path, optional
        ``groups.csv``: the comparisons of groups that the settings ask for.
    patients : pathlib.Path, optional
        ``patients.csv``: the values of the patients that are compared.
    multiqc : pathlib.Path, optional
        Folder for the files that MultiQC shows.

    Raises
    ------
    ConfigError
        If a column that is to be compared does not exist, or makes too many groups.
    StoreError
        If an assessment is missing or damaged, two are of one slide, or an output cannot be
        written.
    """
    content = [multiqc / name for name in MULTIQC_FILES] if multiqc else []
    outputs = [output, groups, patients, *content]
    check_outputs(outputs, [*assessments, failed], within=[benchmarks])
    rows, facts, reviewed, imported = _rows(assessments, output)
    sections = _groups(rows, settings)
    tables = tuple(
        quote(Path(os.path.relpath(path, output.parent)).as_posix())
        for path in (groups, patients)
        if path is not None
    )
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
        times=_run_times(benchmarks, [row.name for row in rows]),
        failed=_read_failed(failed, output) if failed is not None else (),
        settings=_settings_line(facts),
        group_tables=tables,
        imported=imported,
        tables=tuple(filter(None, (_address(output.with_name(name), output) for name in _TABLES))),
        reviewed=_reviewed(reviewed, output),
    )
    page = report_page(
        rows,
        lambda at: _read_assessment(assessments[at]),
        run,
        sections,
        max_slides=settings.max_slides,
        max_bytes=settings.max_mb * 1e6,
    )
    for path, table in zip((groups, patients), group_tables(sections), strict=True):
        if path is not None:
            write_csv(path, table)
    for path, document in zip(content, multiqc_documents(rows).values(), strict=bool(content)):
        with published(path) as aside:
            aside.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    with published(output) as aside:
        aside.write_text(page, "utf-8")

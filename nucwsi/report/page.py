"""The report of a run as one HTML page, which contains everything that it shows."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from nucwsi.classes import CASING_ALPHA, colours, display_name
from nucwsi.composition.groups import smallest_p_value
from nucwsi.composition.patients import PatientCounts
from nucwsi.report.assessment import Assessment
from nucwsi.report.density_images import ClassEntry, common_tops, density_panels
from nucwsi.report.group_section import MEASURES, GroupSection
from nucwsi.report.methods import methods_paragraph
from nucwsi.report.packed_density import unpack_density
from nucwsi.report.quality import outliers
from nucwsi.report.run import Run
from nucwsi.report.slide_row import COMPARED, SlideRow
from nucwsi.report.slide_section import SlideSection, slide_section

#: Measure of a comparison -> attribute of `PatientCounts` that holds it.
_ATTRIBUTE = {"frac": "fraction", "per_mm2": "per_mm2"}

#: Size of a slide's section without its images and outlines, in bytes.
_REST_OF_SECTION = 60_000

#: Slides that the table shows at once; the script of the page draws the others as one scrolls.
_DRAWN = 100


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


def _percent(value: float) -> str:
    """Format a percentage; small ones with more decimals."""
    return _number(value, 0 if value >= 99.95 or value == 0 else 1 if value >= 0.95 else 2)


def _signed(value: float) -> str:
    """Format a difference with its sign; a dash if there is none."""
    text = _significant(value)
    return (
        text if text.strip("0.,") in {"", "–"} else f"{'+' if value > 0 else '−'}{text.lstrip('-')}"
    )


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _pairs(
    patients: Sequence[PatientCounts], groups: Sequence[str]
) -> list[tuple[PatientCounts, PatientCounts]]:
    """List each patient in the first group and in the second."""
    second = {one.patient: one for one in patients if one.group == groups[1]}
    first = (one for one in patients if one.group == groups[0])
    return [(one, second[one.patient]) for one in first if one.patient in second]


def _median(patients: Sequence[PatientCounts], group: str, measure: str, at: int) -> float:
    """Return the median of the patients of a group that have a value; NaN if none has."""
    values = [getattr(one, _ATTRIBUTE[measure])[at] for one in patients if one.group == group]
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _raw(value: Any) -> str:
    """Format a number for sorting; empty if there is none."""
    return "" if value is None or value == "" or value != value else f"{float(value):.6g}"


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
        "raw": _raw,
        "percent": _percent,
        "signed": _signed,
        "p": _p_value,
        "pairs": _pairs,
        "medians": _median,
    }
    environment.globals |= {"measure_of": _ATTRIBUTE, "smallest_p": smallest_p_value}
    return environment


def _classes(rows: Sequence[SlideRow]) -> list[ClassEntry]:
    """List the classes of all slides, in order of appearance."""
    names = tuple(dict.fromkeys(name for row in rows for name in row.classes))
    return [ClassEntry(name, colour) for name, colour in colours(names).items()]


def _outlying(rows: Sequence[SlideRow]) -> list[tuple[str, ...]]:
    """List for each slide the measurements in which it differs from the others."""
    odd = {key: outliers(np.array([row.compared[key] for row in rows])) for key in COMPARED}
    return [tuple(key for key in COMPARED if odd[key][at]) for at in range(len(rows))]


def report_page(
    rows: Sequence[SlideRow],
    load: Callable[[int], Assessment],
    run: Run,
    groups: Sequence[GroupSection] = (),
    *,
    max_slides: int,
    max_bytes: float = float("inf"),
) -> str:
    """Write the report of a run.

    Parameters
    ----------
    rows : sequence of SlideRow
        What is known of each slide; at least one.
    load : callable
        Takes the place of a slide in `rows` and returns its assessment; called for those alone
        that get a section of their own.
    run : Run
        How the results were made.
    groups : sequence of GroupSection
        Comparisons of groups of slides.
    max_slides : int
        Largest number of slides with a section of their own. If there are more slides, those with
        the most points to review get one.
    max_bytes : float
        Size of the page from which on no slide gets a section, but for the first.

    Returns
    -------
    str
        HTML that needs no other file and runs no script but its own.
    """
    classes, odd = _classes(rows), _outlying(rows)
    # A stable sort: of equals, the first of the sheet comes first.
    urgency = [len(row.faults) + len(odd[at]) for at, row in enumerate(rows)]
    order = sorted(range(len(rows)), key=lambda at: -urgency[at])
    script = resources.files("nucwsi.report").joinpath("templates/report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    common = {
        "run": run,
        "rows": rows,
        "classes": classes,
        "compared": COMPARED,
        "outlying": odd,
        "several": len(rows) > 1,
        "casing": CASING_ALPHA,
    }
    environment = _environment()
    head = {
        "order": order,
        "n_look": sum(map(bool, urgency)),
        "drawn": _DRAWN,
        "groups": groups,
        "measures": MEASURES,
        "further": list(dict.fromkeys(name for row in rows for name in row.further)),
        "total": {
            "n": sum(row.whole.n for row in rows),
            "tissue": sum(float(row.whole.tissue or 0) for row in rows),
        },
        "script": script,
        "script_digest": digest,
        "methods": methods_paragraph(run, len(rows), groups),
    }
    page = environment.get_template("report.html.j2")
    # The table of slides links to the sections, so its size is known before they are chosen.
    size = len(page.render(**common, **head, sections=[], shown=frozenset()))
    chosen = _chosen(order[:max_slides], load, max_bytes - size)
    template = environment.get_template("slide.html.j2")
    sections = [
        template.render(**common, slide=section)
        for section in _sections(chosen, rows, classes, odd)
    ]
    return page.render(**common, **head, sections=sections, shown=frozenset(chosen))


def _chosen(
    order: Sequence[int], load: Callable[[int], Assessment], room: float
) -> dict[int, Assessment]:
    """Load slides until their sections fill the room, in bytes; at least one."""
    chosen: dict[int, Assessment] = {}
    for at in order:
        assessment = load(at)
        room -= _section_bytes(assessment)
        if chosen and room < 0:
            break
        chosen[at] = assessment
    return chosen


def _section_bytes(assessment: Assessment) -> int:
    """Estimate the size of a slide's section from what is large in it."""
    thumbnail = assessment.thumbnail
    large = [thumbnail.image, thumbnail.tissue, assessment.density.data]
    large += [region.d for region in thumbnail.regions]
    large += [mark.d for mark in assessment.marks]
    large += [
        text for crop in assessment.crops for text in (crop.image, *(p.d for p in crop.paths))
    ]
    return _REST_OF_SECTION + sum(map(len, large))


def _sections(
    chosen: dict[int, Assessment],
    rows: Sequence[SlideRow],
    classes: Sequence[ClassEntry],
    odd: Sequence[tuple[str, ...]],
) -> list[SlideSection]:
    """Put the sections together; their density maps have one scale."""
    assessments = list(chosen.values())
    densities = [unpack_density(assessment.density) for assessment in assessments]
    tops = common_tops(assessments, densities, classes)
    return [
        slide_section(
            rows[at],
            assessment,
            classes,
            odd[at],
            density_panels(assessment, density, classes, tops),
        )
        for (at, assessment), density in zip(chosen.items(), densities, strict=True)
    ]

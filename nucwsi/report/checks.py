"""The quality checks of a slide as the report lists them: value, verdict and explanation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from nucwsi.facts import SlideFacts
from nucwsi.nuclei.taught import Taught
from nucwsi.report.assessment import Assessment, Quality, SeamAudit
from nucwsi.report.quality import BLURRED_SHARE, DIAMETER_UM, blurred_share

#: The diameter of fewer nuclei says nothing about the slide's mpp.
_MIN_NUCLEI = 100

#: Letters of a warning that the table of slides shows.
_BRIEF = 40


class Check(NamedTuple):
    """One row of a slide's quality table.

    Attributes
    ----------
    name : str
        What is checked.
    value : str
        What was measured, with its unit; a dash if nothing could be measured.
    verdict : str
        ``fine``, ``review`` (somebody should look at the slide), or ``note`` (no verdict).
    text : str
        What the value means.
    brief : str
        What the table of slides says of it; empty if name and value say all.
    """

    name: str
    value: str
    verdict: Literal["fine", "review", "note"]
    text: str
    brief: str = ""


def checks(assessment: Assessment) -> list[Check]:
    """Judge a slide.

    Parameters
    ----------
    assessment : Assessment
        What `assess` found on the slide.

    Returns
    -------
    list of Check
        In the order of the report's table.
    """
    facts, quality, seams = assessment.facts, assessment.quality, assessment.seams
    return [
        _mpp(facts),
        *_warnings("Slide", facts.warnings),
        _diameter(quality.diameter_um, sum(row.n for row in assessment.morphometry)),
        _focus(quality.blur, assessment.marked("blurred")),
        *_marks(assessment),
        _reading(facts),
        _domain(assessment),
        *_warnings("Regions", assessment.region_warnings),
        *_warnings("Review", () if assessment.review is None else assessment.review.remarks),
        _seams(seams),
        _locality(seams, facts),
        *_taught(facts.taught),
        *_notes(facts, quality),
    ]


def _mpp(facts: SlideFacts) -> Check:
    down, across = facts.frame.level0_mpp
    size = f"{across:.4g}" if abs(down / across - 1) < 1e-3 else f"{across:.4g} × {down:.4g}"
    text = f"Size of a level-0 pixel, according to: {facts.mpp_source}."
    return Check("Pixel size", f"{size} µm", "note", text)


def _warnings(name: str, warnings: Sequence[str]) -> Iterator[Check]:
    if warnings:
        value = f"{len(warnings):,} to check"
        more = f", and {len(warnings) - 1} more" if len(warnings) > 1 else ""
        brief = f"{name}: {textwrap.shorten(warnings[0], _BRIEF, placeholder=' …')}{more}"
        yield Check(name, value, "review", " ".join(f"{line}." for line in warnings), brief)


def _diameter(typical: float | None, n_nuclei: int) -> Check:
    low, high = DIAMETER_UM
    name = "Nuclear diameter"
    if typical is None or n_nuclei < _MIN_NUCLEI:
        return Check(name, "–", "note", "Too few nuclei to check the pixel size.")
    text = (
        "Half of the total nuclear area lies in nuclei smaller than this."
        f" Usual: {low:g} to {high:g} µm."
    )
    if low <= typical <= high:
        return Check(name, f"{typical:.1f} µm", "fine", text)
    wrong = "small" if typical < low else "large"
    hint = f"{text} If the nuclei look normal in size, the pixel size is too {wrong}."
    return Check(name, f"{typical:.1f} µm", "review", hint)


def _focus(blurs: Sequence[float], patches_mm2: float) -> Check:
    if not blurs:
        text = "Not measured: the scan is too coarse, or no field is full of tissue."
        return Check("Focus", "–", "note", text)
    share = blurred_share(blurs)
    text = f"{len(blurs):,} fields of 64 µm were measured."
    if share >= BLURRED_SHARE:
        text = f"Share of fields that look blurred by a Gaussian of 1 µm or more. {text}"
        return Check("Focus", f"{100 * share:.0f} % blurred", "review", text)
    if patches_mm2:
        text = f"Patches that are far less sharp than the rest of the slide. {text}"
        return Check("Focus", f"{patches_mm2:.3f} mm² blurred", "review", text)
    return Check("Focus", "sharp", "fine", text)


def _marks(assessment: Assessment) -> Iterator[Check]:
    """Yield what else is marked on the overview."""
    fold, pen = assessment.marked("fold"), assessment.marked("pen")
    outlying = assessment.marked("outlying")
    text = (
        "Tissue that lies double: both stains are 1.8 times as dense as usual, or more. Small and"
        " pale folds are missed."
    )
    yield Check("Folds", f"{fold:.2f} mm²", "review" if fold else "fine", text)
    text = "Pen or padding, left out of the tissue. Pale marks may be missed."
    yield Check("Pen", f"{pen:.2f} mm²", "note", text)
    if outlying:
        text = "Tissue that is unlike what the networks were trained on: do not trust its numbers."
        yield Check("Unknown tissue", f"{outlying:.2f} mm²", "review", text)


def _reading(facts: SlideFacts) -> Check:
    if facts.status == "ok":
        return Check("Reading", "complete", "fine", "Every tile of the tissue was readable.")
    text = "The slide is degraded: unreadable parts are excluded from the tissue."
    return Check("Reading", f"{len(facts.bad_tiles):,} tiles failed", "review", text)


def _domain(assessment: Assessment) -> Check:
    distance = assessment.composition[0].get("domain_distance", "")
    if not distance:
        text = "Not measured: too few nuclei, or a checkpoint that does not know its domain."
        return Check("Domain", "–", "note", text)
    value = f"{float(distance):.2f} of the limit"
    if assessment.domain_warning:
        warning = assessment.domain_warning
        return Check("Domain", value, "review", f"{warning[:1].upper()}{warning[1:]}.")
    text = "How far stain, size and certainty of the nuclei are from those of the training images."
    return Check("Domain", value, "fine", text)


def _seams(seams: SeamAudit) -> Check:
    ratio = seams.density_ratio
    value = "–" if ratio is None else f"{ratio:.2f}"
    text = (
        f"Density of nuclei along tile seams, divided by the density beside them:"
        f" {seams.n_seam:,} nuclei along seams, z = {seams.density_z:.1f};"
        f" {seams.cut_seam:,} nuclei end at a seam, z = {seams.cut_z:.1f}."
    )
    return Check("Tile seams", value, "review" if seams.visible else "fine", text)


def _locality(seams: SeamAudit, facts: SlideFacts) -> Check:
    if facts.imported:
        text = "Another program found the nuclei; whether they depend on its tiles is not known."
        return Check("Model", facts.members[0].name, "review", text)
    if seams.exact:
        text = "All members are local, so the result does not depend on the tiles."
        return Check("Model", "exact at seams", "fine", text)
    text = (
        "At least one member is not local, so nuclei are merged by overlap and depend on the tile"
        " size."
    )
    return Check("Model", "not exact at seams", "review", text)


def _taught(taught: Taught | None) -> Iterator[Check]:
    if taught is None:
        return
    text = (
        f"Classes by {taught.name}, which was taught"
        f" {', '.join(f'{name} ({n} answers)' for name, n in taught.labels.items())}"
        f"{' beside the classes of the network' if taught.extends else ''}."
        f" In cross-validation it was right for {100 * taught.accuracy:.0f} % of the answers, the"
        f" network for {100 * taught.network_accuracy:.0f} %, the commonest class for"
        f" {100 * taught.commonest_accuracy:.0f} %."
    )
    doubts = " ".join(f"{line[:1].upper()}{line[1:]}." for line in taught.warnings)
    verdict: Literal["fine", "review"] = "review" if taught.warnings else "fine"
    yield Check("Classifier", taught.name, verdict, f"{text} {doubts}".rstrip())


def _notes(facts: SlideFacts, quality: Quality) -> Iterator[Check]:
    """Yield the measurements that allow no verdict."""
    value = "–" if quality.certainty is None else f"{quality.certainty:.2f}"
    yield Check("Certainty", value, "note", "Mean probability of each nucleus' assigned class.")
    text = "Nuclei cut by the edge of the analysed area."
    yield Check("At the edge", f"{quality.at_edge:,}", "note", text)
    dropped = sum(facts.n_dropped.values())
    text = "Objects dropped because they were too small for their class or too uncertain."
    yield Check("Dropped", f"{dropped:,}", "note", text)

"""What the page about a cohort knows of each slide: numbers, verdicts and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nucwsi.report.assessment import Assessment
from nucwsi.report.checks import Check, checks
from nucwsi.report.quality import blurred_share
from nucwsi.report.region_counts import RegionCounts, region_counts

#: What is compared over the slides, as in `compared_values`: key -> heading, decimals.
COMPARED = {
    "per_mm2": ("Nuclei per mm²", 0),
    "diameter": ("Diameter, µm", 1),
    "certainty": ("Certainty", 2),
    "blurred": ("Blurred, %", 0),
}


class Files(NamedTuple):
    """Addresses of a slide's files relative to the report; empty where there is none.

    Attributes
    ----------
    viewer : str
        The page of the viewer.
    table : str
        ``composition.csv``.
    nuclei : str
        The zip of nuclei for QuPath.
    regions : str
        The regions as GeoJSON.
    provenance : str
        ``provenance.json``.
    """

    viewer: str = ""
    table: str = ""
    nuclei: str = ""
    regions: str = ""
    provenance: str = ""


@dataclass(frozen=True)
class SlideRow:
    """One slide of the cohort.

    Attributes
    ----------
    name : str
        Name of the slide.
    further : dict of str to str
        Further columns of the slide sheet.
    classes : tuple of str
        Classes of its nuclei.
    regions : tuple of RegionCounts
        All regions, the whole slide first.
    checks : tuple of Check
        Rows of the quality table.
    compared : dict
        Measurement that is compared over the slides -> value; NaN if there is none.
    mini : str
        Small overview as a data URI.
    files : Files
        Where its results are.
    """

    name: str
    further: dict[str, str]
    classes: tuple[str, ...]
    regions: tuple[RegionCounts, ...]
    checks: tuple[Check, ...]
    compared: dict[str, float]
    mini: str
    files: Files

    @property
    def anchor(self) -> str:
        """Address of the slide's section within the page."""
        return f"slide-{self.name}"

    @property
    def whole(self) -> RegionCounts:
        """The whole slide as a region."""
        return self.regions[0]

    @property
    def faults(self) -> list[Check]:
        """What somebody should look at."""
        return [check for check in self.checks if check.verdict == "review"]


def compared_values(assessment: Assessment) -> dict[str, float]:
    """Return the measurements that are compared over the slides of a run.

    Parameters
    ----------
    assessment : Assessment
        What `assess` found on the slide.

    Returns
    -------
    dict
        ``per_mm2`` (nuclei per mm² of tissue), ``diameter`` (µm), ``certainty`` (0 to 1) and
        ``blurred`` (percent of the fields); NaN where there is no value.
    """
    quality, whole = assessment.quality, assessment.composition[0]
    tissue = float(whole["tissue_area_mm2"] or 0)
    nan = float("nan")
    return {
        "per_mm2": int(whole["n_nuclei"]) / tissue if tissue else nan,
        "diameter": nan if quality.diameter_um is None else quality.diameter_um,
        "certainty": nan if quality.certainty is None else quality.certainty,
        "blurred": 100 * blurred_share(quality.blur),
    }


def slide_row(assessment: Assessment, files: Files) -> SlideRow:
    """Take from an assessment what the cohort's part of the page needs.

    Parameters
    ----------
    assessment : Assessment
        What `assess` found on the slide.
    files : Files
        Where its results are.

    Returns
    -------
    SlideRow
        With the numbers of the assessment, unchanged.
    """
    names, unions = assessment.facts.classes, assessment.facts.unions
    return SlideRow(
        name=assessment.facts.slide,
        further=assessment.further,
        classes=names,
        regions=tuple(region_counts(row, names, tuple(unions)) for row in assessment.composition),
        checks=tuple(checks(assessment)),
        compared=compared_values(assessment),
        mini=assessment.mini,
        files=files,
    )

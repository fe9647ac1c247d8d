"""One slide's section of the report: its numbers, charts and images, ready for the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nucwsi.report.assessment import Assessment, Crop, Rule
from nucwsi.report.checks import Check, checks
from nucwsi.report.density_images import ClassEntry, DensityPanels
from nucwsi.report.imagery import ScaleBar, scale_bar
from nucwsi.report.quality import blurred_share
from nucwsi.report.region_counts import RegionCounts, region_counts

#: Most rows in a slide's table of regions, and most regions in its chart of intervals.
_MAX_ROWS, _MAX_CHARTED = 60, 6

#: Headings of the rules by which crops are chosen.
_RULES: dict[Rule, str] = {
    "densest": "Most nuclei",
    "uncertain": "Least certain",
    "random": "Random",
}


class CropGroup(NamedTuple):
    """The crops that one rule has chosen.

    Attributes
    ----------
    title : str
        Heading of the group.
    crops : tuple of (Crop, ScaleBar)
        Each crop and its scale bar.
    """

    title: str
    crops: tuple[tuple[Crop, ScaleBar], ...]


@dataclass(frozen=True)
class SlideSection:
    """What the report says of one slide.

    Attributes
    ----------
    assessed : Assessment
        The assessment that everything else is made from.
    viewer : str or None
        Address of the slide's viewer relative to the report.
    classes : tuple of ClassEntry
        Classes of the slide.
    regions : tuple of RegionCounts
        All regions, the whole slide first.
    checks : tuple of Check
        Rows of the quality table.
    compared : dict
        Measurement that is compared over the slides -> value; NaN if there is none.
    outliers : tuple of str
        Measurements in which the slide differs from the others of the run.
    maps : DensityPanels
        Density maps.
    """

    assessed: Assessment
    viewer: str | None
    classes: tuple[ClassEntry, ...]
    regions: tuple[RegionCounts, ...]
    checks: tuple[Check, ...]
    compared: dict[str, float]
    outliers: tuple[str, ...]
    maps: DensityPanels

    @property
    def name(self) -> str:
        """Name of the slide."""
        return self.assessed.facts.slide

    @property
    def anchor(self) -> str:
        """Address of the section within the page."""
        return f"slide-{self.name}"

    @property
    def whole(self) -> RegionCounts:
        """The whole slide as a region."""
        return self.regions[0]

    @property
    def listed(self) -> tuple[RegionCounts, ...]:
        """Regions in the table."""
        return self.regions[:_MAX_ROWS]

    @property
    def charted(self) -> list[RegionCounts]:
        """Regions in the chart of intervals."""
        return [region for region in self.regions if region.n][:_MAX_CHARTED]

    @property
    def n_review(self) -> int:
        """Number of points that somebody should look at."""
        return sum(check.verdict == "review" for check in self.checks) + len(self.outliers)

    @property
    def bar(self) -> ScaleBar:
        """Scale bar of the thumbnail."""
        thumbnail = self.assessed.thumbnail
        return scale_bar(thumbnail.size[0] * thumbnail.mpp)

    @property
    def crop_groups(self) -> list[CropGroup]:
        """The crops, rule by rule."""
        return [
            CropGroup(
                title,
                tuple(
                    (crop, scale_bar(crop.size[0] * crop.mpp))
                    for crop in self.assessed.crops
                    if crop.rule == rule
                ),
            )
            for rule, title in _RULES.items()
        ]


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


def slide_section(
    assessment: Assessment,
    viewer: str | None,
    classes: Sequence[ClassEntry],
    outliers: Sequence[str],
    maps: DensityPanels,
) -> SlideSection:
    """Put together what the report says of a slide.

    Parameters
    ----------
    assessment : Assessment
        What `assess` found on the slide.
    viewer : str or None
        Address of the slide's viewer relative to the report.
    classes : sequence of ClassEntry
        All classes of the run.
    outliers : sequence of str
        Measurements (keys of `compared_values`) in which the slide differs from the others.
    maps : DensityPanels
        Density maps of the slide.

    Returns
    -------
    SlideSection
        With the numbers of the assessment, unchanged.
    """
    names = assessment.facts.classes
    return SlideSection(
        assessed=assessment,
        viewer=viewer,
        classes=tuple(entry for entry in classes if entry.name in names),
        regions=tuple(region_counts(row, names) for row in assessment.composition),
        checks=tuple(checks(assessment)),
        compared=compared_values(assessment),
        outliers=tuple(outliers),
        maps=maps,
    )

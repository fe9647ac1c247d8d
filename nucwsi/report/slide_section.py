"""One slide's section of the report: its charts and images, ready for the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from nucwsi.report.assessment import Assessment, Crop, Mark, MarkKind, Rule
from nucwsi.report.density_images import ClassEntry, DensityPanels, round_up
from nucwsi.report.imagery import ScaleBar, scale_bar
from nucwsi.report.region_counts import ClassCount, RegionCounts
from nucwsi.report.slide_row import SlideRow

#: Most rows in a slide's table of regions, most regions in its chart of intervals, and most names
#: on its overview.
_MAX_ROWS, _MAX_CHARTED, _MAX_NAMED = 60, 6, 40

#: Headings of the rules by which crops are chosen.
_RULES: dict[Rule, str] = {
    "densest": "Most nuclei",
    "uncertain": "Least certain",
    "random": "Random",
}

#: What is marked on the overview, as its legend says it.
_MARKS: dict[MarkKind, str] = {
    "blurred": "blurred",
    "fold": "folds",
    "pen": "pen or padding",
    "outlying": "unknown tissue",
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


class Label(NamedTuple):
    """The name of a region on the overview.

    Attributes
    ----------
    text : str
        The name.
    left, top : float
        Where it is centred, in percent of the picture.
    """

    text: str
    left: float
    top: float


@dataclass(frozen=True)
class SlideSection:
    """What the report says of one slide.

    Attributes
    ----------
    row : SlideRow
        Its numbers and files.
    assessed : Assessment
        The assessment that everything else is made from.
    classes : tuple of ClassEntry
        Classes of the slide.
    outliers : tuple of str
        Measurements in which the slide differs from the others of the run.
    maps : DensityPanels
        Density maps.
    """

    row: SlideRow
    assessed: Assessment
    classes: tuple[ClassEntry, ...]
    outliers: tuple[str, ...]
    maps: DensityPanels

    @property
    def unions(self) -> dict[str, tuple[str, ...]]:
        """Unions of its classes that are counted as well, and what they are made of."""
        return self.assessed.facts.unions

    @property
    def listed(self) -> tuple[RegionCounts, ...]:
        """Regions in the table."""
        return self.row.regions[:_MAX_ROWS]

    @property
    def charted(self) -> list[RegionCounts]:
        """Regions in the chart of intervals."""
        return [region for region in self.row.regions if region.n][:_MAX_CHARTED]

    @property
    def rarest(self) -> ClassCount | None:
        """The class that was found least often on the whole slide; None without nuclei."""
        found = [part for part in self.row.whole.parts if part.n]
        return min(found, key=lambda part: part.n, default=None)

    @property
    def top_percent(self) -> float:
        """Where the one axis of the chart of intervals ends, in percent."""
        ends = [max(part.percent) for region in self.charted for part in region.parts]
        return min(100.0, round_up(max(ends, default=0.0)))

    @property
    def bar(self) -> ScaleBar:
        """Scale bar of the thumbnail."""
        thumbnail = self.assessed.thumbnail
        return scale_bar(thumbnail.size[0] * thumbnail.mpp)

    @property
    def labels(self) -> list[Label]:
        """Names of the user's regions on the overview."""
        return [
            Label(
                self.row.regions[outline.row].name, 100 * outline.point[0], 100 * outline.point[1]
            )
            for outline in self.assessed.thumbnail.regions
            if outline.source == "user" and outline.point
        ][:_MAX_NAMED]

    @property
    def marks(self) -> list[tuple[str, Mark]]:
        """What is marked on the overview, and its name in the legend."""
        return [(_MARKS[mark.kind], mark) for mark in self.assessed.marks]

    @property
    def addresses(self) -> dict[int, str]:
        """Place of a region in the table -> address of the viewer at this region.

        By its name, or, where several have the same, by its place.
        """
        viewer = self.row.files.viewer
        if not viewer:
            return {}
        names = Counter(region.name for region in self.row.regions)
        addresses = {0: viewer}
        for outline in self.assessed.thumbnail.regions:
            name = self.row.regions[outline.row].name
            if names[name] == 1:
                addresses[outline.row] = f"{viewer}#region={quote(name, safe='')}"
            elif outline.view:
                addresses[outline.row] = f"{viewer}#at={','.join(map(str, outline.view))}"
        return addresses

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


def slide_section(
    row: SlideRow,
    assessment: Assessment,
    classes: Sequence[ClassEntry],
    outliers: Sequence[str],
    maps: DensityPanels,
) -> SlideSection:
    """Put together what the report says of a slide.

    Parameters
    ----------
    row : SlideRow
        The numbers of the slide.
    assessment : Assessment
        What `assess` found on the slide.
    classes : sequence of ClassEntry
        All classes of the run.
    outliers : sequence of str
        Measurements (keys of `COMPARED`) in which the slide differs from the others.
    maps : DensityPanels
        Density maps of the slide.

    Returns
    -------
    SlideSection
        With the classes of the slide alone.
    """
    own = tuple(entry for entry in classes if entry.name in row.classes)
    return SlideSection(row, assessment, own, tuple(outliers), maps)

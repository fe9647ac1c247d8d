"""The type of `assessment.json`: all that the report says and shows of one slide.

`assess` makes an `Assessment` and `report` reads it. Every key of the file is an attribute here.
"""

from __future__ import annotations

import operator
from typing import Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from nucwsi.documents import check_format
from nucwsi.facts import SlideFacts
from nucwsi.report.packed_density import PackedDensity
from nucwsi.report.review_notes import CorrectedRegion, ReviewNotes, corrected_regions

#: Rises whenever a key is added, removed or changes its meaning. Readers refuse a newer one.
FORMAT_VERSION = 3

#: Rules by which fields are chosen; see `report.fields`.
Rule = Literal["densest", "uncertain", "random"]

#: What is marked on the overview; ``outlying`` tissue is unlike what the networks were trained on.
MarkKind = Literal["blurred", "fold", "pen", "outlying"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def validated(cls, document: Any) -> Self:
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "classes"
            raise ValueError(f"`{where}`: {first['msg'].removeprefix('Value error, ')}") from None


class SeamAudit(_Document):
    """What the report says of the audit of the seams; ``seams.json`` holds more than that.

    Attributes
    ----------
    exact : bool
        Whether all members are local, so that the nuclei do not depend on the tiles.
    n_seam : int
        Nuclei along seams.
    density_ratio : float or None
        Density of nuclei along seams, divided by that beside them; None without nuclei.
    density_z : float
        Difference of these densities in standard deviations of Poisson counts.
    cut_seam : int
        Nuclei whose bounding box ends on a seam.
    cut_z : float
        Difference from the lines beside the seams in standard deviations of Poisson counts.
    visible : bool
        Whether nuclei are missing, doubled or cut along the seams.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    exact: bool
    n_seam: int
    density_ratio: float | None
    density_z: float
    cut_seam: int
    cut_z: float
    visible: bool

    @classmethod
    def from_json(cls, text: bytes) -> SeamAudit:
        """Read the content of ``seams.json``.

        Parameters
        ----------
        text : bytes
            The untrusted content of a file.

        Returns
        -------
        SeamAudit
            With all types and keys checked.

        Raises
        ------
        ValueError
            If `text` is no JSON or no audit.
        """
        return cls.validated(orjson.loads(text))


class RegionOutline(_Document):
    """The outline of a region, drawn over the thumbnail.

    Attributes
    ----------
    row : int
        The region's place in `Assessment.composition`, from 0.
    source : str
        Where the region comes from: ``tissue``, ``grid`` or ``user``.
    d : str
        SVG path data in the unit of `report.imagery.SVG_UNITS`.
    point : (float, float) or None
        Where its name is written: a point inside, x and y as shares of the picture, 0 to 1.
    view : (int, int, int) or None
        What a viewer shows of it: x and y of the centre in level-0 pixels from the origin of the
        slide's bounds, as in QuPath, and the width in µm.
    """

    row: int
    source: str
    d: str
    point: tuple[float, float] | None = None
    view: tuple[int, int, int] | None = None


class Thumbnail(_Document):
    """The whole canvas as a small picture.

    Attributes
    ----------
    image : str
        JPEG as a data URI.
    size : (int, int)
        Width and height in its pixels.
    mpp : float
        µm per pixel of the picture.
    tissue : str
        Outline of the tissue as SVG path data.
    regions : tuple of RegionOutline
        Regions other than the whole slide.
    """

    image: str
    size: tuple[PositiveInt, PositiveInt]
    mpp: float = Field(gt=0)
    tissue: str
    regions: tuple[RegionOutline, ...]


class ClassShapes(_Document):
    """Size and shape of the nuclei of one class on the whole slide.

    Attributes
    ----------
    name : str
        The class.
    n : int
        Number of its nuclei.
    features : dict
        Feature -> its 5th, 50th and 95th percentile; without the features that have none.
    areas : tuple of int
        Histogram of areas, over the bins of `report.class_shapes.AREA_BINS_UM2`.
    """

    name: str
    n: int
    features: dict[str, tuple[float, float, float]]
    areas: tuple[int, ...]


class ClassOutlines(_Document):
    """The outlines of all nuclei of one class in a crop.

    Attributes
    ----------
    code : int
        Index of the class in the slide's classes.
    d : str
        SVG path data in the unit of `report.imagery.SVG_UNITS`.
    """

    code: int
    d: str


class Crop(_Document):
    """A field of the slide at full resolution, with the outlines of its nuclei.

    Attributes
    ----------
    rule : str
        Why it is shown: ``densest``, ``uncertain`` or ``random``.
    x, y : int
        Its centre in level-0 pixels from the origin of the slide's bounds, as in QuPath.
    n : int
        Nuclei whose centroid lies in it.
    certainty : float or None
        Mean probability of the assigned class of these nuclei; None without nuclei.
    size : (int, int)
        Width and height in pixels of the picture.
    mpp : float
        µm per pixel of the picture.
    image : str
        JPEG as a data URI.
    paths : tuple of ClassOutlines
        One for each class that has nuclei here.
    """

    rule: Rule
    x: int
    y: int
    n: int
    certainty: float | None
    size: tuple[PositiveInt, PositiveInt]
    mpp: float = Field(gt=0)
    image: str
    paths: tuple[ClassOutlines, ...]


class Mark(_Document):
    """Part of a slide that should be looked at, drawn over the thumbnail.

    Attributes
    ----------
    kind : str
        ``blurred``, ``fold``, ``pen`` or ``outlying``.
    area_mm2 : float
        Its area in mm².
    d : str
        Its outline as SVG path data in the unit of `report.imagery.SVG_UNITS`.
    """

    kind: MarkKind
    area_mm2: float = Field(ge=0)
    d: str


class Quality(_Document):
    """Measurements that tell how far a slide and its nuclei can be trusted.

    Attributes
    ----------
    diameter_um : float or None
        See `report.quality.typical_diameter`; None without nuclei.
    certainty : float or None
        Mean probability of each nucleus' assigned class; None without nuclei.
    blur : tuple of float
        Blur of each measured field, 0 (sharp) to 1; fields do not overlap. Empty if the slide is
        too coarse.
    at_edge : int
        Nuclei that the edge of the analysed area cuts.
    """

    diameter_um: float | None
    certainty: float | None
    blur: tuple[float, ...]
    at_edge: int


class Assessment(_Document):
    """All that the report says and shows of one slide.

    Attributes
    ----------
    kind : str
        ``assessment``.
    version : int
        Format of this document.
    facts : SlideFacts
        Origin of the slide's nuclei.
    path : str
        Path of the slide's file when it was assessed.
    composition : tuple of dict
        Rows of ``composition.csv`` (column -> text), the whole slide first, without the squares
        of the grid.
    seams : SeamAudit
        The audit of the seams.
    thumbnail : Thumbnail
        Overview with the outlines of tissue and regions.
    mini : str
        An even smaller overview for the table of slides, as a data URI.
    density : PackedDensity
        Density map of each class.
    morphometry : tuple of ClassShapes
        One for each class, in the slide's order.
    crops : tuple of Crop
        Example fields, grouped by rule.
    quality : Quality
        Measurements for the quality checks.
    region_warnings : tuple of str
        What `compose` found doubtful about the user's regions, one line each.
    domain_warning : str
        What sets the slide's nuclei apart from those that were learnt from; empty if nothing does.
    review : ReviewNotes or None
        How the slide was reviewed; None if it was not.
    marks : tuple of Mark
        Parts of the slide that should be looked at, at most one of each kind.
    further : dict of str to str
        Further columns of the slide sheet, in its order.
    """

    kind: Literal["assessment"] = "assessment"
    version: int = FORMAT_VERSION
    facts: SlideFacts
    path: str
    composition: tuple[dict[str, str], ...] = Field(min_length=1)
    seams: SeamAudit
    thumbnail: Thumbnail
    mini: str
    density: PackedDensity
    morphometry: tuple[ClassShapes, ...]
    crops: tuple[Crop, ...]
    quality: Quality
    region_warnings: tuple[str, ...] = ()
    domain_warning: str = Field("", exclude_if=operator.not_)
    review: ReviewNotes | None = None
    marks: tuple[Mark, ...] = ()
    further: dict[str, str] = {}

    @model_validator(mode="after")
    def _of_these_classes(self) -> Self:
        n_classes = len(self.facts.classes)
        codes = {path.code for crop in self.crops for path in crop.paths}
        if wrong := codes.difference(range(n_classes)):
            raise ValueError(f"the slide has {n_classes} classes, a crop has class {min(wrong)}")
        if self.density.shape[0] != n_classes:
            shown = self.density.shape[0]
            raise ValueError(f"the slide has {n_classes} classes, `density` has {shown}")
        names = tuple(shapes.name for shapes in self.morphometry)
        if names != self.facts.classes:
            raise ValueError(f"`morphometry` is of {names}, expected {self.facts.classes}")
        return self

    @property
    def corrected(self) -> tuple[CorrectedRegion, ...]:
        """Corrected numbers of the regions; none without a review.

        Raises
        ------
        KeyError, ValueError
            If the composition holds none.
        """
        if self.review is None:
            return ()
        return corrected_regions(self.composition, self.review.classes)

    def marked(self, kind: MarkKind) -> float:
        """Return how much of the slide is marked.

        Parameters
        ----------
        kind : str
            A kind of mark.

        Returns
        -------
        float
            Area in mm²; 0 if nothing is marked so.
        """
        return sum(mark.area_mm2 for mark in self.marks if mark.kind == kind)

    def to_json(self) -> bytes:
        """Return the content of `assessment.json`, in UTF-8."""
        return orjson.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: bytes) -> Assessment:
        """Read what `to_json` returned.

        Parameters
        ----------
        text : bytes
            The untrusted content of a file.

        Returns
        -------
        Assessment
            With all types and keys checked.

        Raises
        ------
        ValueError
            If `text` is no JSON, no assessment, lacks a key, or has a newer format than this
            version of nucwsi reads.
        """
        document = orjson.loads(text)
        _check_kind(document)
        facts = SlideFacts.from_json(document.get("facts"), "nuclei")
        return cls.validated({**document, "facts": facts})


def _check_kind(document: Any) -> None:
    kind = document.get("kind") if isinstance(document, dict) else type(document).__name__
    if kind != "assessment":
        raise ValueError(f"holds {kind!r}, expected 'assessment'")
    check_format(document, FORMAT_VERSION)

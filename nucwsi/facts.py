"""What every artefact of a slide says of its origin: the slide, the ensemble, the settings.

`tile` writes the first facts, `predict` and `segment` add theirs. Each artefact carries all that is
known by then, so that a table of nuclei can be understood without the files it was made from.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from nucwsi.classes import check_names, check_unions
from nucwsi.config import LEAST_NP
from nucwsi.documents import check_format, first_fault
from nucwsi.grid import Frame
from nucwsi.nuclei.constants import PostProcessing, check_classes
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount
from nucwsi.nuclei.taught import Taught

#: Rises whenever a key is added, removed or changes its meaning. Readers refuse a newer one.
FORMAT_VERSION = 1

Kind = Literal["tiles", "tissue", "maps", "part", "nuclei"]

#: Kinds of artefacts that an ensemble has seen.
_AFTER_PREDICT = {"maps", "part", "nuclei"}


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip() or not name:
        raise ValueError(
            f"expected a name of printable characters, without blanks around it, got {name!r:.80}"
        )
    return name


def _kept_by_maps(constants: PostProcessing) -> PostProcessing:
    if constants.np_threshold < LEAST_NP:
        raise ValueError(
            f"`np_threshold` is {constants.np_threshold}; expected at least {LEAST_NP}"
        )
    return constants


#: A number of things. Larger ones cannot be written as JSON again.
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]

#: Pixels that no side of a slide has: its formats count them in 32 bits.
LONGEST_PX = 1 << 32

#: Largest µm per pixel of a canvas; networks work at 5 at most.
_COARSEST_UM = 16.0

#: A setting of a verb, as JSON holds it.
_Setting = bool | _Count | float | str | None

#: Name of a class or a member, as a table, a page and QuPath can show it.
Name = Annotated[str, Strict(), Field(max_length=100), AfterValidator(_printable)]

#: Names of the classes of an ensemble; a table of nuclei numbers them from 0 to 127.
Classes = Annotated[tuple[Name, ...], Field(max_length=100)]

#: Unions of them that are counted as well.
NamedUnions = Annotated[dict[Name, Classes], Field(max_length=100)]

#: Class -> how far its count is off for reasons that nuclei share, as a share of the nuclei found.
CountError = dict[str, Annotated[float, Strict(), Field(ge=0, lt=100, allow_inf_nan=False)]]

#: `domain.colour_sums`; empty where no colour is known.
Colour = tuple[_Count, _Count, _Count, _Count] | tuple[()]

#: Constants as files hold them: within their limits, and no threshold below what maps keep.
Constants = Annotated[PostProcessing, AfterValidator(_kept_by_maps)]


class Member(BaseModel):
    """One network of an ensemble.

    Attributes
    ----------
    name : str
        The checkpoint's own name.
    checksum : str
        SHA-256 of the checkpoint's file, 32 hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    checksum: str


#: How the name of the member begins that stands for the file of another program.
IMPORTED = "imported: "


class SlideFacts(BaseModel):
    """Where an artefact comes from.

    Attributes
    ----------
    kind : str
        ``tiles``, ``tissue``, ``maps``, ``part`` (the nuclei of one part) or ``nuclei``.
    slide : str
        The slide's name in all results.
    slide_checksum : str
        Fingerprint of the slide's file; see `io.stores.publish.file_checksum`.
    vendor : str
        Format of the file, as OpenSlide names it.
    mpp_source : str
        Who states the size of a level-0 pixel: the sheet, the vendor, OME, TIFF.
    frame : Frame
        How the canvas lies on the slide.
    core_px : int
        Side of a tile's core, in canvas pixels.
    halo_px : int
        Margin around a core that the tiles can serve, in canvas pixels.
    tissue_px : int
        Side of a cell of the tissue mask, in canvas pixels.
    tile : dict
        Settings of `tile`.
    status : str
        ``ok``, or ``degraded`` if parts of the slide could not be read.
    scene : str
        Number of the scene that was chosen, from 1; empty if the file has one, or all were read.
    warnings : tuple of str
        What `tile` found doubtful about the slide, one line each.
    bad_tiles : tuple of (int, int, int, int)
        Windows that could not be read: row, column, height, width in canvas pixels.
    tissue_um2 : float
        Area of the tissue, in µm².
    only_within : str
        The only area whose nuclei are kept, as well-known binary in hexadecimal digits: x and y in
        level-0 pixels; empty if all are.
    result_version : int
        `nucwsi.RESULT_VERSION` of the code that made the artefact.
    members : tuple of Member
        The ensemble, in its order.
    classes : tuple of str
        Class names of the ensemble, in the order of its `tp` maps.
    unions : dict
        Name of a union -> classes of `classes` that are also counted together.
    views : int
        Flips and quarter turns that each member has seen: 1, 2, 4 or 8.
    contrasts : int
        Number of contrasts between answers that are kept; see `composition.disagreement`.
    count_error : dict
        Class name -> standard deviation of the error that all nuclei have in common, as a share of
        the nuclei found; of checkpoints of format 1.
    miscount : Miscount, optional
        What counts are off by beyond chance, mean of the members; none where it is not known.
    domain : Domain, optional
        How the nuclei look that were learnt from; none where it is not known.
    colour : tuple of 4 int
        `domain.colour_sums` of the part, or of the whole slide; empty before `predict`.
    post_processing : PostProcessing, optional
        Constants of the first member at the canvas' mpp; none before `predict`.
    precision : str
        Number format in which the networks computed, such as ``bfloat16``.
    exact : bool
        Whether every member is local, so that results do not depend on the tiles.
    overlap_px : int
        How far around its core each tile's own answer is kept, in canvas pixels; 0 where all
        tiles agree.
    part, parts : int
        Which band of the canvas this is, of how many.
    segment : dict
        Settings of `segment`, and ``np_level``, the threshold of `np` as stored (0 to 255).
    n_dropped : dict
        Class name of the ensemble -> nuclei that `segment` dropped as too small or too unsure.
    n_cut : int
        With `only_within`, nuclei whose clump goes on beyond what was analysed.
    taught : Taught, optional
        The classifier whose classes stand in `classes`; none where they are the ensemble's.
    version : int
        Format of these facts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    #: Facts in which the artefacts of a slide's parts may differ. Nodes of a cluster may compute
    #: with another precision.
    OF_A_PART: ClassVar = frozenset({"part", "precision", "n_dropped", "n_cut", "colour"})

    kind: Kind
    slide: str
    slide_checksum: str
    vendor: str
    mpp_source: str
    frame: Frame
    core_px: _Count = Field(gt=0)
    halo_px: _Count
    tissue_px: _Count = Field(gt=0)
    tile: dict[str, _Setting]
    result_version: _Count
    # Left out where there is nothing to say, so that facts of sound slides stay as they are.
    scene: str = Field("", exclude_if=operator.not_)
    warnings: tuple[str, ...] = Field((), exclude_if=operator.not_)
    status: Literal["ok", "degraded"] = "ok"
    bad_tiles: tuple[tuple[_Count, _Count, _Count, _Count], ...] = ()
    tissue_um2: float = Field(0.0, ge=0)
    only_within: str = Field("", exclude_if=operator.not_)
    members: tuple[Member, ...] = ()
    classes: Classes = ()
    unions: NamedUnions = Field({}, exclude_if=operator.not_)
    views: _Count = 1
    contrasts: _Count = 0
    count_error: CountError = {}
    miscount: Miscount | None = Field(None, exclude_if=operator.not_)
    domain: Domain | None = Field(None, exclude_if=operator.not_)
    colour: Colour = Field((), exclude_if=operator.not_)
    post_processing: Constants | None = None
    precision: str = ""
    exact: bool = True
    overlap_px: _Count = 0
    part: _Count = 1
    parts: _Count = 1
    segment: dict[str, _Setting] = {}
    n_dropped: dict[str, _Count] = {}
    n_cut: _Count = Field(0, exclude_if=operator.not_)
    taught: Taught | None = Field(None, exclude_if=operator.not_)
    version: _Count = FORMAT_VERSION

    @model_validator(mode="after")
    def _agree(self) -> Self:
        frame = self.frame
        lengths = (*frame.shape, *frame.level0_shape, frame.mpp, *frame.level0_mpp)
        if not all(0 < length < LONGEST_PX for length in lengths) or frame.mpp > _COARSEST_UM:
            raise ValueError(
                f"a side or the mpp of the frame is not positive, or too large: {frame}"
            )
        sides = zip(frame.origin_px, frame.level0_shape, strict=True)
        if not all(0 <= place <= side for place, side in sides):
            raise ValueError(
                f"the origin of the frame, {frame.origin_px} px, lies outside its slide of"
                f" {frame.level0_shape} px"
            )
        if self.post_processing is not None:
            apart = () if self.taught else tuple(self.count_error)
            check_classes(self.network_classes, self.post_processing, apart)
        if self.taught is not None:
            check_names(self.classes, self.count_error)
        check_unions(self.unions, self.classes)
        return self

    @property
    def network_classes(self) -> tuple[str, ...]:
        """Class names of the ensemble, whatever a classifier was taught."""
        return self.classes if self.taught is None else self.taught.network_classes

    @property
    def imported(self) -> bool:
        """Whether another program has found the nuclei; the only member is its file."""
        return any(member.name.startswith(IMPORTED) for member in self.members)

    @property
    def constants(self) -> PostProcessing:
        """Constants of the first member at the canvas' mpp.

        Raises
        ------
        ValueError
            Before `predict`.
        """
        if self.post_processing is None:
            raise ValueError(f"{self.kind!r} of {self.slide} knows no ensemble yet")
        return self.post_processing

    def with_(self, **changes: Any) -> SlideFacts:
        """Return the facts with some of them changed or added.

        Parameters
        ----------
        **changes : Any
            New values of attributes.

        Returns
        -------
        SlideFacts
            A changed copy.
        """
        return self.model_copy(update=changes)

    @classmethod
    def fault_of_parts(cls, parts: Sequence[SlideFacts]) -> str | None:
        """Say why some artefacts are not all parts of one run of one slide.

        Parameters
        ----------
        parts : sequence of SlideFacts
            Those of the artefacts, at least one, in the order of their parts.

        Returns
        -------
        str or None
            What is wrong with them; None if they belong together.
        """
        first, numbers = parts[0], [facts.part for facts in parts]
        if numbers != list(range(1, first.parts + 1)):
            return f"a slide of {first.parts} parts needs each of them once, got {numbers}"
        for facts in parts[1:]:
            for name in cls.model_fields:
                if name not in cls.OF_A_PART and getattr(facts, name) != getattr(first, name):
                    return f"parts 1 and {facts.part} differ in {name}"
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON types, as artefacts store them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Any, *kinds: Kind) -> SlideFacts:
        """Read facts that `to_json` gave.

        Parameters
        ----------
        document : Any
            The untrusted value that a file holds.
        *kinds : str
            Kinds of artefacts that the reader can use.

        Returns
        -------
        SlideFacts
            The facts, each of its type.

        Raises
        ------
        ValueError
            If a fact is missing or makes no sense, the kind is another, or the format is newer
            than this version of nucwsi.
        """
        if not isinstance(document, dict):
            raise ValueError(f"facts are a {type(document).__name__}, expected an object")
        check_format(document, FORMAT_VERSION)
        try:
            facts = cls.model_validate(document)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        if facts.kind not in kinds:
            raise ValueError(f"holds {facts.kind!r}, expected {' or '.join(map(repr, kinds))}")
        if facts.kind in _AFTER_PREDICT and not (facts.classes and facts.post_processing):
            raise ValueError(f"{facts.kind!r} names neither classes nor constants of an ensemble")
        return facts

"""What every artefact of a slide says of its origin: the slide, the ensemble, the settings.

`tile` writes the first facts, `predict` and `segment` add theirs. Each artefact carries all that is
known by then, so that a table of nuclei can be understood without the files it was made from.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nucwsi.grid import Frame
from nucwsi.nuclei.constants import PostProcessing

#: Rises whenever a key is added, removed or changes its meaning. Readers refuse a newer one.
FORMAT_VERSION = 1

Kind = Literal["tiles", "tissue", "maps", "part", "nuclei"]

#: Kinds of artefacts that an ensemble has seen.
_AFTER_PREDICT = {"maps", "part", "nuclei"}


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
    bad_tiles : tuple of (int, int, int, int)
        Windows that could not be read: row, column, height, width in canvas pixels.
    tissue_um2 : float
        Area of the tissue, in µm².
    result_version : int
        `nucwsi.RESULT_VERSION` of the code that made the artefact.
    members : tuple of Member
        The ensemble, in its order.
    classes : tuple of str
        Class names of the ensemble, in the order of its `tp` maps.
    views : int
        Flips and quarter turns that each member has seen: 1, 2, 4 or 8.
    contrasts : int
        Number of contrasts between answers that are kept; see `composition.disagreement`.
    count_error : dict
        Class name -> share of all nuclei by which counts are off in common.
    post_processing : PostProcessing, optional
        Constants of the first member; none before `predict`.
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
        Class name -> nuclei that `segment` dropped as too small or too unsure.
    version : int
        Format of these facts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Facts in which the artefacts of a slide's parts may differ. Nodes of a cluster may compute
    #: with another precision.
    OF_A_PART: ClassVar = frozenset({"part", "precision", "n_dropped"})

    kind: Kind
    slide: str
    slide_checksum: str
    vendor: str
    mpp_source: str
    frame: Frame
    core_px: int
    halo_px: int
    tissue_px: int
    tile: dict[str, Any]
    result_version: int
    status: Literal["ok", "degraded"] = "ok"
    bad_tiles: tuple[tuple[int, int, int, int], ...] = ()
    tissue_um2: float = 0.0
    members: tuple[Member, ...] = ()
    classes: tuple[str, ...] = ()
    views: int = 1
    contrasts: int = 0
    count_error: dict[str, float] = {}
    post_processing: PostProcessing | None = None
    precision: str = ""
    exact: bool = True
    overlap_px: int = 0
    part: int = 1
    parts: int = 1
    segment: dict[str, Any] = {}
    n_dropped: dict[str, int] = {}
    version: int = FORMAT_VERSION

    @property
    def constants(self) -> PostProcessing:
        """Constants of the first member.

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

    def differing(self, other: SlideFacts) -> str | None:
        """Name a fact in which the artefacts of two parts contradict each other.

        Parameters
        ----------
        other : SlideFacts
            Of another part of, supposedly, the same slide and run.

        Returns
        -------
        str or None
            The first such attribute; None if both belong to one run.
        """
        for name in type(self).model_fields:
            if name not in self.OF_A_PART and getattr(self, name) != getattr(other, name):
                return name
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
        version = document.get("version", FORMAT_VERSION)
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ValueError(
                f"format {version} is newer than the {FORMAT_VERSION} that this version of nucwsi"
                " reads; update nucwsi"
            )
        try:
            facts = cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"`{where}`: {first['msg']}, got {first['input']!r:.80}") from None
        if facts.kind not in kinds:
            raise ValueError(f"holds {facts.kind!r}, expected {' or '.join(map(repr, kinds))}")
        if facts.kind in _AFTER_PREDICT and not (facts.classes and facts.post_processing):
            raise ValueError(f"{facts.kind!r} names neither classes nor constants of an ensemble")
        return facts

"""A draw: the nuclei and frames of one slide that somebody is asked about, with their chances.

The estimator needs nothing of the draw but this record, whatever programs the answers pass through.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nucwsi.documents import check_format
from nucwsi.review.answers import NOT_A_NUCLEUS, class_key
from nucwsi.review.matching import worklist_uuid

#: Rises whenever a key is added, removed or changes its meaning. Readers refuse a newer one.
FORMAT_VERSION = 1

_Probability = Annotated[float, Field(gt=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DrawnNucleus(_Record):
    """A nucleus that was drawn.

    Attributes
    ----------
    id : int
        Its number in ``nuclei.parquet``.
    probability : float
        That it was to be drawn, above 0 and at most 1.
    """

    id: int = Field(ge=0)
    probability: _Probability


class DrawnFrame(_Record):
    """A square that was drawn, in which missed nuclei are marked.

    Attributes
    ----------
    box : (float, float, float, float)
        xmin, ymin, xmax, ymax in level-0 pixels from the corner of the slide's file.
    probability : float
        That it was to be drawn, above 0 and at most 1.
    """

    box: tuple[float, float, float, float]
    probability: _Probability


class Draw(_Record):
    """What is drawn of one slide.

    Attributes
    ----------
    kind : str
        ``draw``.
    key : str
        Names the draw: a fingerprint of the results and of the settings that it was made from.
    slide, slide_checksum : str
        Name of the slide and fingerprint of its file.
    results : str
        Fingerprint of the nuclei that it was drawn from.
    classes : tuple of str
        Classes that an answer may name, those of the network first. `NOT_A_NUCLEUS` is always one.
    regions : tuple of str
        Names of the regions that it was restricted to; empty for the whole slide.
    area : dict
        Outline of what it was drawn from, as GeoJSON; level-0 pixels from the corner of the file.
    blind : bool
        Whether the worklist hides the predicted classes.
    nuclei : tuple of DrawnNucleus
        In walking order.
    frames : tuple of DrawnFrame
        In walking order.
    version : int
        Format of this record.
    """

    kind: Literal["draw"] = "draw"
    key: str = Field(min_length=8, pattern=r"^[0-9a-f]+$")
    slide: str
    slide_checksum: str
    results: str
    classes: tuple[str, ...] = Field(min_length=1)
    regions: tuple[str, ...] = ()
    area: dict[str, Any]
    blind: bool = False
    nuclei: tuple[DrawnNucleus, ...]
    frames: tuple[DrawnFrame, ...] = ()
    version: int = FORMAT_VERSION

    @field_validator("area")
    @classmethod
    def _outlined(cls, area: dict[str, Any]) -> dict[str, Any]:
        try:
            with np.errstate(invalid="ignore"):
                outline = shapely.geometry.shape(area)
        # shapely raises whatever the coordinates lead to.
        except Exception as error:  # noqa: BLE001
            raise ValueError(f"is no outline ({error})") from None
        if not np.isfinite(shapely.get_coordinates(outline)).all():
            raise ValueError("has coordinates that are not finite")
        return area

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len({nucleus.id for nucleus in self.nuclei}) < len(self.nuclei):
            raise ValueError("a nucleus was drawn twice")
        if len({class_key(name) for name in (*self.classes, NOT_A_NUCLEUS)}) <= len(self.classes):
            raise ValueError(f"`classes` {self.classes} hold one twice, or {NOT_A_NUCLEUS!r}")
        return self

    @property
    def nucleus_ids(self) -> dict[str, int]:
        """UUID in the worklist -> place in `nuclei`."""
        return {worklist_uuid(self.key, one.id): at for at, one in enumerate(self.nuclei)}

    @property
    def frame_ids(self) -> dict[str, int]:
        """UUID in the worklist -> place in `frames`."""
        return {worklist_uuid(self.key, frame_name(at)): at for at in range(len(self.frames))}

    @property
    def legend_ids(self) -> dict[str, str]:
        """UUID of the squares by which QuPath learns the classes -> class."""
        names = (*self.classes, NOT_A_NUCLEUS)
        return {worklist_uuid(self.key, f"class {name}"): name for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Any) -> Draw:
        """Read what `to_json` gave.

        Parameters
        ----------
        document : Any
            The untrusted value that a file holds.

        Returns
        -------
        Draw
            With all types checked.

        Raises
        ------
        ValueError
            If it is no draw, or of a newer format.
        """
        if not isinstance(document, dict) or document.get("kind") != "draw":
            raise ValueError("holds no draw")
        check_format(document, FORMAT_VERSION)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"`{where}`: {first['msg']}") from None


def frame_name(place: int) -> str:
    """Return what a frame is called.

    Parameters
    ----------
    place : int
        Its place in the draw, from 0.

    Returns
    -------
    str
        ``Frame 1`` and so on.
    """
    return f"Frame {place + 1}"

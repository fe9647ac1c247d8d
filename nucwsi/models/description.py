"""What a checkpoint's file says of its network: the fields, their limits, and how they agree."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, field_validator
from pydantic import model_validator as whole

from nucwsi.config import LARGEST_WIDTH, MAX_LEVELS
from nucwsi.errors import CheckpointError
from nucwsi.facts import Classes, Constants, CountError, Name, check_text, first_fault
from nucwsi.models.architectures import ARCHITECTURES
from nucwsi.nuclei.constants import check_classes

FORMAT: Final = "nucwsi-checkpoint"
VERSION: Final = 1

_Width = Annotated[int, Strict(), Field(ge=1, le=LARGEST_WIDTH)]


class Description(BaseModel):
    """The fields of a checkpoint; a field that this version does not know is refused.

    A new field raises `VERSION`, and files of another version are refused before their fields are
    looked at. So a field that is not known is a misspelt one.

    Attributes
    ----------
    format, version : str, int
        `FORMAT` and `VERSION`.
    name, architecture, widths, classes, mpp, halo_px, post_processing, count_error, about
        As in `card.Card`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format: Literal["nucwsi-checkpoint"] = FORMAT
    version: Literal[1] = VERSION
    name: Name
    architecture: Annotated[str, Strict()] = "unet"
    widths: Annotated[tuple[_Width, ...], Field(max_length=MAX_LEVELS)] = ()
    classes: Classes
    mpp: Annotated[float, Strict(), Field(ge=0.05, le=5, allow_inf_nan=False)]
    halo_px: Annotated[int, Strict(), Field(ge=0, le=4096)]
    post_processing: Constants
    count_error: CountError = {}
    about: dict[str, Any]

    @field_validator("architecture")
    @classmethod
    def _known(cls, architecture: str) -> str:
        if architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"expected one of {known} (a newer nucwsi may know more)")
        return architecture

    @whole(mode="after")
    def _agree(self) -> Self:
        check_classes(self.classes, self.post_processing, self.count_error)
        if ARCHITECTURES[self.architecture].trainable != bool(self.widths):
            wanted = "none, its channels are fixed" if self.widths else "channels of each level"
            raise ValueError(f"`widths`: expected {wanted}, got {self.widths or 'none'}")
        return self


def described(fields: Any, where: str) -> Description:
    """Check the description of a checkpoint.

    Parameters
    ----------
    fields : object
        What a file holds, or is to hold: an object of plain JSON types, or anything else.
    where : str
        File that an error names.

    Returns
    -------
    Description
        Each field within its limits, and all in agreement.

    Raises
    ------
    CheckpointError
        If a field is missing, unknown or wrong; the first is named.
    """
    try:
        description = Description.model_validate(fields)
        check_text(fields)
        return description
    except ValidationError as error:
        raise CheckpointError(
            f"{where}: its description is wrong: {first_fault(error)}; make this checkpoint anew"
        ) from None
    except ValueError as error:
        raise CheckpointError(
            f"{where}: its description {error}; make this checkpoint anew"
        ) from None

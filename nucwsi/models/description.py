"""What a checkpoint's file says of its network: the fields, their limits, and how they agree."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError
from pydantic import model_validator as whole

from nucwsi.classes import check_known, check_unions
from nucwsi.config import LARGEST_WIDTH, MAX_LEVELS
from nucwsi.documents import check_text, first_fault
from nucwsi.errors import CheckpointError
from nucwsi.facts import (
    Classes,
    Constants,
    CountError,
    Name,
    NamedUnions,
)
from nucwsi.models.architectures import ARCHITECTURES, GROUP
from nucwsi.models.interface import EXPORTED, Interface
from nucwsi.nuclei.constants import check_classes
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount

FORMAT: Final = "nucwsi-checkpoint"
VERSION: Final = 2

#: Versions that are read: the first had no `miscount`, `domain`, `unions`, `package`, `exported`.
READABLE: Final = (1, 2)

_Width = Annotated[int, Strict(), Field(ge=1, le=LARGEST_WIDTH)]


class Description(BaseModel):
    """The fields of a checkpoint; a field that this version does not know is refused.

    A new field raises `VERSION`, and files of another version are refused before their fields are
    looked at. So a field that is not known is a misspelt one.

    Attributes
    ----------
    format, version : str, int
        `FORMAT` and `VERSION`.
    name, architecture, package, widths, exported, classes, mpp, halo_px, post_processing
        As in `card.Card`.
    count_error, about
        As in `card.Card`.
    miscount, domain, unions
        As in `card.Card`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format: Literal["nucwsi-checkpoint"] = FORMAT
    version: Literal[1, 2] = VERSION
    name: Name
    architecture: Annotated[str, Strict()] = "unet"
    package: Annotated[str, Strict(), Field(max_length=100, pattern=r"^[\w.-]*$")] = ""
    exported: Interface | None = None
    widths: Annotated[tuple[_Width, ...], Field(max_length=MAX_LEVELS)] = ()
    classes: Classes
    mpp: Annotated[float, Strict(), Field(ge=0.05, le=5, allow_inf_nan=False)]
    halo_px: Annotated[int, Strict(), Field(ge=0, le=4096)]
    post_processing: Constants
    count_error: CountError = {}
    miscount: Miscount | None = None
    domain: Domain | None = None
    unions: NamedUnions = {}
    about: dict[str, Any]

    @whole(mode="after")
    def _agree(self) -> Self:
        if (self.architecture == EXPORTED) != (self.exported is not None):
            raise ValueError(f"`exported`: expected for the architecture {EXPORTED!r} and no other")
        if self.exported is None and not self.package and self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(
                f"`architecture`: expected one of {known} (a newer nucwsi may know more), or"
                f" `package`, which offers it as {GROUP}; got {self.architecture!r:.80}"
            )
        check_classes(self.classes, self.post_processing, self.count_error)
        check_unions(self.unions, self.classes)
        if self.miscount is not None:
            check_known("miscount.confusion", self.miscount.confusion, self.classes)
        own = ARCHITECTURES.get(self.architecture) if not self.package else None
        if own is not None and own.trainable != bool(self.widths):
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

"""What is known of a classifier that gave nuclei other classes than those of the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, Strict

_Name = Annotated[str, Strict(), Field(min_length=1, max_length=100)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]


@dataclass(frozen=True)
class Taught:
    """A classifier that was taught classes of a user's own, as `classify` has applied it.

    The limits of the annotations hold where it is read: from an artefact.

    Attributes
    ----------
    name : str
        Its own name.
    checksum : str
        First 32 hexadecimal digits of its file's SHA-256.
    network_classes : tuple of str
        The classes of the networks.
    extends : bool
        Whether its classes were added to those of the networks; else they take their place.
    labels : dict
        Class that was taught -> answers that it was taught with.
    accuracy, network_accuracy, commonest_accuracy : float
        Share of the answers for which it, the network, and the commonest class were right in
        cross-validation, 0 to 1.
    warnings : tuple of str
        What makes it less than it seems, one line each.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    name: _Name
    checksum: str
    network_classes: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=100)]
    extends: bool
    labels: dict[_Name, _Count]
    accuracy: _Share
    network_accuracy: _Share
    commonest_accuracy: _Share
    warnings: tuple[str, ...] = ()

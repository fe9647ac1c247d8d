"""How nuclei are miscounted: three numbers that every checkpoint carries, measured on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, Strict

#: Larger ones would make every interval endless.
_Size = Annotated[float, Strict(), Field(ge=0, lt=100, allow_inf_nan=False)]


@dataclass(frozen=True)
class Miscount:
    """What counts of nuclei are off by beyond the doubt about the class of each.

    The limits of the annotations hold where it is read: from a checkpoint or an artefact.

    Attributes
    ----------
    lone : float
        Variance that nuclei missed or invented one by one add to a count, per nucleus expected.
    common : float
        Standard deviation of the share of a class that is missed or invented all over a region.
    confusion : dict of str to float
        Class name -> standard deviation of the shift of its log-odds that all nuclei of a region
        have in common: of the habit to take other classes for this one. A class that is missing
        has none.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    lone: _Size
    common: _Size
    confusion: dict[str, _Size]

"""The nuclei of each region, read from `composition.csv`: counts, intervals and shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class ClassCount(NamedTuple):
    """The nuclei of one class in a region.

    Attributes
    ----------
    name : str
        The class.
    n, low, high : float
        Number of nuclei, and the 95 % interval of their true number.
    percent : (float, float, float)
        These three as a share of all nuclei of the region, in percent, at most 100.
    per_mm2 : (float, float, float) or None
        These three per mm² of tissue; None without tissue.
    """

    name: str
    n: float
    low: float
    high: float
    percent: tuple[float, float, float]
    per_mm2: tuple[float, float, float] | None


class RegionCounts(NamedTuple):
    """The nuclei of one region.

    Attributes
    ----------
    name, region_class : str
        Name and class of the region.
    source : str
        Where the region comes from: ``slide``, ``tissue`` or ``user``.
    tissue : str
        Area of its tissue in mm² as in ``composition.csv``; may be empty.
    n : int
        Number of its nuclei.
    parts : tuple of ClassCount
        One for each class of the slide.
    unions : tuple of ClassCount
        One for each union of its classes.
    """

    name: str
    region_class: str
    source: str
    tissue: str
    n: int
    parts: tuple[ClassCount, ...]
    unions: tuple[ClassCount, ...] = ()

    def part(self, name: str) -> ClassCount | None:
        """Return the nuclei of one class.

        Parameters
        ----------
        name : str
            The class.

        Returns
        -------
        ClassCount or None
            None if the slide does not know the class.
        """
        return next((part for part in self.parts if part.name == name), None)


def region_counts(
    row: dict[str, str], classes: Sequence[str], unions: Sequence[str] = ()
) -> RegionCounts:
    """Read the nuclei of a region from its row in the table.

    Parameters
    ----------
    row : dict
        Row of ``composition.csv`` (column -> text).
    classes, unions : sequence of str
        Classes of the slide, and unions of them.

    Returns
    -------
    RegionCounts
        Intervals as a share of the nuclei found are cut at 100 %: the true count may be larger
        than that, but a share cannot.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a cell holds no number where one is expected.
    """
    total, tissue = int(row["n_nuclei"]), float(_amount(row["tissue_area_mm2"]) or 0)
    parts = []
    for name in (*classes, *unions):
        keys = (f"n_{name}", f"{name}_low", f"{name}_high")
        count, low, high = (_finite(row[key]) for key in keys)
        shares = [100 * value / total if total else 0.0 for value in (count, low, high)]
        percent = (min(shares[0], 100.0), min(shares[1], 100.0), min(shares[2], 100.0))
        density = _amount(row[f"{name}_per_mm2"])
        per_mm2 = (float(density), low / tissue, high / tissue) if density and tissue else None
        parts.append(ClassCount(name, count, low, high, percent, per_mm2))
    return RegionCounts(
        name="Whole slide" if row["region_source"] == "slide" else row["region_name"],
        region_class=row["region_class"],
        source=row["region_source"],
        tissue=_amount(row["tissue_area_mm2"]),
        n=total,
        parts=tuple(parts[: len(classes)]),
        unions=tuple(parts[len(classes) :]),
    )


def _finite(text: str) -> float:
    """Return the number that a cell holds; raise `ValueError` if it is none or not finite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a finite number")
    return number


def _amount(text: str) -> str:
    """Return the text of a cell that is empty or holds a finite number; else raise `ValueError`."""
    if text:
        _finite(text)
    return text

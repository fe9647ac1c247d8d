"""What the report says of a pathologist's review: corrected numbers beside those found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from nucwsi.io.review.corrected import Corrected


class ReviewNotes(BaseModel):
    """How a slide was reviewed.

    Attributes
    ----------
    classes : tuple of str
        Classes that answers may name, those of the slide first.
    labels, answered : int
        Nuclei that were drawn, and those with an answer.
    frames, looked_through, missed : int
        Frames that were drawn, those that were looked through, and missed nuclei marked in them.
    more_labels, more_frames : int
        Further draws that would halve the intervals.
    remarks : tuple of str
        What makes the corrected numbers less than they seem, one line each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    labels: int
    answered: int
    frames: int
    looked_through: int
    missed: int
    more_labels: int
    more_frames: int
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Corrected) -> ReviewNotes:
        """Return what the report says of the record of a slide.

        Parameters
        ----------
        record : Corrected
            Of `correct`.

        Returns
        -------
        ReviewNotes
            Its draws added up.
        """
        names = ("labels", "answered", "frames", "looked_through", "missed")
        return cls(
            classes=record.classes,
            more_labels=record.more_labels,
            more_frames=record.more_frames,
            remarks=record.remarks,
            **{name: sum(getattr(draw, name) for draw in record.draws) for name in names},
        )


class CorrectedCount(NamedTuple):
    """The nuclei of one class in a region, as found and as corrected.

    Attributes
    ----------
    name : str
        The class.
    found : int
        Nuclei that were found.
    value, low, high : float
        Corrected number, and its 95 % interval.
    percent : (float, float, float)
        These as a share of all nuclei, in percent.
    """

    name: str
    found: int
    value: float
    low: float
    high: float
    percent: tuple[float, float, float]


class CorrectedRegion(NamedTuple):
    """The corrected numbers of a region.

    Attributes
    ----------
    name : str
        Of the region.
    n_labels : int
        Answers in it.
    parts : tuple of CorrectedCount
        All classes together first, then each class.
    """

    name: str
    n_labels: int
    parts: tuple[CorrectedCount, ...]


class CohortCount(NamedTuple):
    """The nuclei of one class on all slides that were reviewed, as found and as corrected.

    Each is a number, its share of all nuclei in percent, and that per mm².

    Attributes
    ----------
    name : str
        The class.
    found : (float, float, float)
        What was found.
    corrected : tuple of 3 (float, float, float)
        What it is corrected to, each with both ends of its 95 % interval.
    """

    name: str
    found: tuple[float, float, float]
    corrected: tuple[tuple[float, float, float], ...]


class CorrectedCohort(NamedTuple):
    """The corrected numbers of all slides that were reviewed, together.

    Attributes
    ----------
    n_slides, n_labels : int
        Slides that were reviewed, and the answers on them.
    parts : tuple of CohortCount
        One for each class that answers may name.
    address : str
        Address of ``corrected.csv`` relative to the report; may be empty.
    """

    n_slides: int
    n_labels: int
    parts: tuple[CohortCount, ...]
    address: str = ""

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]], address: str) -> CorrectedCohort:
        """Read the rows of ``corrected.csv`` that are of all slides together.

        Parameters
        ----------
        rows : sequence of sequence
            At least one, as `steps.correct.cohort.corrected_rows` yields them.
        address : str
            Address of the table relative to the report.

        Returns
        -------
        CorrectedCohort
            Its shares in percent.
        """
        parts = []
        for _, _, _, _, name, *cells in rows:
            found, *ends = np.reshape(cells, (4, 3)) * 1.0
            percent = [1, 100, 1]
            corrected = (tuple((x * y).tolist()) for x, y in zip(percent, ends, strict=True))
            parts.append(CohortCount(name, tuple((percent * found).tolist()), tuple(corrected)))
        return cls(int(rows[0][2]), int(rows[0][3]), tuple(parts), address)


def corrected_regions(
    rows: Sequence[dict[str, str]], classes: Sequence[str]
) -> tuple[CorrectedRegion, ...]:
    """Read the corrected numbers of regions from their rows in the table.

    Parameters
    ----------
    rows : sequence of dict
        Rows of ``composition.csv`` (column -> text).
    classes : sequence of str
        Classes that answers may name.

    Returns
    -------
    tuple of CorrectedRegion
        Without regions of which too little is known.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a cell holds no number where one is expected.
    """
    found = []
    for row in rows:
        if not row["corrected_nuclei"]:
            continue
        three = _three(row, "corrected_nuclei")
        nuclei = CorrectedCount("all", int(row["n_nuclei"]), *three, (100.0, 100.0, 100.0))
        parts = [
            CorrectedCount(
                name,
                int(row.get(f"n_{name}") or 0),
                *_three(row, f"corrected_{name}"),
                tuple(100 * share for share in _three(row, f"corrected_frac_{name}")),  # type: ignore[arg-type]
            )
            for name in classes
        ]
        name = "Whole slide" if row["region_source"] == "slide" else row["region_name"]
        found.append(CorrectedRegion(name, int(float(row["n_labels"])), (nuclei, *parts)))
    return tuple(found)


def _three(row: dict[str, str], column: str) -> tuple[float, float, float]:
    """Return a value and both ends of its interval; NaN where a cell is empty."""
    value, low, high = (float(row[f"{column}{end}"] or "nan") for end in ("", "_low", "_high"))
    if any(map(math.isinf, (value, low, high))):
        raise ValueError(f"`{column}` is not finite")
    return value, low, high

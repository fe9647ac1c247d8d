"""The corrected numbers of a cohort: the sum of those of its slides."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nucwsi.errors import StoreError
from nucwsi.io.csv_table import write_csv
from nucwsi.io.review.corrected import RECORD, Corrected, read_record
from nucwsi.review.estimator import Totals
from nucwsi.steps.summary import summary

log = logging.getLogger(__name__)

#: Table of the corrected numbers of a cohort.
TABLE = "corrected.csv"

_NUMBERS = ("count", "share", "per_mm2")


def write_cohort(results: Path, folders: Mapping[str, Path], made: Sequence[Corrected]) -> None:
    """Write the tables of a cohort anew.

    Parameters
    ----------
    results : pathlib.Path
        Folder of the cohort.
    folders : mapping of str to pathlib.Path
        Slide -> its results.
    made : sequence of Corrected
        Of the slides that were corrected just now; those of others are read.

    Raises
    ------
    StoreError
        If a record is damaged, or a table cannot be written.
    """
    new = {record.slide: record for record in made}
    records = {slide: new.get(slide) or read_record(at / RECORD) for slide, at in folders.items()}
    write_corrected([one for one in records.values() if one is not None], results / TABLE)
    joint = results / "composition.csv"
    tables = [folder / "composition.csv" for folder in folders.values()]
    if joint.is_file() and all(table.is_file() for table in tables):
        summary(tables, joint)
    unanswered = [slide for slide, record in records.items() if record is None]
    if unanswered:
        log.warning(
            "%d of %d slides have no answers, and are not part of the cohort's corrected numbers:"
            " %s",
            len(unanswered),
            len(folders),
            ", ".join(unanswered[:5]) + (" ..." if len(unanswered) > 5 else ""),
        )


def corrected_cohort(records: Sequence[Path], output: Path) -> None:
    """Write the corrected numbers of slides and of all of them together.

    Parameters
    ----------
    records : sequence of pathlib.Path
        ``corrected.json`` of each slide.
    output : pathlib.Path
        ``corrected.csv``.

    Raises
    ------
    StoreError
        If a record is missing or damaged, or the table cannot be written.
    """
    found = []
    for path in records:
        record = read_record(path)
        if record is None:
            raise StoreError(f"{path}: does not exist; run `nucwsi correct`")
        found.append(record)
    write_corrected(found, output)


def write_corrected(records: Sequence[Corrected], output: Path) -> None:
    """Write a table with a row for each slide and class, and for all slides together.

    Parameters
    ----------
    records : sequence of Corrected
        Of the slides.
    output : pathlib.Path
        ``corrected.csv``.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    known = [record for record in records if record.totals is not None]
    rows = [row for record in known for row in corrected_rows(record.slide, [record])]
    if len(known) > 1:
        rows += corrected_rows("", known)
    columns = ["scope", "slide", "n_slides", "n_labels", "class", "found_count", "found_share"]
    columns.append("found_per_mm2")
    columns += [f"corrected_{name}{end}" for name in _NUMBERS for end in ("", "_low", "_high")]
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    texts = {"scope", "slide", "class"}
    write_csv(
        output,
        {
            name: np.array(values, object if name in texts else np.float64)
            for name, values in zip(columns, cells, strict=True)
        },
    )


def corrected_rows(slide: str, records: Sequence[Corrected]) -> Iterator[list[str | float]]:
    """Add up slides class by class.

    Parameters
    ----------
    slide : str
        Name of the slide; empty for several.
    records : sequence of Corrected
        At least one, each with totals of its whole slide.

    Yields
    ------
    list of str or float
        A row of ``corrected.csv``: the last 12 cells are what was found (number, share of all,
        per mm²) and what it is corrected to, each with both ends of its 95 % interval.
    """
    classes = tuple(dict.fromkeys(name for record in records for name in record.classes))
    totals = [_of_classes(record, classes) for record in records]
    whole = totals[0]
    for one in totals[1:]:
        whole = whole.plus(one)
    tissue = sum(record.tissue_mm2 for record in records)
    n_labels = sum(draw.answered for record in records for draw in record.draws)
    by_class = [dict(zip(one.classes, one.found, strict=False)) for one in records]
    found = [sum(one.get(name, 0) for one in by_class) for name in classes]
    counts, shares = whole.counts(), whole.shares()
    for at, name in enumerate(classes):
        n = [side[at] for side in counts]
        yield [
            "cohort" if len(records) > 1 else "slide",
            slide,
            len(records),
            n_labels,
            name,
            found[at],
            found[at] / sum(found) if sum(found) else np.nan,
            found[at] / tissue if tissue else np.nan,
            *n,
            *(side[at] for side in shares),
            *(side / tissue if tissue else np.nan for side in n),
        ]


def _of_classes(record: Corrected, classes: Sequence[str]) -> Totals:
    """Return the totals of a slide for the classes of the cohort."""
    totals = record.slide_totals()
    if totals is None:
        raise ValueError(f"nothing is known of the whole of {record.slide}")
    # Ones where a class of the slide is one of the cohort.
    chosen = np.array([[name == other for other in classes] for name in record.classes], float)
    counts = (totals.total, totals.seen, totals.counted)
    total, seen, counted = (values @ chosen for values in counts)
    covariance, model = (chosen.T @ values @ chosen for values in (totals.covariance, totals.model))
    return Totals(total, covariance, model, seen, totals.freedom, counted)


def described(record: Corrected) -> Iterator[str]:
    """Say in a few lines what came out for a slide.

    Parameters
    ----------
    record : Corrected
        Of the slide.

    Yields
    ------
    str
        The answers that were used, each class, and how many more would halve the intervals.
    """
    for draw in record.draws:
        yield (
            f"{record.slide}: draw {draw.key}: {draw.answered} of {draw.labels} nuclei answered,"
            f" {draw.looked_through} of {draw.frames} frames looked through, {draw.missed} missed"
            " nuclei marked"
        )
    totals = record.slide_totals()
    if totals is None:
        yield f"{record.slide}: too little is known of the whole slide; see its regions"
        return
    counts = totals.counts()
    found = dict(zip(record.classes, record.found, strict=False))
    for at, name in enumerate(record.classes):
        value, low, high = (side[at] for side in counts)
        span = f"{low:,.0f} to {high:,.0f}" if np.isfinite(high) else "interval not known"
        yield (
            f"{record.slide}: {name}: {found.get(name, 0):,} found, corrected {value:,.0f} ({span})"
        )
    yield (
        f"{record.slide}: {record.more_labels} more nuclei and {record.more_frames} more frames"
        " would halve the intervals"
    )

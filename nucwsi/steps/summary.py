"""`summary`: one table of all slides."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import CONIC
from nucwsi.errors import StoreError
from nucwsi.io.csv_table import TEXTS, read_csv, write_csv
from nucwsi.io.outputs import check_outputs
from nucwsi.io.review.corrected import is_corrected
from nucwsi.io.stores.publish import published


def summary(
    tables: list[Path], output: Path, *, conic: bool = False, any_classes: bool = False
) -> None:
    """Join the tables of several slides: compositions, morphometries or neighbours.

    Parameters
    ----------
    tables : list of pathlib.Path
        ``composition.csv`` of each slide, or another of `compose`'s tables.
    output : pathlib.Path
        The joint table, a CSV file.
    conic : bool
        Make the table of the CoNIC challenge instead: only the counts of its six classes, one row
        for each slide, in the order of `tables`.
    any_classes : bool
        Whether the slides may have different classes, as where other programs found the nuclei of
        some: a slide's cells of classes that it does not have are empty.

    Raises
    ------
    StoreError
        If a table is missing, damaged, or was made with other classes or by another version, or the
        classes are not CoNIC's.
    """
    check_outputs([output], tables)
    if conic:
        write_csv(output, _conic_counts(tables))
        return
    headers = [_header(path) for path in tables]
    # Not every slide has been reviewed, and the classes that were added may differ.
    added = dict.fromkeys(name for header in headers for name in header if is_corrected(name))
    made = [[name for name in header if not is_corrected(name)] for header in headers]
    if any_classes:
        joint = list(dict.fromkeys(name for own in made for name in own))
        made = [joint] * len(made)
    with published(output) as aside, aside.open("w", newline="", encoding="utf-8") as sink:
        csv.writer(sink, lineterminator="\n").writerow([*made[0], *added])
        for path, header, own in zip(tables, headers, made, strict=True):
            if own != made[0]:
                raise StoreError(
                    f"{path}: its columns differ from those of {tables[0]}; make both anew with the"
                    " same ensemble and version"
                )
            text = path.read_bytes().decode("utf-8")
            if header == [*own, *added]:
                sink.write(text.partition("\n")[2])
            else:
                rows = csv.DictReader(StringIO(text, newline=""))
                writer = csv.DictWriter(sink, [*own, *added], restval="", lineterminator="\n")
                writer.writerows(rows)


def _header(path: Path) -> list[str]:
    """Check a table, and return its columns as they are written."""
    read_csv(path, ["slide"], TEXTS)
    return next(csv.reader(StringIO(path.read_bytes().decode("utf-8"), newline="")))


def _conic_counts(tables: list[Path]) -> dict[str, NDArray[np.int64]]:
    counts = []
    for path in tables:
        try:
            rows = read_csv(path, ["region_id"], TEXTS)
            slide = next(row for row in rows if row["region_id"] == "slide")
            counts.append([int(slide[f"n_{name}"]) for name in CONIC])
        except (KeyError, ValueError, StopIteration):
            raise StoreError(
                f"{path}: is no composition of a slide with the classes of CoNIC"
                f" ({', '.join(CONIC)}); leave --conic away"
            ) from None
    return dict(zip(CONIC, np.array(counts, np.int64).T, strict=True))

"""What `correct` writes: corrected columns of tables and regions, and the record of a slide."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from nucwsi.errors import StoreError
from nucwsi.io.csv_table import cell_of, harmless, original
from nucwsi.io.inputs import check_file
from nucwsi.io.regions.geojson import rewrite_measurements
from nucwsi.io.stores.publish import published
from nucwsi.review.estimator import Totals

#: How the columns begin that `correct` adds, and the one that counts answers.
PREFIX, N_LABELS = "corrected_", "n_labels"

#: The record of a slide, and the network's confusion on it.
RECORD, CONFUSION = "corrected.json", "confusion.csv"

#: Rises whenever a key is added, removed or changes its meaning.
FORMAT_VERSION = 1


class DrawUsed(BaseModel):
    """How far a draw was answered.

    Attributes
    ----------
    key : str
        Of the draw.
    labels, answered : int
        Nuclei that were drawn, and those with an answer.
    frames, looked_through : int
        Frames that were drawn, and those in which missed nuclei were marked.
    missed : int
        Nuclei that were marked there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    labels: int
    answered: int
    frames: int
    looked_through: int
    missed: int


class Corrected(BaseModel):
    """The record of the correction of a slide.

    Attributes
    ----------
    kind : str
        ``corrected``.
    slide : str
        Its name.
    classes : tuple of str
        Classes that answers may name.
    network : int
        How many of them, the first ones, the network knows.
    draws : tuple of DrawUsed
        Draws that were answered.
    files : tuple of dict
        Path and fingerprint of each file of answers.
    remarks : tuple of str
        What makes the numbers less than they seem, one line each.
    more_labels, more_frames : int
        Further draws of both kinds that would halve the intervals.
    tissue_mm2 : float
        Area of the tissue of the whole slide.
    found : tuple of int
        Nuclei of each of the network's classes that were found.
    totals : dict or None
        `Totals` of the whole slide, as lists; None if it was not drawn from as a whole.
    version : int
        Format of this record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = "corrected"
    slide: str
    classes: tuple[str, ...]
    network: int
    draws: tuple[DrawUsed, ...]
    files: tuple[dict[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    more_labels: int
    more_frames: int
    tissue_mm2: float
    found: tuple[int, ...]
    totals: dict[str, Any] | None = None
    version: int = FORMAT_VERSION

    def with_totals(self, totals: Totals | None) -> Self:
        """Return the record with the totals of the whole slide.

        Parameters
        ----------
        totals : Totals or None
            For the classes of the record.

        Returns
        -------
        Corrected
            A changed copy.
        """
        if totals is None:
            return self
        lists = {name: values.tolist() for name, values in totals._asdict().items()}
        return self.model_copy(update={"totals": lists})

    def slide_totals(self) -> Totals | None:
        """Return the totals of the whole slide, if they are known."""
        if self.totals is None:
            return None
        # JSON has no infinity: a variance that is not known is null.
        arrays = {name: np.array(values, float) for name, values in self.totals.items()}
        return Totals(**{k: np.where(np.isnan(v), np.inf, v) for k, v in arrays.items()})


def write_record(path: Path, record: Corrected) -> None:
    """Write the record of a slide.

    Parameters
    ----------
    path : pathlib.Path
        ``corrected.json``.
    record : Corrected
        Of the slide.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(record.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")


def read_record(path: Path) -> Corrected | None:
    """Read the record of a slide.

    Parameters
    ----------
    path : pathlib.Path
        ``corrected.json``; it need not exist.

    Returns
    -------
    Corrected or None
        None without a file.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        check_file(path)
        record = Corrected.model_validate(json.loads(path.read_bytes()))
        record.slide_totals()
        if record.kind != "corrected" or record.version > FORMAT_VERSION:
            raise ValueError(f"holds {record.kind!r:.40} of format {record.version}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, ValidationError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise StoreError(
            f"{path}: is no record of `nucwsi correct` ({said:.200}); run it again"
        ) from None
    return record


def write_corrected_table(
    source: Path, output: Path, columns: Sequence[str], values: Mapping[str, Sequence[float]]
) -> None:
    """Write a table of `compose` with corrected columns at its end.

    Parameters
    ----------
    source : pathlib.Path
        ``composition.csv``; corrected columns that it has already are replaced.
    output : pathlib.Path
        The table to write; may be `source`.
    columns : sequence of str
        Names of the columns to add.
    values : mapping of str to sequence of float
        ``region_id`` -> a number for each column; regions that are missing get empty cells.

    Raises
    ------
    StoreError
        If the table cannot be written.
    """
    lines = list(csv.reader(StringIO(source.read_text("utf-8"), newline=""), strict=True))
    header = [original(cell) for cell in lines[0]]
    kept = [at for at, name in enumerate(header) if not is_corrected(name)]
    at_id = header.index("region_id")
    blank = [np.nan] * len(columns)
    with published(output) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*(lines[0][at] for at in kept), *map(harmless, columns)])
        for line in lines[1:]:
            added = values.get(original(line[at_id]), blank)
            writer.writerow([*(line[at] for at in kept), *map(cell_of, map(float, added))])


def is_corrected(column: str) -> bool:
    """Tell whether a column was added by `correct`.

    Parameters
    ----------
    column : str
        Name of a column of ``composition.csv``.

    Returns
    -------
    bool
        Whether `compose` does not make it.
    """
    return column.startswith(PREFIX) or column == N_LABELS


def write_corrected_regions(
    source: Path, output: Path, columns: Sequence[str], values: Sequence[Sequence[float]]
) -> None:
    """Write regions for QuPath with corrected measurements.

    Parameters
    ----------
    source : pathlib.Path
        ``{slide}.regions.geojson`` of `compose`.
    output : pathlib.Path
        The file to write; may be `source`.
    columns : sequence of str
        Names of the measurements to add.
    values : sequence of sequence of float
        For each object of the file, a number for each of the columns.

    Raises
    ------
    StoreError
        If the file is damaged or cannot be written.
    """
    added = [dict(zip(columns, row, strict=True)) for row in values]
    rewrite_measurements(source, output, added, is_corrected)

"""The table of nuclei on disk: GeoParquet 1.1, written and read in row groups.

Each page of the file has a checksum, and so have the facts in its footer: a damaged table is
refused, never read as other numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.facts import SlideFacts
from nucwsi.io.inputs import check_file
from nucwsi.io.nuclei.arrow import to_bytes, to_numpy
from nucwsi.io.nuclei.columns import (
    NETWORK_CLASS,
    QUPATH_ID,
    SIDES,
    from_arrow,
    schema_of,
    to_arrow,
)
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.table import NucleusTable

#: Most nuclei in memory at a time, whatever the size of the row groups.
AT_ONCE = 8192

#: Name of the checksum of the facts in the footer, which has none of its own.
_DIGEST = "nucwsi_sha256"

#: Kind of table -> verb that makes it.
_VERBS = {"nuclei": "stitch", "part": "segment"}


def _geo(box: NDArray[np.float64]) -> str:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": None,
        "covering": {"bbox": {side: ["bbox", side] for side in SIDES}},
    }
    if np.isfinite(box).all():
        column["bbox"] = box.tolist()
    described = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return json.dumps(described)


def _grouped(tables: Iterable[NucleusTable], size: int) -> Iterator[NucleusTable]:
    """Regroup tables so that all but the last hold `size` nuclei."""
    waiting: list[NucleusTable] = []
    for table in tables:
        waiting.append(table)
        while sum(len(t) for t in waiting) >= size:
            joined = NucleusTable.concatenated(waiting)
            yield joined.take(np.arange(size))
            waiting = [joined.take(np.arange(size, len(joined)))]
    if sum(len(t) for t in waiting):
        yield NucleusTable.concatenated(waiting)


def write_nuclei(
    path: Path,
    tables: Iterable[NucleusTable],
    facts: SlideFacts,
    row_group: int,
    *,
    counted: Callable[[], dict[str, Any]] | None = None,
) -> None:
    """Write a table of nuclei, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    tables : iterable of NucleusTable
        Consumed one at a time; together all nuclei of the file, in its order.
    facts : SlideFacts
        Where the nuclei come from; stored as the file's ``nucwsi`` metadata.
    row_group : int
        Nuclei per row group.
    counted : callable, optional
        Returns facts by their names. It is called after the last table, when they are known.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    classes = facts.classes
    network = facts.network_classes if facts.taught else ()
    # Parts are joined, and their nuclei never shown.
    slide = facts.slide if facts.kind == "nuclei" else None
    schema = schema_of(classes, facts.contrasts, network, keyed=slide is not None)
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with (
        published(path) as aside,
        # Dictionaries of numbers that hardly repeat would make the file larger and slower.
        pq.ParquetWriter(
            aside,
            schema,
            compression="zstd",
            use_dictionary=["class", *([NETWORK_CLASS] if network else [])],
            # Ids repeat nothing: 19 bytes each, where plain texts take 20.
            column_encoding={QUPATH_ID: "DELTA_LENGTH_BYTE_ARRAY"} if slide is not None else None,
            write_page_checksum=True,
        ) as writer,
    ):
        n_rows = []
        for table in _grouped(tables, row_group):
            n_rows.append(len(table))
            box[:2] = np.minimum(box[:2], table.bounds[:, :2].min(axis=0))
            box[2:] = np.maximum(box[2:], table.bounds[:, 2:].max(axis=0))
            writer.write_batch(to_arrow(table, classes, network, slide), row_group_size=row_group)
        if counted is not None:
            facts = facts.with_(**counted())
        # What geopandas hands on as `attrs`.
        told = facts.to_json()
        attributes = {"count_error": facts.count_error} | {
            name: told[name] for name in ("miscount", "domain", "colour", "unions") if name in told
        }
        stored = json.dumps(told)
        writer.add_key_value_metadata(
            {
                "geo": _geo(box),
                "nucwsi": stored,
                _DIGEST: _digest(stored.encode(), n_rows),
                "PANDAS_ATTRS": json.dumps(attributes),
            }
        )


def _digest(facts: bytes, n_rows: Sequence[int]) -> str:
    """Return the checksum of the facts as they are stored, and of the sizes of the row groups."""
    return hashlib.sha256(facts + json.dumps(n_rows).encode()).hexdigest()


@contextmanager
def readable(path: Path, *kinds: str) -> Iterator[None]:
    """Turn whatever a damaged table, or something else in its place, leads to into one line.

    Parameters
    ----------
    path : pathlib.Path
        The table that is read in the block.
    *kinds : str
        What it ought to be: ``nuclei`` or ``part``.

    Raises
    ------
    StoreError
        That names the file, and the verbs that make it.
    """
    try:
        yield
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run the step that makes it") from None
    except (StoreError, MemoryError):
        raise
    except (
        *(OSError, pa.ArrowException, LookupError, TypeError, ValueError, RecursionError),
        shapely.errors.ShapelyError,
    ) as error:
        verbs = " or ".join(f"`nucwsi {_VERBS[kind]}`" for kind in kinds)
        raise StoreError(
            f"{path}: is not a nucwsi table of nuclei, or is damaged ({error}); make it with"
            f" {verbs}"
        ) from None


def open_table(path: Path, *kinds: Literal["nuclei", "part"]) -> tuple[pq.ParquetFile, SlideFacts]:
    """Open a table for reading.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it as `segment` makes them.
    *kinds : str
        ``nuclei``: all of a slide; ``part``: those of one part. By default both will do.

    Returns
    -------
    file : pyarrow.parquet.ParquetFile
        Open; the caller closes it.
    facts : SlideFacts
        Where the nuclei come from.

    Raises
    ------
    StoreError
        If it is missing, damaged, no table of nuclei of these kinds, or written by a newer nucwsi.
    """
    kinds = kinds or ("nuclei", "part")
    with readable(path, *kinds), ExitStack() as closing:
        check_file(path)
        # Read ahead, the file would be in memory as a whole by the end of its last row group.
        file = closing.enter_context(
            pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
        )
        stored, about = file.metadata.metadata[b"nucwsi"], file.metadata
        n_rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        # Tables of version 0.1.0 have no checksums.
        noted = about.metadata.get(_DIGEST.encode(), _digest(stored, n_rows).encode()).decode()
        if noted != _digest(stored, n_rows):
            raise ValueError("the checksum of its facts differs")
        facts = SlideFacts.from_json(json.loads(stored), *kinds)
        network = facts.network_classes if facts.taught else ()
        # Tables of version 0.2.0 and older have no ids of QuPath.
        keyed = QUPATH_ID in file.schema_arrow.names
        expected = schema_of(facts.classes, facts.contrasts, network, keyed=keyed)
        if not file.schema_arrow.remove_metadata().equals(expected):
            raise ValueError(
                f"its columns {file.schema_arrow.names} are not the {expected.names} of its facts"
            )
        closing.pop_all()
    return file, facts


def iter_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a table, at most `AT_ONCE` nuclei at a time.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    columns : list of str, optional
        Names in the file; by default all.

    Yields
    ------
    pyarrow.RecordBatch
        The next nuclei, in the order of the file.

    Raises
    ------
    StoreError
        As `open_table`; also if a page is damaged.
    """
    file, facts = open_table(path)
    with file, readable(path, facts.kind):
        n_read, written_by_us = 0, _DIGEST.encode() in file.metadata.metadata
        for batch in file.iter_batches(AT_ONCE, columns=columns):
            n_read += len(batch)
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                refuse_gaps(name, column)
            if not written_by_us and "geometry" in batch.schema.names:
                # Pages without a checksum may hold anything.
                _refuse_odd_outlines(batch.column("geometry"))
            yield batch
        if n_read != file.metadata.num_rows:
            raise ValueError(f"{n_read} of {file.metadata.num_rows} rows are there")


def _refuse_odd_outlines(column: pa.Array) -> None:
    """Refuse what is no outline, and outlines with a corner that is no number."""
    with np.errstate(invalid="ignore"):
        corners = shapely.get_coordinates(shapely.from_wkb(to_bytes(column)))
    if not np.isfinite(corners).all():
        raise ValueError("a corner in its column `geometry` is not finite")


def refuse_gaps(name: str, column: pa.Array) -> None:
    """Refuse a column with gaps.

    Parameters
    ----------
    name : str
        Of the column.
    column : pyarrow.Array
        Its values.

    Raises
    ------
    ValueError
        If a value is missing, or a number is not finite.
    """
    parts = column.flatten() if pa.types.is_struct(column.type) else [column]
    if column.null_count or any(part.null_count for part in parts):
        raise ValueError(f"a value of its column `{name}` is missing")
    for part in parts:
        if pa.types.is_floating(part.type) and not np.isfinite(to_numpy(part)).all():
            raise ValueError(f"a number of its column `{name}` is not finite")


def read_facts(path: Path, kind: Literal["nuclei", "part"] = "nuclei") -> SlideFacts:
    """Read where the nuclei of a table come from.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.
    kind : str
        ``nuclei``: all of a slide, as `stitch` makes them; ``part``: those of one part, as
        `segment` makes them.

    Returns
    -------
    SlideFacts
        Slide, ensemble and settings.

    Raises
    ------
    StoreError
        As `open_table`.
    """
    return _facts(path, kind)


def _facts(path: Path, *kinds: Literal["nuclei", "part"]) -> SlideFacts:
    file, facts = open_table(path, *kinds)
    file.close()
    return facts


def iter_tables(path: Path) -> Iterator[NucleusTable]:
    """Read a table, at most `AT_ONCE` nuclei at a time.

    Parameters
    ----------
    path : pathlib.Path
        ``nuclei.parquet``, or a part of it.

    Yields
    ------
    NucleusTable
        The next nuclei, in the order of the file.

    Raises
    ------
    StoreError
        As `iter_batches`.
    """
    facts = _facts(path)
    network = facts.network_classes if facts.taught else ()
    for batch in iter_batches(path):
        with readable(path, facts.kind):
            table = from_arrow(batch, facts.classes, network)
        yield table

"""The table of nuclei: GeoParquet 1.1, written and read in row groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nucwsi.composition.disagreement import contrast_names, disagreement
from nucwsi.errors import StoreError
from nucwsi.io.nuclei.arrow import from_bytes, from_numpy, to_bytes, to_numpy
from nucwsi.io.stores.publish import published
from nucwsi.nuclei.table import NucleusTable

#: Nuclei that are in memory together, however many a row group holds.
AT_ONCE = 8192

_MEASURES = (
    "area_um2",
    "perimeter_um",
    "major_axis_um",
    "minor_axis_um",
    "circularity",
    "solidity",
    "np_mean",
)
_FLAGS = ("at_edge", "escalated")

#: Columns whose distribution tells of the nuclei.
FEATURES = (*_MEASURES[:-1], "probability")

_SINGLE = ("id", "row", "column", *_MEASURES, *_FLAGS)

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def _schema(classes: tuple[str, ...], n_contrasts: int) -> pa.Schema:
    f4 = pa.float32()
    apart = ["disagreement", *contrast_names(classes, n_contrasts)] if n_contrasts else []
    columns: list[tuple[str, pa.DataType]] = [
        ("id", pa.int64()),
        ("row", pa.float64()),
        ("column", pa.float64()),
        ("class", pa.dictionary(pa.int8(), pa.string())),
        ("probability", f4),
        *((f"p_{name}", f4) for name in classes),
        *((name, f4) for name in (*apart, *_MEASURES)),
        *((name, pa.bool_()) for name in _FLAGS),
        ("geometry", pa.binary()),
        ("bbox", pa.struct([(side, pa.float64()) for side in _SIDES])),
    ]
    return pa.schema(columns)


def to_arrow(table: NucleusTable, classes: tuple[str, ...]) -> pa.RecordBatch:
    """Turn nuclei into the columns of the file.

    Parameters
    ----------
    table : NucleusTable
    classes : tuple of str

    Returns
    -------
    pyarrow.RecordBatch
    """
    probabilities = np.asarray(table.class_probabilities, np.float32)
    n_contrasts, apart = table.contrasts.shape[1] // len(classes), []
    if n_contrasts:
        each = disagreement(table.contrasts, table.class_code, len(classes))
        apart = [each.astype(np.float32), *table.contrasts.T]
    names = from_bytes([name.encode() for name in classes], pa.string())
    sides = [from_numpy(side) for side in table.bounds.T]
    columns = [
        from_numpy(table.id),
        from_numpy(table.row),
        from_numpy(table.column),
        pa.DictionaryArray.from_arrays(from_numpy(table.class_code.astype(np.int8)), names),
        from_numpy(probabilities[np.arange(len(table)), table.class_code]),
        *(from_numpy(layer) for layer in (*probabilities.T, *apart)),
        *(from_numpy(getattr(table, name)) for name in (*_MEASURES, *_FLAGS)),
        from_bytes(table.geometry.tolist(), pa.binary()),
        pa.StructArray.from_arrays(sides, list(_SIDES)),
    ]
    return pa.record_batch(columns, schema=_schema(classes, n_contrasts))


def from_arrow(batch: pa.RecordBatch, classes: tuple[str, ...]) -> NucleusTable:
    """Undo `to_arrow`.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    classes : tuple of str

    Returns
    -------
    NucleusTable
    """
    names = [name for name in batch.schema.names if name.startswith("contrast")]
    apart = [to_numpy(batch.column(name)) for name in names]
    boxes, named = batch.column("bbox"), batch.column("class")
    code = np.array([classes.index(name) for name in named.dictionary.to_pylist()], np.uint8)
    return NucleusTable(
        class_code=code[to_numpy(named.indices)],
        class_probabilities=np.column_stack(
            [to_numpy(batch.column(f"p_{name}")) for name in classes]
        ),
        contrasts=np.reshape(apart, (len(apart), len(batch))).T,
        geometry=to_bytes(batch.column("geometry")),
        bounds=np.column_stack([to_numpy(boxes.field(side)) for side in _SIDES]),
        **{name: to_numpy(batch.column(name)) for name in _SINGLE},
    )


def _geo(box: NDArray[np.float64]) -> str:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": None,
        "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
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
    path: Path, tables: Iterable[NucleusTable], facts: dict[str, Any], row_group: int
) -> None:
    """Write a table of nuclei, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    tables : iterable of NucleusTable
        Consumed one at a time.
    facts : dict
        Plain JSON types for the file's ``nucwsi`` metadata, with ``classes``, ``contrasts`` and
        ``count_error``; it is read after the last table, so a generator of tables may complete it.
    row_group : int
        Nuclei per row group.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    classes = tuple(facts["classes"])
    schema = _schema(classes, facts.get("contrasts", 0))
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with (
        published(path) as aside,
        # Dictionaries of numbers that hardly repeat would make the file larger and slower.
        pq.ParquetWriter(aside, schema, compression="zstd", use_dictionary=["class"]) as writer,
    ):
        for table in _grouped(tables, row_group):
            box[:2] = np.minimum(box[:2], table.bounds[:, :2].min(axis=0))
            box[2:] = np.maximum(box[2:], table.bounds[:, 2:].max(axis=0))
            writer.write_batch(to_arrow(table, classes), row_group_size=row_group)
        # What geopandas hands on as `attrs`.
        attributes = {"count_error": facts["count_error"]}
        writer.add_key_value_metadata(
            {
                "geo": _geo(box),
                "nucwsi": json.dumps(facts),
                "PANDAS_ATTRS": json.dumps(attributes),
            }
        )


def open_table(path: Path) -> tuple[pq.ParquetFile, dict[str, Any]]:
    """Open a table for reading.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    file : pyarrow.parquet.ParquetFile
        To be closed.
    facts : dict
        What the table says of its slide and its making.

    Raises
    ------
    StoreError
        If it is missing, damaged or no table of nuclei.
    """
    try:
        file = pq.ParquetFile(path)
        facts: dict[str, Any] = json.loads(file.metadata.metadata[b"nucwsi"])
        kind = facts["kind"]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run the step that makes it") from None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: is not a nucwsi table of nuclei ({error}); make it again"
        ) from None
    if kind not in {"nuclei", "part"}:
        raise StoreError(f"{path}: holds {kind!r}, expected 'nuclei'")
    return file, facts


def read_facts(path: Path, kind: Literal["nuclei", "part"] = "nuclei") -> dict[str, Any]:
    """Read what a table says of its slide and its making.

    Parameters
    ----------
    path : pathlib.Path
    kind : str
        ``nuclei``: all of a slide; ``part``: those of one part, as `segment` makes them.

    Returns
    -------
    dict

    Raises
    ------
    StoreError
        If it is missing, damaged, no table of nuclei or of the other kind.
    """
    file, facts = open_table(path)
    file.close()
    if facts["kind"] != kind:
        made = "stitch" if kind == "nuclei" else "segment"
        raise StoreError(f"{path}: holds {facts['kind']!r}, expected {kind!r} of `nucwsi {made}`")
    return facts


def iter_columns(path: Path, columns: list[str]) -> Iterator[dict[str, NDArray[Any]]]:
    """Read columns row group by row group.

    Parameters
    ----------
    path : pathlib.Path
    columns : list of str
        Names in the file, of numbers or truth values.

    Yields
    ------
    dict of str to ndarray

    Raises
    ------
    StoreError
        As `read_facts`.
    """
    file, _ = open_table(path)
    with file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            yield {name: to_numpy(table.column(name).combine_chunks()) for name in columns}


def read_columns(path: Path, columns: list[str]) -> dict[str, NDArray[Any]]:
    """Read whole columns.

    Parameters
    ----------
    path : pathlib.Path
    columns : list of str
        As for `iter_columns`.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    StoreError
        As `read_facts`.
    """
    groups = list(iter_columns(path, columns))
    return {
        name: np.concatenate([group[name] for group in groups]) if groups else np.empty(0)
        for name in columns
    }


def iter_tables(path: Path) -> Iterator[NucleusTable]:
    """Read a table, at most `AT_ONCE` nuclei at a time.

    Parameters
    ----------
    path : pathlib.Path

    Yields
    ------
    NucleusTable

    Raises
    ------
    StoreError
        As `read_facts`.
    """
    file, facts = open_table(path)
    with file:
        for batch in file.iter_batches(AT_ONCE):
            yield from_arrow(batch, tuple(facts["classes"]))

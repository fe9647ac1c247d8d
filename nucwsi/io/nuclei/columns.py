"""The columns of the table of nuclei: their names and types, and how a nucleus fills them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nucwsi.composition.disagreement import contrast_names, disagreement
from nucwsi.io.nuclei.arrow import from_bytes, from_numpy, to_bytes, to_numpy
from nucwsi.nuclei.table import NucleusTable

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

#: Columns whose distributions `morphometry.csv` describes.
FEATURES = (*_MEASURES[:-1], "probability")

_SINGLE = ("id", "row", "column", *_MEASURES, *_FLAGS)

#: Members of a bounding box.
SIDES = ("xmin", "ymin", "xmax", "ymax")


def schema_of(classes: tuple[str, ...], n_contrasts: int) -> pa.Schema:
    """Return the columns of a table and their types.

    Parameters
    ----------
    classes : tuple of str
        Class names, in the order of the probabilities.
    n_contrasts : int
        Number of contrasts between answers that are kept.

    Returns
    -------
    pyarrow.Schema
        Without metadata.
    """
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
        ("bbox", pa.struct([(side, pa.float64()) for side in SIDES])),
    ]
    return pa.schema(columns)


def to_arrow(table: NucleusTable, classes: tuple[str, ...]) -> pa.RecordBatch:
    """Turn nuclei into the columns of the file.

    Parameters
    ----------
    table : NucleusTable
        N nuclei.
    classes : tuple of str
        Class names, in the order of the probabilities.

    Returns
    -------
    pyarrow.RecordBatch
        N rows with the columns of docs/outputs.md.
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
        pa.StructArray.from_arrays(sides, list(SIDES)),
    ]
    return pa.record_batch(columns, schema=schema_of(classes, n_contrasts))


def from_arrow(batch: pa.RecordBatch, classes: tuple[str, ...]) -> NucleusTable:
    """Undo `to_arrow`.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        N rows of `to_arrow`.
    classes : tuple of str
        Class names, in the order that the probabilities shall have.

    Returns
    -------
    NucleusTable
        N nuclei, in the order of the rows.
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
        bounds=np.column_stack([to_numpy(boxes.field(side)) for side in SIDES]),
        **{name: to_numpy(batch.column(name)) for name in _SINGLE},
    )

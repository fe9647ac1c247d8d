"""The columns of the table of nuclei: their names and types, and how a nucleus fills them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.disagreement import contrast_names, disagreement
from nucwsi.io.nuclei.arrow import from_bytes, from_numpy, to_bytes, to_numpy
from nucwsi.nuclei.table import NucleusTable
from nucwsi.review.matching import nucleus_uuid

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

#: Column of the class that the networks gave a nucleus, where a classifier was taught others.
NETWORK_CLASS = "network_class"

#: Column of the id that each nucleus has in the zip for QuPath.
QUPATH_ID = "qupath_id"

#: Members of a bounding box.
SIDES = ("xmin", "ymin", "xmax", "ymax")


def schema_of(
    classes: tuple[str, ...],
    n_contrasts: int,
    network: tuple[str, ...] = (),
    *,
    keyed: bool = False,
) -> pa.Schema:
    """Return the columns of a table and their types.

    Parameters
    ----------
    classes : tuple of str
        Class names, in the order of the probabilities.
    n_contrasts : int
        Number of contrasts between answers that are kept.
    network : tuple of str
        Classes of the networks, where a classifier was taught others.
    keyed : bool
        Whether the table has the ids of QuPath.

    Returns
    -------
    pyarrow.Schema
        Without metadata.
    """
    f4 = pa.float32()
    apart = ["disagreement", *contrast_names(classes, n_contrasts)] if n_contrasts else []
    name_type = pa.dictionary(pa.int8(), pa.string())
    columns: list[tuple[str, pa.DataType]] = [
        ("id", pa.int64()),
        *([(QUPATH_ID, pa.string())] if keyed else []),
        ("row", pa.float64()),
        ("column", pa.float64()),
        ("class", name_type),
        ("probability", f4),
        *((f"p_{name}", f4) for name in classes),
        *([(NETWORK_CLASS, name_type)] if network else []),
        *((name, f4) for name in network_columns(network)),
        *((name, f4) for name in (*apart, *_MEASURES)),
        *((name, pa.bool_()) for name in _FLAGS),
        ("geometry", pa.binary()),
        ("bbox", pa.struct([(side, pa.float64()) for side in SIDES])),
    ]
    return pa.schema(columns)


def network_columns(network: tuple[str, ...]) -> list[str]:
    """Return the columns that hold the probabilities of the networks' classes.

    Parameters
    ----------
    network : tuple of str
        Classes of the networks, where a classifier was taught others.

    Returns
    -------
    list of str
        In the order of `network`.
    """
    return [f"network_p_{name}" for name in network]


def to_arrow(
    table: NucleusTable,
    classes: tuple[str, ...],
    network: tuple[str, ...] = (),
    slide: str | None = None,
) -> pa.RecordBatch:
    """Turn nuclei into the columns of the file.

    Parameters
    ----------
    table : NucleusTable
        N nuclei.
    classes : tuple of str
        Class names, in the order of the probabilities.
    network : tuple of str
        Classes of the networks, where the table has their probabilities apart.
    slide : str, optional
        Name of the slide, from which the ids of QuPath follow; without it there are none.

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
    sides = [from_numpy(side) for side in table.bounds.T]
    columns = [
        from_numpy(table.id),
        *([] if slide is None else [_qupath_ids(table, slide)]),
        from_numpy(table.row),
        from_numpy(table.column),
        _named(table.class_code, classes),
        from_numpy(probabilities[np.arange(len(table)), table.class_code]),
        *(from_numpy(layer) for layer in probabilities.T),
        *_network(table, network),
        *(from_numpy(layer) for layer in apart),
        *(from_numpy(getattr(table, name)) for name in (*_MEASURES, *_FLAGS)),
        from_bytes(table.geometry.tolist(), pa.binary()),
        pa.StructArray.from_arrays(sides, list(SIDES)),
    ]
    schema = schema_of(classes, n_contrasts, network, keyed=slide is not None)
    return pa.record_batch(columns, schema=schema)


def _qupath_ids(table: NucleusTable, slide: str) -> pa.Array:
    return from_bytes([nucleus_uuid(slide, i).encode() for i in table.id.tolist()], pa.string())


def _named(code: NDArray[np.integer], classes: tuple[str, ...]) -> pa.Array:
    names = from_bytes([name.encode() for name in classes], pa.string())
    return pa.DictionaryArray.from_arrays(from_numpy(code.astype(np.int8)), names)


def _network(table: NucleusTable, network: tuple[str, ...]) -> list[pa.Array]:
    if table.network_probabilities is None:
        return []
    shares = np.asarray(table.network_probabilities, np.float32)
    return [_named(most_probable(shares), network), *(from_numpy(layer) for layer in shares.T)]


def from_arrow(
    batch: pa.RecordBatch, classes: tuple[str, ...], network: tuple[str, ...] = ()
) -> NucleusTable:
    """Undo `to_arrow`.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        N rows of `to_arrow`.
    classes : tuple of str
        Class names, in the order that the probabilities shall have.
    network : tuple of str
        Classes of the networks, where the batch has their probabilities apart.

    Returns
    -------
    NucleusTable
        N nuclei, in the order of the rows.
    """
    names = [name for name in batch.schema.names if name.startswith("contrast")]
    apart = [to_numpy(batch.column(name)) for name in names]
    boxes, named = batch.column("bbox"), batch.column("class")
    code = np.array([classes.index(name) for name in named.dictionary.to_pylist()], np.uint8)
    shares = [to_numpy(batch.column(name)) for name in network_columns(network)]
    return NucleusTable(
        class_code=code[to_numpy(named.indices)],
        class_probabilities=np.column_stack(
            [to_numpy(batch.column(f"p_{name}")) for name in classes]
        ),
        contrasts=np.reshape(apart, (len(apart), len(batch))).T,
        geometry=to_bytes(batch.column("geometry")),
        bounds=np.column_stack([to_numpy(boxes.field(side)) for side in SIDES]),
        network_probabilities=np.column_stack(shares) if network else None,
        **{name: to_numpy(batch.column(name)) for name in _SINGLE},
    )

"""The table of nuclei as FlatGeobuf and as CSV."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyogrio

from nucwsi.io.csv_table import FORMULA
from nucwsi.io.nuclei.parquet import iter_batches, open_table
from nucwsi.io.stores.publish import published


def _opened(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open a table without bounding boxes and with classes as plain text."""
    file, _ = open_table(path)
    with file:
        stored = file.schema_arrow.remove_metadata()
    schema = pa.schema(
        pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
        for field in stored
        if field.name != "bbox"
    )
    return schema, (batch.cast(schema) for batch in iter_batches(path, schema.names))


def write_flatgeobuf(path: Path, nuclei: Path) -> None:
    """Write the nuclei as FlatGeobuf, with an index: a part of it can be read over a network.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.fgb``.
    nuclei : pathlib.Path
        ``nuclei.parquet``.

    Raises
    ------
    StoreError
        If the table cannot be read, or the file cannot be written.
    """
    schema, batches = _opened(nuclei)
    with published(path) as aside, warnings.catch_warnings():
        # GDAL takes a name with another ending for a folder.
        named = aside.with_name(f"{aside.name}.fgb")
        # Pixels of a slide have no place on earth.
        warnings.filterwarnings("ignore", "'crs' was not provided")
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(schema, batches),
            named,
            driver="FlatGeobuf",
            layer="nuclei",
            geometry_name="geometry",
            geometry_type="Polygon",
        )
        named.replace(aside)


def write_nuclei_csv(path: Path, nuclei: Path) -> None:
    """Write the nuclei as CSV, without their outlines.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.csv``.
    nuclei : pathlib.Path
        ``nuclei.parquet``.

    Raises
    ------
    StoreError
        If the table cannot be read, or the file cannot be written.
    """
    schema, batches = _opened(nuclei)
    place = schema.get_field_index("geometry")
    with published(path) as aside, pyarrow.csv.CSVWriter(aside, schema.remove(place)) as writer:
        for batch in batches:
            flat = batch.drop_columns(["geometry"])
            for place, field in enumerate(flat.schema):
                if pa.types.is_string(field.type):
                    texts = pc.replace_substring_regex(flat[place], f"^({FORMULA})", r"'\1")
                    flat = flat.set_column(place, field, texts)
            writer.write_batch(flat)

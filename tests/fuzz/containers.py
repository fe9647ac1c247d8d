"""Damage inside files that hold others: zip members, tables of parquet, headers of safetensors."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.mutators import BYTES, SENSELESS, Mutant, Mutator, changed
from nucwsi.io.stores.arrays import contents_digest

#: Where tables carry facts: of nuclei, of features, and of a GeoParquet of others.
_FACTS = (b"nucwsi", b"nucwsi_features", b"geo")


def zip_member(data: bytes, rng: Random) -> Mutant:
    """Drop, rename, empty or damage one member, and write the zip anew with right checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(item.filename, archive.read(item)) for item in archive.infolist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    how = rng.choice(("gone", "renamed", "empty", "twice", "damaged", "damaged"))
    if how == "gone":
        del members[at]
    elif how == "renamed":
        members[at] = (rng.choice(("../x", "x/" * 40, "/etc/x", "é", "0/0/0/0")), content)
    elif how == "empty":
        members[at] = (name, b"")
    elif how == "damaged" and content:
        mutant = rng.choice(BYTES)(content, rng)
        members[at], how = (name, mutant.data), mutant.what
    else:
        members.append((f"{name}2", content))
    return Mutant(_zipped(members), f"{name}: {how}")


def _zipped(members: list[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = contents_digest(archive)
    return sink.getvalue()


def zip_json(suffix: str, essential: Callable[[tuple[Any, ...]], bool]) -> Mutator:
    """Change one value of a JSON member whose name ends in `suffix`."""

    def value(data: bytes, rng: Random) -> Mutant:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(item.filename, archive.read(item)) for item in archive.infolist()]
        at = rng.choice([k for k, (name, _) in enumerate(members) if name.endswith(suffix)])
        name, content = members[at]
        text, path, new = changed(json.loads(content), rng)
        members[at] = (name, text.encode())
        what = f"{name}: {'/'.join(map(str, path))} is {new:.20}"
        return Mutant(_zipped(members), what, telling=essential(path) and new in SENSELESS)

    return value


def parquet_facts(data: bytes, rng: Random) -> Mutant:
    """Change one value of the facts that a table carries."""
    table, metadata = _read_parquet(data)
    key = next(key for key in _FACTS if key in metadata)
    text, path, new = changed(json.loads(metadata[key]), rng)
    metadata[key] = text.encode("utf-8", "surrogatepass")
    what = f"facts: {'/'.join(map(str, path))} is {new:.20}"
    telling = path[:1] == ("frame",) and new in SENSELESS
    return Mutant(_parquet(table, metadata), what, telling)


def parquet_column(data: bytes, rng: Random) -> Mutant:
    """Drop a column, give it another type, or put values into it that make no sense."""
    table, metadata = _read_parquet(data)
    at = rng.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at).combine_chunks()
    how = rng.choice(("gone", "text", "nulls", "null", "odd", "odd"))
    if how == "gone":
        spoilt = table.remove_column(at)
    else:
        spoilt = table.set_column(at, name, _odd_column(column, how, rng))
    telling = how in {"null", "nulls"} or (how == "odd" and pa.types.is_floating(column.type))
    return Mutant(_parquet(spoilt, metadata), f"column {name}: {how}", telling)


def _odd_column(column: Any, how: str, rng: Random) -> Any:
    n = len(column)
    if how == "text":
        return pa.array(["x"] * n)
    if how == "nulls":
        return pa.nulls(n, column.type)
    values = column.to_pylist()
    row = rng.randrange(n)
    if how == "null":
        values[row] = None
    elif pa.types.is_floating(column.type):
        values[row] = rng.choice((np.nan, np.inf, -np.inf))
    elif pa.types.is_binary(column.type):
        values[row] = rng.choice(BYTES)(values[row], rng).data
    elif isinstance(values[row], str):
        values[row] = rng.choice(("", "x", "\0"))
    elif isinstance(values[row], int) and not isinstance(values[row], bool):
        values[row] = rng.choice((0, values[(row + 1) % n], 2**62))
    return pa.array(values, column.type)


def _read_parquet(data: bytes) -> tuple[Any, dict[bytes, bytes]]:
    with pq.ParquetFile(io.BytesIO(data)) as file:
        return file.read(use_threads=False), dict(file.metadata.metadata)


def _parquet(table: Any, metadata: dict[bytes, bytes]) -> bytes:
    sink = io.BytesIO()
    # Without the checksum of the facts, as older versions wrote them.
    kept = {key: metadata[key] for key in (b"geo", *_FACTS) if key in metadata}
    table = table.replace_schema_metadata(kept)
    pq.write_table(table, sink, row_group_size=50, write_page_checksum=True)
    return sink.getvalue()


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    [length] = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _joined(header: str, weights: bytes) -> bytes:
    written = header.encode("utf-8", "surrogatepass")
    written += b" " * (-len(written) % 8)
    return struct.pack("<Q", len(written)) + written + weights


def safetensors_header(data: bytes, rng: Random) -> Mutant:
    """Change one value of the header: a type, a shape, a place, or a name of a tensor."""
    header, weights = _split(data)
    text, path, new = changed(header, rng)
    what = f"header: {'/'.join(map(str, path))} is {new:.20}"
    # A tensor whose place or shape makes no sense cannot be read.
    return Mutant(_joined(text, weights), what, telling=len(path) == 3 and new in SENSELESS)


def checkpoint_field(data: bytes, rng: Random) -> Mutant:
    """Change one value of the description of a checkpoint."""
    header, weights = _split(data)
    text, path, new = changed(json.loads(header["__metadata__"]["nucwsi"]), rng)
    header["__metadata__"]["nucwsi"] = text
    what = f"description: {'/'.join(map(str, path))} is {new:.20}"
    free = not path or path[0] in {"about", "name", "classes"}
    return Mutant(_joined(json.dumps(header), weights), what, not free and new in SENSELESS)


def checkpoint_weights(data: bytes, rng: Random) -> Mutant:
    """Put a number into the weights that is none."""
    header, weights = _split(data)
    at = 4 * rng.randrange(len(weights) // 4)
    new = struct.pack("<f", rng.choice((float("nan"), float("inf"), 3e38)))
    spoilt = weights[:at] + new + weights[at + 4 :]
    return Mutant(_joined(json.dumps(header), spoilt), f"weights at {at}: {new.hex()}")

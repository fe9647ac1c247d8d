"""The table of features: one row for each nucleus of ``nuclei.parquet``, in its order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nucwsi.errors import StoreError
from nucwsi.io.inputs import check_file
from nucwsi.io.nuclei.arrow import from_numpy, to_numpy
from nucwsi.io.stores.publish import published

_VERSION = 1


class Described(NamedTuple):
    """Features of some nuclei.

    Attributes
    ----------
    id : (N,) ndarray of int64
        As in ``nuclei.parquet``.
    values : (N, F) ndarray of float32
        Their features.
    """

    id: NDArray[np.int64]
    values: NDArray[np.float32]


def places_digest(
    ident: NDArray[np.int64], row: NDArray[np.float64], column: NDArray[np.float64]
) -> str:
    """Return a fingerprint of the nuclei of a table, whatever their classes.

    Parameters
    ----------
    ident : (N,) ndarray of int64
        Their ids.
    row, column : (N,) ndarray of float64
        Their centroids, in level-0 pixels.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for values in (ident, row, column):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:32]


def write_features(
    path: Path, names: tuple[str, ...], described: Iterable[Described], digest: str
) -> None:
    """Write a table of features, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        ``features.parquet``.
    names : tuple of str
        Of the F features.
    described : iterable of Described
        Consumed one at a time; together all nuclei, in the order of their table.
    digest : str
        `places_digest` of that table.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    schema = pa.schema([("id", pa.int64()), *((name, pa.float32()) for name in names)])
    about = {"version": _VERSION, "nuclei": digest}
    schema = schema.with_metadata({"nucwsi_features": json.dumps(about)})
    with (
        published(path) as aside,
        pq.ParquetWriter(
            aside, schema, compression="zstd", use_dictionary=False, write_page_checksum=True
        ) as writer,
    ):
        for some in described:
            columns = [from_numpy(some.id), *(from_numpy(column) for column in some.values.T)]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def feature_names(path: Path, digest: str) -> tuple[str, ...]:
    """Return the names of the features of a table, after a check that it is of some nuclei.

    Parameters
    ----------
    path : pathlib.Path
        ``features.parquet``.
    digest : str
        `places_digest` of the nuclei.

    Returns
    -------
    tuple of str
        In the order of the file.

    Raises
    ------
    StoreError
        If it is missing, damaged, or of other nuclei.
    """
    with _opened(path, digest) as file:
        return tuple(file.schema_arrow.names[1:])


def read_features(path: Path, names: tuple[str, ...], digest: str) -> Iterator[Described]:
    """Read features, some nuclei at a time.

    Parameters
    ----------
    path : pathlib.Path
        ``features.parquet``.
    names : tuple of str
        The F features to read.
    digest : str
        `places_digest` of the nuclei that they must be of.

    Yields
    ------
    Described
        The next nuclei, in the order of the file.

    Raises
    ------
    StoreError
        If it is missing, damaged, of other nuclei, or lacks a feature.
    """
    with _opened(path, digest) as file:
        lacking = [name for name in names if name not in file.schema_arrow.names]
        if lacking:
            raise StoreError(
                f"{path}: has no feature {lacking[0]!r}; make it again with `nucwsi features`"
            )
        try:
            for batch in file.iter_batches(columns=["id", *names]):
                values = np.column_stack([to_numpy(batch.column(name)) for name in names])
                _check_finite(path, names, values)
                yield Described(to_numpy(batch.column("id")), values)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{path}: is damaged ({error}); run `nucwsi features`") from None


def _check_finite(path: Path, names: tuple[str, ...], values: NDArray[np.float32]) -> None:
    odd = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(odd):
        raise StoreError(
            f"{path}: holds what is no finite number as {names[odd[0]]!r}; run `nucwsi features`"
        )


def _opened(path: Path, digest: str) -> pq.ParquetFile:
    try:
        check_file(path)
        file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
        about = json.loads((file.metadata.metadata or {})[b"nucwsi_features"])
        if about["version"] > _VERSION:
            raise ValueError("is of a newer nucwsi")
        of = about["nuclei"]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi features`") from None
    except (
        *(OSError, pa.ArrowException, LookupError, TypeError, ValueError, RecursionError),
    ) as error:
        raise StoreError(
            f"{path}: is no table of features, or is damaged ({error}); run `nucwsi features`"
        ) from None
    if of != digest:
        file.close()
        raise StoreError(f"{path}: is of other nuclei than these; run `nucwsi features` again")
    return file

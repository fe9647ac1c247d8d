"""Conversion between numpy and Arrow, without pandas.

`pyarrow.array` and ``to_numpy`` import pandas wherever it is installed. That import takes longer
than reading or writing the nuclei of a slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def from_numpy(values: NDArray[Any]) -> pa.Array:
    """Turn numbers or truth values into an Arrow array.

    Parameters
    ----------
    values : (N,) ndarray of int, float or bool
        Values of one column; copied only if they are not contiguous.

    Returns
    -------
    pyarrow.Array
        Of N values, none of them missing.
    """
    kind, size = pa.from_numpy_dtype(values.dtype), len(values)
    stored = np.packbits(values, bitorder="little") if values.dtype == bool else values
    return pa.Array.from_buffers(kind, size, [None, pa.py_buffer(np.ascontiguousarray(stored))])


def from_bytes(items: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    """Turn byte strings into an Arrow array.

    Parameters
    ----------
    items : sequence of bytes
        Of 2 GB at most.
    kind : pyarrow.DataType
        ``binary``, or ``string`` for UTF-8.

    Returns
    -------
    pyarrow.Array
        Of as many values as `items`, none of them missing.
    """
    ends = np.cumsum([0, *map(len, items)]).astype(np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(items))]
    return pa.Array.from_buffers(kind, len(items), buffers)


def to_numpy(column: pa.Array) -> NDArray[Any]:
    """Turn an Arrow array without gaps into numbers or truth values.

    Parameters
    ----------
    column : pyarrow.Array
        Of numbers or truth values.

    Returns
    -------
    (N,) ndarray
        A view where that is possible; do not change it.
    """
    if pa.types.is_boolean(column.type):
        return np.from_dlpack(column.cast(pa.uint8())).view(bool)
    return np.from_dlpack(column)


def to_bytes(column: pa.Array) -> NDArray[np.object_]:
    """Turn an Arrow array without gaps into byte strings.

    Parameters
    ----------
    column : pyarrow.Array
        ``binary`` or ``string``.

    Returns
    -------
    (N,) ndarray of bytes
        One byte string for each value, copied.
    """
    answer = np.empty(len(column), object)
    if len(column):
        _, ends, data = column.buffers()
        places = np.frombuffer(ends, np.int32)[column.offset : column.offset + len(column) + 1]
        text = data.to_pybytes()
        answer[:] = [text[start:stop] for start, stop in pairwise(places.tolist())]
    return answer

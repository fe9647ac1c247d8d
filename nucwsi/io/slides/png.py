"""Whether a PNG holds all of its rows: Pillow makes those that are missing black, and says nothing.

The form of the file is that of the PNG specification, third edition (W3C, 2025), sections 5, 7
and 8.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Samples of a pixel, by the colour type.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

#: Passes of an interlaced picture (Adam7): first row and column, and steps between them.
_ADAM7 = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)

#: Bytes that are unpacked at once.
_PIECE = 1 << 20


def check_rows(path: Path) -> None:
    """Refuse a PNG whose data end before its last row.

    Parameters
    ----------
    path : pathlib.Path
        A file that begins as a PNG.

    Raises
    ------
    ValueError
        If data are missing.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        stream.seek(8)
        chunks = _chunks(stream)
        name, header = next(chunks, (b"", b""))
        if name != b"IHDR" or len(header) < 13:
            raise ValueError("it has no header")
        expected = _unpacked_size(header)
        unpacker, found = zlib.decompressobj(), 0
        for name, content in chunks:
            if name != b"IDAT":
                continue
            rest = content
            while rest and not unpacker.eof and found < expected:
                try:
                    found += len(unpacker.decompress(rest, _PIECE))
                except zlib.error as error:
                    raise ValueError(str(error)) from None
                rest = unpacker.unconsumed_tail
    if found < expected:
        raise ValueError(f"it holds {found / expected:.0%} of its data")


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each chunk."""
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        yield name, stream.read(length)
        stream.seek(4, 1)


def _unpacked_size(header: bytes) -> int:
    """Return how many bytes the rows of a picture take, each with the number of its filter."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * _SAMPLES.get(colour, 1)
    total = 0
    for row, column, down, right in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - row) // down), -(-(width - column) // right)
        if rows > 0 and columns > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total

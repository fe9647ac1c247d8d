"""Damage to plain pictures: fields of their headers, and chunks of a PNG under right checksums."""

from __future__ import annotations

import struct
import zlib
from random import Random

from fuzz.mutators import Mutant, replaced

#: Bytes that tell a PNG, and those of a header in which sizes and depths stand.
_PNG, _HEADER = b"\x89PNG\r\n\x1a\n", 64


def header_value(data: bytes, rng: Random) -> Mutant:
    """Write an odd number of one, two or four bytes into the header."""
    width = rng.choice((1, 2, 4))
    at = rng.randrange(min(_HEADER, len(data) - width))
    top = (1 << 8 * width) - 1
    value = rng.choice((0, 1, 2, 8, 16, top, top // 2, rng.randrange(top)))
    new = value.to_bytes(width, rng.choice(("big", "little")))
    spoilt = replaced(data, at, new)
    if data.startswith(_PNG):
        spoilt = png_of([(name, content) for name, content in _chunks(spoilt)])
    return Mutant(spoilt, f"{new.hex()} at {at}")


def png_chunk(data: bytes, rng: Random) -> Mutant:
    """Drop, repeat, move or rename a chunk of a PNG, or damage its content."""
    chunks = _chunks(data)
    at = rng.randrange(len(chunks))
    name, content = chunks[at]
    how = rng.choice(("gone", "twice", "moved", "renamed", "damaged", "damaged"))
    if how in {"gone", "moved"}:
        del chunks[at]
    if how in {"twice", "moved"}:
        chunks.insert(rng.randrange(len(chunks) + 1), (name, content))
    elif how == "renamed":
        chunks[at] = (rng.choice((b"tRNS", b"PLTE", b"acTL", b"gAMA", b"abcd")), content)
    elif how == "damaged" and content:
        place = rng.randrange(len(content))
        chunks[at] = (name, replaced(content, place, rng.randbytes(1)))
    return Mutant(png_of(chunks), f"chunk {at}, {name!r}: {how}")


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(_PNG)
    while at + 8 <= len(data):
        [length] = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of such chunks, each a name and its content, with right checksums."""
    return _PNG + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )

"""Damage to the fields of a TIFF: its tags, its pages, its index of tiles and its tiles."""

from __future__ import annotations

import io
import re
import struct
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import tifffile

from fuzz.mutators import BYTES, Mutant, Mutator, replaced

#: Tags that say how the bytes of a tile become pixels. A change contradicts the tiles.
_SHAPE_OF_TILES = {258, 277, 284, 322, 323}

_WIDTH, _LENGTH, _DESCRIPTION, _OFFSETS, _COUNTS = 256, 257, 270, 324, 325
_RESOLUTION = {282, 283}

#: Side of a tile in the slides that are damaged.
_TILE_PX = 256


class _Tag(NamedTuple):
    code: int
    entry: int
    value: int
    kind: int
    count: int


class _Page(NamedTuple):
    level: int
    tags: tuple[_Tag, ...]
    next_page: int
    tiles: tuple[tuple[int, int], ...]

    def tag(self, code: int) -> _Tag | None:
        return next((tag for tag in self.tags if tag.code == code), None)


class _Fields(NamedTuple):
    order: str
    offset_format: str
    pages: tuple[_Page, ...]

    def written(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)


@lru_cache(maxsize=8)
def _fields(data: bytes) -> _Fields:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tiff = file.tiff
        pages: list[Any] = []
        for page in file.pages:
            pages += [page, *(page.pages or ())]
        found = []
        for level, page in enumerate(pages):
            tags = tuple(
                _Tag(t.code, t.offset, t.valueoffset, int(t.dtype), t.count) for t in page.tags
            )
            after = page.offset + tiff.tagnosize + len(tags) * tiff.tagsize
            tiles = tuple(zip(page.dataoffsets, page.databytecounts, strict=True))
            found.append(_Page(level, tags, after, tiles))
        return _Fields(tiff.byteorder, tiff.offsetformat[-1], tuple(found))


def tag_value(data: bytes, rng: Random) -> Mutant:
    """Overwrite one value of one tag."""
    fields = _fields(data)
    page = rng.choice(fields.pages)
    tag = rng.choice(page.tags)
    form = tifffile.TIFF.DATA_FORMATS[tag.kind]
    letter, per_value = form[-1], int(form[:-1] or 1)
    width = struct.calcsize("=" + letter)
    if letter in "fds":
        new, value = rng.randbytes(width), "noise"
    else:
        top = (1 << (8 * width)) - 1
        value = rng.choice((0, 1, 2, 3, 7, top, top // 2, rng.randrange(top), rng.randrange(2000)))
        new = struct.pack(fields.order + letter.upper(), value)
    which = rng.randrange(max(1, per_value * tag.count))
    at = tag.value + which * width
    spoilt = replaced(data, at, new)
    senseless = tag.code in _RESOLUTION and value in (0, (1 << 32) - 1)
    size = tag.code in (_WIDTH, _LENGTH) and (value == 0 or page.level > 0)
    telling = spoilt != data and (senseless or size or tag.code in _SHAPE_OF_TILES)
    return Mutant(spoilt, f"page {page.level}, tag {tag.code}, value {which} is {value}", telling)


def tag_entry(data: bytes, rng: Random) -> Mutant:
    """Change the code, the type, the count or the place of a tag."""
    fields = _fields(data)
    page = rng.choice(fields.pages)
    tag = rng.choice(page.tags)
    letter = fields.offset_format
    size = struct.calcsize("=" + letter)
    top = (1 << (8 * size)) - 1
    part, at, form = rng.choice(
        (
            ("code", tag.entry, "H"),
            ("type", tag.entry + 2, "H"),
            ("count", tag.entry + 4, letter),
            ("place", tag.entry + 4 + size, letter),
        )
    )
    value = rng.choice((0, 1, 5, 12, 13, 65000)) if form == "H" else 0
    if form != "H":
        value = rng.choice((0, 1, 2, top, top // 2, rng.randrange(len(data)), 1 << 28))
    spoilt = replaced(data, at, fields.written(form, value))
    return Mutant(spoilt, f"page {page.level}, tag {tag.code}: its {part} is {value}")


def next_page(data: bytes, rng: Random) -> Mutant:
    """Lead from one page to itself, to an earlier one, to nowhere or beyond the end."""
    fields = _fields(data)
    page, other = rng.choice(fields.pages), rng.choice(fields.pages)
    to = rng.choice((other.tags[0].entry - (8 if fields.offset_format == "Q" else 2), 0, 1 << 30))
    spoilt = replaced(data, page.next_page, fields.written(fields.offset_format, to))
    return Mutant(spoilt, f"page {page.level} leads to {to}")


def tile_index(data: bytes, rng: Random) -> Mutant:
    """Say that a tile lies elsewhere, is of another size, or is not there."""
    fields = _fields(data)
    page = rng.choice(fields.pages)
    tag = page.tag(rng.choice((_OFFSETS, _COUNTS)))
    if tag is None:
        return tag_value(data, rng)
    letter = tifffile.TIFF.DATA_FORMATS[tag.kind][-1]
    top = (1 << (8 * struct.calcsize("=" + letter))) - 1
    which, value = rng.randrange(tag.count), rng.choice((0, 0, 1, top, len(data) - 1, top // 2))
    at = tag.value + which * struct.calcsize("=" + letter)
    spoilt = replaced(data, at, fields.written(letter, min(value, top)))
    what = f"page {page.level}: {'place' if tag.code == _OFFSETS else 'size'} of tile {which}"
    return Mutant(spoilt, f"{what} is {value}", telling=spoilt != data)


def tile_content(data: bytes, rng: Random) -> Mutant:
    """Empty a tile, fill it with noise, or cut it short."""
    page = rng.choice(_fields(data).pages)
    which = rng.randrange(len(page.tiles))
    start, size = page.tiles[which]
    how = rng.choice(("zeros", "noise", "half zeros"))
    from_here = start + (size // 2 if how == "half zeros" else 0)
    length = start + size - from_here
    piece = rng.randbytes(length) if how == "noise" else bytes(length)
    # Half a tile may still decode; a whole one cannot.
    return Mutant(
        replaced(data, from_here, piece),
        f"page {page.level}: tile {which} holds {how}",
        telling=how != "half zeros",
    )


def tile_header(data: bytes, rng: Random) -> Mutant:
    """Let the header of a compressed tile (JPEG, JPEG 2000) lie about its size."""
    page = rng.choice(_fields(data).pages)
    which = rng.randrange(len(page.tiles))
    start, size = page.tiles[which]
    tile = data[start : start + size]
    jpeg, codestream = re.search(rb"\xff[\xc0\xc1\xc2]\x00.\x08", tile), tile.find(b"\xff\x51")
    if jpeg:
        new = struct.pack(">HH", *(rng.choice((0, 1, 8, 257, 4096, 65500)) for _ in range(2)))
        at = start + jpeg.end()
    elif codestream >= 0:
        new = struct.pack(">I", rng.choice((0, 1, 257, 65500, 1 << 20, (1 << 32) - 1)))
        # Sides of the picture, its offset, sides of a tile of it.
        at = start + codestream + 6 + 4 * rng.randrange(8)
    else:
        at, new = start, rng.randbytes(min(size, 8))
    spoilt = replaced(data, at, new)
    what = f"page {page.level}: header of tile {which} is {new.hex()} at {at - start}"
    return Mutant(spoilt, what, telling=bool(jpeg) and spoilt != data)


def description(data: bytes, rng: Random) -> Mutant:
    """Write another number of the same length into the description of the first page."""
    tag = _fields(data).pages[0].tag(_DESCRIPTION)
    if tag is None:
        return tag_value(data, rng)
    text = data[tag.value : tag.value + tag.count]
    numbers = list(re.finditer(rb"\d[\d.]*", text))
    if not numbers:
        return tag_value(data, rng)
    found = rng.choice(numbers)
    wide = len(found.group())
    options = (b"nan", b"inf", b"-1", b"0", b"9" * wide, b"1e999", b"x", b"<", b"&", b"\xff", b"\0")
    new = rng.choice(options)[:wide]
    new += b" " * (wide - len(new))
    what = f"description: {found.group().decode()} is {new!r}"
    return Mutant(replaced(data, tag.value + found.start(), new), what)


def smaller_page(data: bytes, rng: Random) -> Mutant:
    """Give a page another width or height: its tiles are then more or fewer than it needs."""
    fields = _fields(data)
    page = rng.choice(fields.pages)
    tag = page.tag(rng.choice((_WIDTH, _LENGTH)))
    assert tag is not None
    letter = tifffile.TIFF.DATA_FORMATS[tag.kind][-1]
    [side] = struct.unpack_from(fields.order + letter, data, tag.value)
    other = max(1, round(side * rng.choice((0.3, 0.5, 0.8, 0.9, 1.1, 1.5, 3.0, 40.0))))
    spoilt = replaced(data, tag.value, fields.written(letter, min(other, 65535)))
    # A smaller level contradicts the full one; that one contradicts its index of tiles.
    telling = page.level > 0 or -(-side // _TILE_PX) != -(-other // _TILE_PX)
    return Mutant(spoilt, f"page {page.level}, tag {tag.code} is {other}, was {side}", telling)


TIFF: tuple[Mutator, ...] = (
    *BYTES,
    tag_value,
    tag_value,
    tag_entry,
    next_page,
    tile_index,
    tile_content,
    tile_header,
    description,
    smaller_page,
)

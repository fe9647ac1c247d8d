"""The size that a compressed tile states of itself, read without decoding it.

Decoders take memory for what a stream says, however small the tile that it lies in. So a stream is
asked first, and one that is larger than its tile is damaged.
"""

from __future__ import annotations

import struct

#: TIFF's codes of compressions whose streams state a size: JPEG, JPEG 2000, JPEG XR, WebP, PNG and
#: JPEG XL.
STATING = frozenset(
    {
        *(6, 7, 33007, 33003, 33004, 33005, 34712, 22610, 34934),
        *(34927, 50001, 34933, 50002, 52546),
    }
)

#: TIFF's codes of compressions whose decoders stop at the size of the tile: none, LZW, deflate,
#: PackBits, LZMA and Zstandard.
BOUNDED = frozenset({1, 5, 8, 32946, 32773, 34925, 34926, 50000})

#: Compressions of tiles that are read.
READ = STATING | BOUNDED

#: A stream of JPEG 2000 may be cut into so many tiles of its own; decoders take memory for each.
_MAX_TILES = 4096

_CHANNELS = 4

_JPEG, _J2K, _JXR = b"\xff\xd8", b"\xff\x4f\xff\x51", b"II\xbc"
_PNG, _JXL, _JXL_BOX = b"\x89PNG\r\n\x1a\n", b"\xff\x0a", b"\x00\x00\x00\x0cJXL "
_WMPHOTO = b"WMPHOTO\x00"


def check_size(data: bytes, compression: int, shape: tuple[int, int]) -> None:
    """Refuse a compressed tile whose stream states a picture larger than the tile.

    Parameters
    ----------
    data : bytes
        The tile as the file holds it.
    compression : int
        TIFF's code of its compression, one of `READ`.
    shape : (int, int)
        Height and width of the tile in pixels.

    Raises
    ------
    ValueError
        If the stream is larger than the tile, has more than four channels, or states no size where
        its kind must.
    """
    if compression not in STATING:
        return
    height, width = stated_size(data)
    if not (0 < height <= shape[0] and 0 < width <= shape[1]):
        raise ValueError(f"the tile measures {height} x {width} px, expected {shape}")


def stated_size(data: bytes) -> tuple[int, int]:
    """Read the size of a picture from the header of its stream.

    Parameters
    ----------
    data : bytes
        A stream of JPEG, JPEG 2000, JPEG XR, WebP, PNG or JPEG XL.

    Returns
    -------
    (int, int)
        Height and width in pixels.

    Raises
    ------
    ValueError
        If the stream is of another kind, damaged, or has more than four channels.

    Examples
    --------
    >>> stated_size(bytes.fromhex("ffd8 ffc0000b08 0040 0100 01 011100"))
    (64, 256)
    """
    try:
        if data[:2] == _JPEG:
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:8] == _PNG:
            height, width = struct.unpack_from(">II", data, 16)[::-1]
            return height, width
        if data[:3] == _JXR:
            return _jpeg_xr(data)
        if data[:2] == _JXL or data[:8] == _JXL_BOX:
            return _jpeg_xl(data)
        if (start := data.find(_J2K)) >= 0:
            return _jpeg_2000(data, start)
    except (struct.error, IndexError):
        raise ValueError("the tile's header is damaged") from None
    raise ValueError(f"the tile begins with {data[:4].hex()!r}, as no picture does")


def _jpeg(data: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError(
                f"the tile's JPEG has {data[place]:#04x} at byte {place}, expected a marker"
            )
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, place + 5)
            if channels > _CHANNELS:
                raise ValueError(f"the tile has {channels} channels")
            return height, width
        elif marker in (0xD9, 0xDA):
            raise ValueError(f"the tile's JPEG states no size before byte {place}")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # without content
            place += 2
        else:
            place += 2 + max(2, struct.unpack_from(">H", data, place + 2)[0])


def _jpeg_2000(data: bytes, start: int) -> tuple[int, int]:
    right, low, left, top, tile_width, tile_height, _, _, channels = struct.unpack_from(
        ">8IH", data, start + 8
    )
    height, width = low - top, right - left
    tiles = -(-low // max(1, tile_height)) * -(-right // max(1, tile_width))
    if channels > _CHANNELS or tiles > _MAX_TILES:
        raise ValueError(f"the tile has {channels} channels and {tiles} tiles of its own")
    return height, width


def _jpeg_xr(data: bytes) -> tuple[int, int]:
    """Return the larger of the sizes in the container and in the stream within it."""
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    sides = {0xBC80: 0, 0xBC81: 0}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from("<HH", data, entry)
        if tag in sides:
            (sides[tag],) = struct.unpack_from("<H" if kind == 3 else "<I", data, entry + 8)
    height, width = sides[0xBC81], sides[0xBC80]
    start = data.find(_WMPHOTO)
    if start >= 0:
        short = data[start + 10] & 0x80
        across, down = struct.unpack_from(">HH" if short else ">II", data, start + 12)
        height, width = max(height, down + 1), max(width, across + 1)
    return height, width


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return height, width


#: Width as a multiple of the height, by JPEG XL's code.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def _jpeg_xl(data: bytes) -> tuple[int, int]:
    start = 0
    if data[:2] != _JXL:
        # A container: the stream lies in the first of its boxes of these names.
        boxes = [(data.find(name), skip) for name, skip in ((b"jxlc", 4), (b"jxlp", 8))]
        start = min((at + skip for at, skip in boxes if at >= 0), default=len(data))
        if data[start : start + 2] != _JXL:
            raise ValueError("the tile's JPEG XL has no stream")
    bits = int.from_bytes(data[start + 2 : start + 14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio == 0:
        return height, side()
    across, down = _RATIOS[ratio - 1]
    return height, height * across // down

"""A PNG holds all of its rows, or it is refused: Pillow would make those that are missing black."""

import struct
import zlib

import numpy as np
import pytest
from fuzz.pictures import png_of
from PIL import Image

from nucwsi.io.slides.png import check_rows


def image_of(mode, shape=(37, 53)):
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (*shape, 3), np.uint8)).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_a_sound_picture_passes(tmp_path, mode):
    image = image_of("L").convert("I;16") if mode == "I;16" else image_of(mode)
    image.save(tmp_path / "a.png")
    check_rows(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("depth", "colour", "samples"), [(8, 2, 3), (8, 6, 4), (1, 0, 1), (16, 2, 3)]
)
@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (37, 53)])
def test_exactly_all_rows_are_enough(tmp_path, depth, colour, samples, interlaced, shape):
    height, width = shape
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    if interlaced:  # As the specification draws them: the pass of each pixel of a block of 8 x 8.
        odd, even = "77777777", "56565656"
        drawn = ["16462646", odd, even, odd, "36463646", odd, even, odd]
        passes = np.array([[int(one) for one in row] for row in drawn])
        whole = np.tile(passes, (height // 8 + 1, width // 8 + 1))[:height, :width]
        sides = [((whole == n).any(1).sum(), (whole == n).any(0).sum()) for n in range(1, 8)]
    else:
        sides = [shape]
    n_bytes = sum(int(r) * (1 + -(-int(c) * depth * samples // 8)) for r, c in sides if r and c)
    for missing in (0, 1):
        rows = zlib.compress(bytes(n_bytes - missing))
        # In two chunks, as most writers cut them.
        chunks = [(b"IHDR", header), (b"IDAT", rows[:7]), (b"IDAT", rows[7:]), (b"IEND", b"")]
        (tmp_path / "a.png").write_bytes(png_of(chunks))
        if missing:
            with pytest.raises(ValueError, match="of its data"):
                check_rows(tmp_path / "a.png")
        else:
            check_rows(tmp_path / "a.png")


def test_what_cannot_be_unpacked_is_refused(tmp_path):
    image_of("RGB").save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for spoilt in (content[:8], content[:20], content.replace(b"IDAT\x78", b"IDAT\x00")):
        (tmp_path / "a.png").write_bytes(spoilt)
        with pytest.raises(ValueError, match=r"header|data"):
            check_rows(tmp_path / "a.png")


def test_a_bomb_is_unpacked_no_farther_than_its_rows(tmp_path, monkeypatch):
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    monkeypatch.setattr("nucwsi.io.slides.png._PIECE", 16)
    packed = zlib.compress(bytes(50_000_000))
    (tmp_path / "a.png").write_bytes(png_of([(b"IHDR", header), (b"IDAT", packed)]))
    check_rows(tmp_path / "a.png")

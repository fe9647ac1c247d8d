"""Tiles of a TIFF: decoded each for itself, lost each for itself, and refused if not RGB."""

import tracemalloc

import imagecodecs
import numpy as np
import pytest
import tifffile
from slides_made import damage, picture, write_slide

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides import tiff_page
from nucwsi.io.slides.slide import open_slide

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slides")


def read(path, window=WHOLE, level=0):
    with open_slide(path) as slide:
        return slide.read(level, window)


def test_strips_are_tiles_as_wide_as_the_page(folder):
    with open_slide(write_slide(folder / "tiles.tif", IMAGE)) as slide:
        assert {level.tile_shape for level in slide.levels} == {(256, 256)}
    strips = {"compression": "lzw", "tile": None, "rowsperstrip": 48, "levels": (1,)}
    with open_slide(write_slide(folder / "strips.tif", IMAGE, **strips)) as slide:
        assert slide.levels[0].tile_shape == (48, 1300)


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "lzw", None])
def test_a_tile_cut_off_by_the_end_of_the_file(folder, compression):
    path = write_slide(folder / "cut.tif", IMAGE, levels=(1,), compression=compression)
    path.write_bytes(path.read_bytes()[:-200])
    _, bad = read(path)
    assert bad == [Window(1024, 1280, 76, 20)]


def test_a_tile_for_which_memory_is_short_is_not_bad(folder, monkeypatch):
    def short(*_):
        raise RuntimeError("Insufficient memory (case 4)")

    path = write_slide(folder / "short.tif", IMAGE, levels=(1,))
    with open_slide(path) as slide:
        monkeypatch.setattr(tiff_page.TiffPage, "decode", short)
        with pytest.raises(MemoryError, match="case 4"):
            slide.read(0, WHOLE)


def claiming(encode, field, side_bytes, **options):
    """Return a stream of 16 x 16 pixels whose header claims 60,000 along each side."""
    stream = bytearray(encode(np.zeros((16, 16, 3), np.uint8), **options))
    for place in field(stream):
        stream[place : place + 2 * side_bytes] = (60000).to_bytes(side_bytes, "big") * 2
    return bytes(stream)


LARGE = np.zeros((2000, 2000, 3), np.uint8)

#: Compression -> a stream of few bytes and many pixels.
BOMBS = {
    "jpeg": lambda: claiming(imagecodecs.jpeg8_encode, lambda s: [s.find(b"\xff\xc0") + 5], 2),
    "jpeg2000": lambda: claiming(
        imagecodecs.jpeg2k_encode, lambda _: (8, 24), 4, codecformat="j2k"
    ),
    "png": lambda: claiming(imagecodecs.png_encode, lambda _: [16], 4),
    "webp": lambda: imagecodecs.webp_encode(LARGE),
    "jpegxl": lambda: imagecodecs.jpegxl_encode(LARGE, effort=1),
    "jpegxr": lambda: imagecodecs.jpegxr_encode(LARGE),
    "deflate": lambda: imagecodecs.zlib_encode(bytes(40_000_000)),
    "lzw": lambda: imagecodecs.lzw_encode(bytes(40_000_000)),
    "zstd": lambda: imagecodecs.zstd_encode(bytes(40_000_000)),
    "lzma": lambda: imagecodecs.lzma_encode(bytes(40_000_000)),
    "packbits": lambda: b"\x81\x00" * 300_000,
}

#: Compressions whose decoders stop where the tile ends; what they give is the tile.
STOPPING = ("deflate", "lzw", "zstd", "lzma", "packbits")


@pytest.mark.parametrize("compression", BOMBS)
def test_a_tile_that_claims_to_be_huge_takes_no_memory(folder, compression):
    """One of four tiles is such a stream; it is bad, or cut to the size of a tile."""
    path = folder / "bomb.tif"
    names = {"jpeg": "jpeg8", "jpeg2000": "jpeg2k", "deflate": "zlib"}
    encode = getattr(imagecodecs, f"{names.get(compression, compression)}_encode")
    tile = np.ascontiguousarray(IMAGE[:256, 500:756])
    tiles = [encode(tile), encode(tile), BOMBS[compression](), encode(tile)]
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=(512, 512, 3),
        dtype=np.uint8,
        tile=(256, 256),
        photometric="ycbcr" if compression == "jpeg" else "rgb",
        compression=compression,
    )
    with open_slide(path) as slide:
        tracemalloc.start()
        pixels, bad = slide.read(0, Window(0, 0, 512, 512))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 30e6
    assert bad in ([], [Window(256, 0, 256, 256)])
    assert compression in STOPPING or bad
    assert np.abs(pixels[:256, :256].astype(int) - tile).mean() < 4


def test_the_tile_that_took_12_gigabytes_is_bad(shared):
    _, bad = read(shared / "faults" / "slides" / "jpeg_huge.tif", Window(0, 0, 1024, 1024))
    assert len(bad) == 1
    assert bad[0].shape == (256, 256)


@pytest.mark.parametrize(
    ("field", "value"), [("TileOffsets", 1 << 31), ("TileByteCounts", 1 << 31)]
)
def test_a_tile_beyond_the_file_is_bad(folder, field, value):
    path = write_slide(folder / "beyond.tif", IMAGE, levels=(1,))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        values = list(tiff.pages[0].tags[field].value)
        values[8] = value
        tiff.pages[0].tags[field].overwrite(values)
    _, bad = read(path)
    assert bad == [Window(256, 512, 256, 256)]


def test_tiles_without_data_are_listed(folder):
    path = damage(write_slide(folder / "absent.tif", IMAGE, levels=(1,)), "missing", tile=8)
    with open_slide(damage(path, "missing", tile=29)) as slide:
        assert slide.missing.tolist() == [[256, 512, 256, 256], [1024, 1280, 76, 20]]


def test_the_tiff_says_what_the_colours_of_its_tiles_are(folder):
    """Tiles that are silent about it, as Aperio's, are not guessed at."""
    image = IMAGE[:256, 500:756]
    for photometric, space in (("ycbcr", "ycbcr"), ("rgb", "rgb")):
        tile = imagecodecs.jpeg8_encode(image, outcolorspace=space)
        length = int.from_bytes(tile[4:6], "big") + 2
        if tile[2:4] in (b"\xff\xe0", b"\xff\xee"):
            tile = tile[:2] + tile[2 + length :]
        path = folder / f"{photometric}.tif"
        tifffile.imwrite(
            path,
            iter([tile]),
            shape=image.shape,
            dtype=np.uint8,
            tile=(256, 256),
            photometric=photometric,
            compression="jpeg",
            compressionargs={"outcolorspace": space},
            subsampling=(1, 1),
        )
        pixels, bad = read(path, Window(0, 0, 256, 256))
        assert not bad
        assert np.abs(pixels.astype(int) - image).mean() < 3


class Page:
    """Decodes tiles of 300 bytes, and notes which."""

    def __init__(self):
        self.made = []

    def decode(self, index):
        self.made.append(index)
        return np.zeros((10, 10, 3), np.uint8)


def test_decoded_tiles_of_all_levels_are_kept_up_to_one_limit():
    cache, fine, coarse = tiff_page.TileCache(limit=1000), Page(), Page()
    for index in (0, 1, 2, 0, 3, 0, 1):
        cache.get(fine, index)
    assert fine.made == [0, 1, 2, 3, 1], "the least used one went, and came again"
    cache.get(coarse, 1)
    assert coarse.made == [1]
    assert cache._size == 900
    cache.get(fine, 3)
    assert fine.made == [0, 1, 2, 3, 1, 3], "the other level took its place"
    cache.forget()
    assert cache._size == 0
    cache.get(coarse, 1)
    assert coarse.made == [1, 1]


def with_alpha(alpha):
    return np.dstack([IMAGE, np.broadcast_to(np.asarray(alpha, np.uint8), IMAGE.shape[:2])])


@pytest.mark.parametrize(
    ("kind", "share"), [("unassalpha", lambda a: a / 255), ("assocalpha", lambda a: 1)]
)
def test_transparency_lies_on_white(folder, kind, share):
    alpha = np.full(IMAGE.shape[:2], 255)
    alpha[300:500, 300:500], alpha[500:600, 300:500] = 0, 128
    image = with_alpha(alpha)
    if kind == "assocalpha":
        image[..., :3] = np.minimum(image[..., :3], image[..., 3:])
    options = {"compression": "lzw", "extrasamples": [kind], "levels": (1,)}
    pixels, bad = read(write_slide(folder / "alpha.tif", image, **options))
    assert not bad
    assert (pixels[300:500, 300:500] == 255).all()
    opacity = alpha[..., None]
    expected = np.rint(image[..., :3].astype(float) * share(opacity) + 255 - opacity)
    np.testing.assert_allclose(pixels, expected, atol=1)


def test_a_fourth_channel_of_unknown_meaning_is_ignored(folder):
    options = {"compression": "lzw", "extrasamples": ["unspecified"], "levels": (1,)}
    pixels, _ = read(write_slide(folder / "fourth.tif", with_alpha(0), **options))
    np.testing.assert_array_equal(pixels, IMAGE)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE.astype(np.uint16) * 257, {}, "3 channels of uint16; expected brightfield RGB"),
        (IMAGE[..., 0], {"photometric": "minisblack"}, "1 channels of uint8"),
        (IMAGE[..., 0], {"photometric": "minisblack", "compression": "jpeg"}, "1 channels"),
        (np.stack([IMAGE[:300, :300]] * 4), {}, r"4 scenes \(1: 300 x 300 px, 2: 300 x"),
        (with_alpha(0), {"photometric": "separated"}, "colours of the kind SEPARATED"),
        (IMAGE, {"photometric": "cielab"}, "kind CIELAB, compressed as LZW; convert it to RGB"),
    ],
)
def test_what_is_no_8_bit_rgb_is_refused(folder, image, options, message):
    chosen = {"compression": "lzw", "levels": (1,), "tile": (256, 256)} | options
    path = write_slide(folder / "other.tif", image, **chosen)
    with pytest.raises(SlideError, match=message) as caught, open_slide(path):
        pass
    assert str(caught.value).startswith(f"{path}: ")


def test_a_huge_picture_without_tiles_is_refused(folder, monkeypatch):
    monkeypatch.setattr(tiff_page, "LARGEST_UNTILED_PX", 1_000_000)
    path = write_slide(folder / "huge.tif", IMAGE, tile=None, rowsperstrip=50)
    with pytest.raises(SlideError, match="1100 x 1300 px without tiles; conv"), open_slide(path):
        pass

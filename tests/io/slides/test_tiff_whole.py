"""What is decoded whole takes no more memory than its file can hold."""

import numpy as np
import pytest
import tifffile

from nucwsi.errors import SlideError
from nucwsi.io.slides.tiff_whole import read_whole, refuse_inflated

PIXELS = np.arange(600 * 800, dtype=np.uint32).reshape(600, 800) // 7


def read(path):
    with tifffile.TiffFile(path) as file:
        return read_whole(file.series[0].levels[0], path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 16},
        {"rowsperstrip": 16, "compression": "lzw"},
        {"rowsperstrip": 1 << 16, "compression": "zstd"},
        {"tile": (256, 256), "compression": "lzma", "bigtiff": True},
        {"tile": (1024, 1024), "compression": "deflate", "byteorder": ">"},
        {"imagej": True},
    ],
)
def test_sound_pixels_come_back(tmp_path, options):
    pixels = PIXELS.astype(np.uint16) if "imagej" in options else PIXELS
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), pixels)


def test_a_page_of_bits_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS % 2 == 0)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), PIXELS % 2 == 0)


def test_a_file_holds_no_more_than_it_can(tmp_path):
    """One strip as high as the page: the index of strips cannot tell."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS * 0, rowsperstrip=600, compression="zstd")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(1_000_000, dtype="I")
    with pytest.raises(SlideError, match=r"a\.tif: states an array of 1000000 x 800, 3\.2 GB, in"):
        read(path)


def test_a_large_empty_image_is_not_refused(tmp_path):
    """Where nothing was found, a label image packs 30,000-fold."""
    shape = (16_384, 16_384)
    refuse_inflated(shape, np.dtype(np.uint32), 40_000, tmp_path / "a.tif")
    refuse_inflated(shape, np.dtype(np.uint8), 0, tmp_path / "a.tif")
    with pytest.raises(SlideError, match=r"states an array of 16384 x 16384, 1\.1 GB, in 1\.0 kB"):
        refuse_inflated(shape, np.dtype(np.uint32), 1000, tmp_path / "a.tif")


def test_a_tile_states_no_picture_larger_than_itself(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS.astype(np.uint8), tile=(256, 256), compression="jpeg")
    assert read(path).shape == (600, 800)
    content = path.read_bytes()
    start = content.index(b"\xff\xc0\x00\x0b\x08") + 5
    path.write_bytes(content[:start] + b"\xff\xdc\xff\xdc" + content[start + 4 :])
    with pytest.raises(ValueError, match="the tile measures 65500 x 65500 px, expected"):
        read(path)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 600}, {"tile": (256, 256)}])
@pytest.mark.parametrize("bits", [2, 7])
def test_a_page_that_states_fewer_bits_than_it_holds_is_refused(
    tmp_path, compression, layout, bits
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS.astype(np.uint8), compression=compression, **layout)
    assert read(path).shape == (600, 800)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["BitsPerSample"].overwrite(bits)
    with pytest.raises(
        SlideError, match=rf"states {bits} bits a sample, but its tiles hold .* tim"
    ):
        read(path)

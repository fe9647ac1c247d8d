"""Slides of all formats: the same pixels whatever the window, and nothing silently wrong."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slides_made import damage, picture, write_aperio, write_slide

from nucwsi.errors import SlideError, StoreError
from nucwsi.grid import Window
from nucwsi.io.slides import slide as slide_module
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.slides.tiff import TiffReader
from nucwsi.io.stores.publish import file_checksum

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slides")


def read(path, window=WHOLE, level=0):
    with open_slide(path) as slide:
        return slide.read(level, window)


@pytest.fixture(scope="module")
def slides(folder):
    """One slide for each way of reading: JPEG tiles, strips, and OpenSlide."""
    paths = [
        write_slide(folder / "tiles.tif", IMAGE),
        write_slide(folder / "strips.tif", IMAGE, compression="lzw", tile=None, rowsperstrip=30),
        write_aperio(folder / "openslide.svs", IMAGE, compression=33005),
    ]
    opened = [open_slide(path) for path in paths]
    yield opened
    for slide in opened:
        slide.close()


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(-300, 1200), st.integers(-300, 1400)),
    st.tuples(st.integers(1, 600), st.integers(1, 600)),
)
def test_pixels_do_not_depend_on_the_window(slides, corner, size):
    window = Window(*corner, *size)
    inside = window.intersection(WHOLE)
    for slide in slides:
        whole, _ = slide.read(0, WHOLE)
        expected = np.full((*size, 3), 255, np.uint8)
        if inside is not None:
            expected[inside.within(window).slices] = whole[inside.slices]
        pixels, bad = slide.read(0, window)
        assert not bad
        np.testing.assert_array_equal(pixels, expected)


#: Tile 8 of 6 columns of 256 px: the second row, the third column.
BAD = Window(256, 512, 256, 256)


#: How each kind of slide is written, the number of its damaged tile, and what is lost with it.
KINDS = {
    "tiles": (write_slide, {}, 8, BAD),
    "strips": (
        write_slide,
        {"compression": "deflate", "tile": None, "rowsperstrip": 128},
        3,
        Window(384, 0, 128, 1300),
    ),
    "aperio": (write_aperio, {}, 8, BAD),
    "openslide": (write_aperio, {"compression": 33005}, 8, BAD),
}


# JPEG 2000 streams mend themselves: no decoder tells that they were garbled.
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("openslide", "zeroed"),
        *((kind, how) for kind in list(KINDS)[:3] for how in ("zeroed", "garbled", "bent")),
    ],
)
def test_only_the_damaged_tile_is_lost(folder, kind, how):
    write, options, tile, lost = KINDS[kind]
    path = write(folder / "damaged.tif", IMAGE, **options)
    sound, _ = read(path)
    damage(path, how, tile=tile)
    with open_slide(path) as slide:
        pixels, bad = slide.read(0, WHOLE)
        assert bad == [lost]
        assert (pixels[lost.slices] == 255).all()
        sound[lost.slices] = 255
        np.testing.assert_array_equal(pixels, sound)
        # A window that only touches it, and one beside it, agree with the whole.
        touching = Window(lost.row + 100, lost.column + 200, 300, 400)
        pixels, bad = slide.read(0, touching)
        np.testing.assert_array_equal(pixels, sound[touching.slices])
        assert bad == [touching.intersection(lost)]
        beside = Window(lost.row_stop, lost.column, 60, 300)
        pixels, bad = slide.read(0, beside)
        assert not bad
        np.testing.assert_array_equal(pixels, sound[beside.slices])


@pytest.mark.parametrize("write", [write_slide, write_aperio])
@pytest.mark.parametrize("options", [{}, {"compression": 33005}])
def test_a_missing_tile_is_blank(folder, write, options):
    path = write(folder / "missing.svs", IMAGE, **options)
    sound, _ = read(path)
    sound[BAD.slices] = 255
    pixels, bad = read(damage(path, "missing", tile=8))
    assert not bad
    np.testing.assert_array_equal(pixels, sound)


def test_formats_are_tried_in_order_and_the_last_one_gives_the_verdict(folder, monkeypatch):
    path = write_slide(folder / "order.tif", IMAGE)
    tried = []

    def other(path, scene):
        tried.append("other")

    def damaged(path, scene):
        tried.append("damaged")
        raise SlideError("Lib: odd")

    def last(path, scene):
        tried.append("last")
        raise SlideError(f"{path}: is no slide")

    monkeypatch.setattr(slide_module, "OPENERS", (other, damaged, last))
    with pytest.raises(SlideError) as caught:
        open_slide(path)
    assert str(caught.value) == f"{path}: is no slide (Lib: odd)"
    assert tried == ["other", "damaged", "last"]
    monkeypatch.setattr(slide_module, "OPENERS", (damaged, TiffReader, last))
    with open_slide(str(path)) as slide:
        assert (slide.vendor, slide.path) == ("tiff", path)
    assert tried[3:] == ["damaged"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy it again"),
        (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><p>", "is a web page, not a slide"),
        (b"<?xml version='1.0'?><Error/>", "is a web server's answer"),
        (b"II*\x00", "is not a slide that OpenSlide or tifffile can open"),
    ],
)
def test_what_is_no_slide_is_refused_by_its_first_bytes(tmp_path, content, message):
    path = tmp_path / "odd.svs"
    path.write_bytes(content)
    with pytest.raises(SlideError, match=message) as caught:
        open_slide(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_folder_or_nothing_is_no_slide(tmp_path):
    with pytest.raises(SlideError, match="is a folder; name one slide in it"):
        open_slide(tmp_path)
    with pytest.raises(SlideError, match=r"gone\.svs: does not exist; check the path"):
        open_slide(tmp_path / "gone.svs")


def test_a_slide_is_closed_with_its_block_or_when_it_is_forgotten(folder):
    path = write_slide(folder / "closed.tif", IMAGE)
    with open_slide(path) as slide:
        file = slide._reader._file.filehandle
        assert not file.closed
    assert file.closed
    slide = open_slide(path)
    file = slide._reader._file.filehandle
    del slide
    gc.collect()
    assert file.closed


def test_a_slide_must_be_the_one_that_was_analysed(folder, tmp_path):
    path, other = (write_slide(folder / name, IMAGE[:300]) for name in ("a.tif", "b.tif"))
    other.write_bytes(other.read_bytes() + b"\0")
    nuclei = tmp_path / "nuclei.parquet"
    checksum = file_checksum(path)
    check_slide(path, checksum, nuclei)
    with pytest.raises(StoreError, match=r"nuclei\.parquet: was not made from .*b\.tif"):
        check_slide(other, checksum, nuclei)
    with pytest.raises(SlideError, match="does not exist"):
        check_slide(tmp_path / "gone.tif", checksum, nuclei)

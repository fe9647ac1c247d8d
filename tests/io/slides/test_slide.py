"""Slides: the pixels of every other reader, whatever the window, and nothing silently wrong."""

import threading

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from slides_made import damage, picture, shrunk, write_aperio, write_slide

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides import tiff
from nucwsi.io.slides.slide import open_slide

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slides")


def read(path, window=WHOLE, level=0):
    with open_slide(path) as slide:
        return slide.read(level, window)


def random_windows(shape, count=8, largest=700):
    rng = np.random.default_rng(3)
    for _ in range(count):
        height, width = (int(side) for side in rng.integers(1, largest, 2))
        row, column = (int(rng.integers(0, max(1, side - 100))) for side in shape)
        yield Window(row, column, height, width)


def by_openslide(handle, level, window):
    down = handle.level_downsamples[level]
    corner = (round(window.column * down), round(window.row * down))
    pixels = np.asarray(handle.read_region(corner, level, (window.width, window.height)))
    return np.where(pixels[..., 3:] == 0, 255, pixels[..., :3])


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "lung-scc.svs"])
def test_real_pixels_are_openslides_to_the_bit(shared, name):
    path = shared / "slides" / name
    with open_slide(path) as slide, openslide.OpenSlide(path) as handle:
        assert slide._pages[0] is not None, "the fast path is taken"
        for level, described in enumerate(slide.levels):
            if not float(handle.level_downsamples[level]).is_integer():
                continue
            for window in random_windows(described.shape):
                pixels, bad = slide.read(level, window)
                assert not bad
                np.testing.assert_array_equal(pixels, by_openslide(handle, level, window))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": (2, 2)},
        {"subsampling": (2, 1)},
        {"compressionargs": {"level": 60}},
        {"compressionargs": {"outcolorspace": "rgb"}, "tile": (240, 240)},
    ],
)
@pytest.mark.parametrize("write", [write_slide, write_aperio])
def test_made_pixels_are_openslides_to_the_bit(folder, write, options):
    path = write(folder / "made.svs", IMAGE, **options)
    with open_slide(path) as slide, openslide.OpenSlide(path) as handle:
        for level, described in enumerate(slide.levels):
            assert slide._pages[level].jpeg
            for window in random_windows(described.shape, 4):
                pixels, bad = slide.read(level, window)
                assert not bad
                np.testing.assert_array_equal(pixels, by_openslide(handle, level, window))


LOSSLESS = {
    "lzw": {"compression": "lzw"},
    "deflate, predicted": {"compression": "deflate", "predictor": True},
    "uncompressed": {"compression": None},
    "webp": {"compression": "webp", "compressionargs": {"lossless": True}},
    "jpeg xl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "jpeg 2000": {"compression": "jpeg2000"},
    "subifds": {"compression": "lzw", "subifds": True},
    "strips": {"compression": "lzw", "tile": None, "rowsperstrip": 48},
    "one strip": {"compression": None, "tile": None, "levels": (1,)},
    "planar": {"compression": "lzw", "planarconfig": "separate"},
    "planar strips": {
        "compression": "lzw",
        "planarconfig": "separate",
        "tile": None,
        "rowsperstrip": 48,
    },
}


def written(path, image, planarconfig="contig", **options):
    """Write a slide; planes are handed to tifffile apart."""
    if planarconfig == "contig":
        return write_slide(path, image, **options)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return write_slide(path, planes, planarconfig=planarconfig, levels=(1,), **options)


@pytest.mark.parametrize("options", LOSSLESS.values(), ids=LOSSLESS)
def test_every_kind_of_tiff_gives_its_pixels(folder, options):
    path = written(folder / "kind.tif", IMAGE, **options)
    with open_slide(path) as slide:
        assert slide.claims[0].rows == pytest.approx(0.25)
        pixels, bad = slide.read(0, WHOLE)
        assert not bad
        np.testing.assert_array_equal(pixels, IMAGE)
        if len(slide.levels) > 1:
            small = shrunk(IMAGE, 4)
            assert slide.levels[1].downsample == (4.0, 4.0)
            np.testing.assert_array_equal(slide.read(1, Window(0, 0, *small.shape[:2]))[0], small)


def test_an_ome_tiff_with_a_pyramid_in_subifds(folder):
    path = folder / "pyramid.ome.tif"
    axes = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    write_slide(path, IMAGE, unit=None, subifds=True, compression="lzw", metadata=axes)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (4.0, 4.0)]
        assert (slide.claims[0].rows, slide.claims[0].source) == (0.5, "ome")
        np.testing.assert_array_equal(slide.read(0, WHOLE)[0], IMAGE)


def test_levels_missing_in_the_middle(folder):
    path = write_slide(folder / "gap.tif", IMAGE, levels=(1, 16))
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (16.0, 16.0)]


@pytest.mark.parametrize(("other", "subfiletype"), [(picture(300, 280), 1), (shrunk(IMAGE, 16), 0)])
def test_another_picture_is_no_level(folder, other, subfiletype):
    """A label has another shape; a second scan is not marked as a reduced copy."""
    path = folder / "other.tif"
    options = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(IMAGE, **options)
        writer.write(other, subfiletype=subfiletype, **options)
    with open_slide(path) as slide:
        assert len(slide.levels) == 1


@pytest.fixture(scope="module")
def readers(folder):
    """One slide for each way of reading: JPEG tiles, strips, and OpenSlide."""
    paths = [
        write_slide(folder / "tiles.tif", IMAGE),
        write_slide(folder / "strips.tif", IMAGE, compression="lzw", tile=None, rowsperstrip=30),
        write_aperio(folder / "openslide.svs", IMAGE, compression=33005),
    ]
    found = [open_slide(path) for path in paths]
    yield [manager.__enter__() for manager in found]
    for manager in found:
        manager.__exit__(None, None, None)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(-300, 1200), st.integers(-300, 1400)),
    st.tuples(st.integers(1, 600), st.integers(1, 600)),
)
def test_pixels_do_not_depend_on_the_window(readers, corner, size):
    window = Window(*corner, *size)
    inside = window.intersection(WHOLE)
    for slide in readers:
        whole, _ = slide.read(0, WHOLE)
        expected = np.full((*size, 3), 255, np.uint8)
        if inside is not None:
            expected[inside.within(window).slices] = whole[inside.slices]
        pixels, bad = slide.read(0, window)
        assert not bad
        np.testing.assert_array_equal(pixels, expected)


def test_dask_sees_the_same_pixels(readers):
    for slide in readers:
        lazy = slide.to_dask(0, chunk_px=500)
        assert lazy.shape == IMAGE.shape
        np.testing.assert_array_equal(lazy.compute(scheduler="threads"), slide.read(0, WHOLE)[0])


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


def test_a_smaller_level_with_a_hole_does_not_hide_tissue(folder):
    path = damage(write_slide(folder / "hole.tif", IMAGE), "missing", level=1, tile=0)
    with open_slide(path) as slide:
        assert len(slide.levels) == 1
    path = damage(write_aperio(folder / "hole.svs", IMAGE), "missing", level=1, tile=0)
    with open_slide(path) as slide:
        # OpenSlide fills it from level 0.
        pixels, bad = slide.read(1, Window(0, 0, 275, 325))
        assert not bad
        assert abs(pixels.astype(int) - shrunk(IMAGE, 4)).mean() < 3


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "lzw", None])
def test_a_tile_cut_off_by_the_end_of_the_file(folder, compression):
    path = write_slide(folder / "cut.tif", IMAGE, levels=(1,), compression=compression)
    path.write_bytes(path.read_bytes()[:-200])
    _, bad = read(path)
    assert bad == [Window(1024, 1280, 76, 20)]


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


def test_decoded_tiles_are_kept_up_to_a_limit():
    cache = tiff._Cache(limit=1000)
    made = []

    def make(index):
        made.append(index)
        return np.zeros((10, 10, 3), np.uint8)

    for index in (0, 1, 2, 0, 3, 0, 1):
        cache.get(index, make)
    assert made == [0, 1, 2, 3, 1], "the least used one went, and came again"
    assert cache._size == 900


def test_threads_read_through_handles_of_their_own(folder):
    path = damage(write_aperio(folder / "threads.svs", IMAGE, compression=33005), "zeroed", tile=8)
    expected, _ = read(path)
    found = []
    with open_slide(path) as slide:

        def work():
            found.extend(slide.read(0, WHOLE) for _ in range(3))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(slide._handles) <= 4
    assert len(found) == 9
    for pixels, bad in found:
        assert bad == [BAD]
        np.testing.assert_array_equal(pixels, expected)


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


def test_bounds_and_the_gap_of_a_scan_with_two_regions(shared):
    with open_slide(shared / "slides" / "hard" / "two_regions_bounds.scn") as slide:
        assert slide.vendor == "leica"
        assert slide.bounds == Window(900, 1500, 7372, 8548)
        assert slide.claims[0].rows == 0.25
        for level, down in ((0, 1), (1, 4)):
            gap, bad = slide.read(level, Window(4600 // down, 5000 // down, 200, 200))
            assert not bad
            assert (gap == 255).all()
        scan, _ = slide.read(0, Window(7000, 9000, 200, 200))
        assert scan.min() < 200


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE.astype(np.uint16) * 257, {}, "3 channels of uint16; expected brightfield RGB"),
        (IMAGE[..., 0], {"photometric": "minisblack"}, "1 channels of uint8"),
        (IMAGE[..., 0], {"photometric": "minisblack", "compression": "jpeg"}, "1 channels"),
        (np.stack([IMAGE[:300, :300]] * 4), {}, r"a stack of shape \(4, 300, 300, 3\)"),
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
    monkeypatch.setattr(tiff, "LARGEST_UNTILED_PX", 1_000_000)
    path = write_slide(folder / "huge.tif", IMAGE, tile=None, rowsperstrip=50)
    with pytest.raises(SlideError, match="1100 x 1300 px without tiles; conv"), open_slide(path):
        pass

"""Lazy arrays: the pixels of the reader, and no more of them than are asked for."""

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.array
import numpy as np
import pytest
from slides_made import damage, picture, write_aperio, write_slide

from nucwsi.errors import ConfigError, SlideError
from nucwsi.grid import Window
from nucwsi.io.slides import lazy as lazy_module
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame, level0_claim
from nucwsi.io.slides.slide import open_slide

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """One slide for each way of reading: JPEG tiles, strips, and OpenSlide."""
    folder = tmp_path_factory.mktemp("slides")
    return [
        write_slide(folder / "tiles.tif", IMAGE),
        write_slide(folder / "strips.tif", IMAGE, compression="lzw", tile=None, rowsperstrip=30),
        write_aperio(folder / "openslide.svs", IMAGE, compression=33005),
    ]


@pytest.fixture
def windows(monkeypatch):
    """The windows that are read, as they are read."""
    seen = []
    whole = lazy_module._Pixels._read
    monkeypatch.setattr(
        lazy_module._Pixels, "_read", lambda self, w: seen.append(w) or whole(self, w)
    )
    return seen


def test_a_level_has_the_pixels_of_the_reader(paths):
    for path in paths:
        with open_slide(path) as slide:
            for number, level in enumerate(slide.levels):
                lazy = slide.to_dask(number, chunk_px=200)
                assert (lazy.shape, lazy.dtype) == ((*level.shape, 3), np.uint8)
                expected, _ = slide.read(number, Window(0, 0, *level.shape))
                np.testing.assert_array_equal(lazy.compute(scheduler="threads"), expected)


def test_an_array_outlives_the_slide_and_closes_its_own_file(paths):
    with open_slide(paths[0]) as slide:
        lazy = slide.to_dask()
        expected, _ = slide.read(0, WHOLE)
    pixels = next(p for p in lazy.dask.values() if isinstance(p, lazy_module._Pixels))
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), expected)
    file = pixels._slide._reader._file.filehandle
    assert not file.closed
    del lazy, pixels
    gc.collect()
    assert file.closed


@pytest.mark.parametrize(
    ("index", "window"),
    [
        (np.s_[700:720, 30:50], Window(700, 30, 20, 20)),
        (np.s_[700, 30:50], Window(700, 30, 1, 20)),
        (np.s_[700, 50, 1], Window(700, 50, 1, 1)),
        (np.s_[100:200:7, 20:300:9, 1:], Window(100, 20, 99, 280)),
        (np.s_[-5:, -1], Window(1095, 1299, 5, 1)),
    ],
)
def test_only_the_pixels_that_are_asked_for_are_read(paths, windows, index, window):
    lazy = open_slide(paths[0]).to_dask()
    whole = lazy.compute()
    windows.clear()
    np.testing.assert_array_equal(lazy[index].compute(), whole[index])
    [read] = windows
    assert read.intersection(window) == window
    assert read.height * read.width <= 1.1 * window.height * window.width


def test_lists_and_empty_slices_select_as_from_an_array_in_memory(paths):
    lazy = open_slide(paths[0]).to_dask(1, chunk_px=100)
    whole = dask.array.from_array(lazy.compute())
    for index in (
        np.s_[[3, 200, 3]],
        np.s_[5:5],
        np.s_[:, [7, 1]],
        np.s_[10:4, 3],
        np.s_[8, :, [2, 0]],
        np.s_[[8, 1], :, 2],
        np.s_[:, []],
        np.s_[100:20:-9, ::-1, ::2],
    ):
        np.testing.assert_array_equal(lazy[index].compute(), whole[index].compute())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tile": (256, 256)}, (2048, 2048)),
        ({"tile": (240, 272)}, (1920, 1904)),
        ({"tile": None, "rowsperstrip": 48, "compression": "lzw"}, (2016, 2600)),
    ],
)
def test_chunks_are_whole_tiles_of_the_file(tmp_path, options, expected):
    image = np.tile(IMAGE, (2, 2, 1))
    lazy = open_slide(write_slide(tmp_path / "a.tif", image, levels=(1,), **options)).to_dask()
    assert tuple(sides[0] for sides in lazy.chunks) == (*expected, 3)


def test_the_canvas_at_an_mpp_is_what_the_network_would_see(paths):
    with open_slide(paths[0]) as slide:
        frame = canvas_frame(slide, level0_claim(slide), 0.35)
        expected, _ = SlideCanvas(slide, frame).read(Window(0, 0, *frame.shape))
        lazy = slide.to_dask(mpp=0.35, chunk_px=300)
        coarse = slide.to_dask(mpp=0.7, slide_mpp=0.5)
    assert lazy.shape == (*frame.shape, 3)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), expected)
    np.testing.assert_array_equal(coarse.compute(), expected)


def test_a_copy_in_another_process_reads_the_same(paths):
    lazy = open_slide(paths[2]).to_dask(mpp=0.5)
    expected = lazy.compute()
    copy = pickle.loads(pickle.dumps(lazy))  # noqa: S301 (our own)
    np.testing.assert_array_equal(copy.compute(), expected)


def test_threads_share_one_file_and_have_handles_of_their_own(paths):
    lazy = open_slide(paths[2]).to_dask(chunk_px=100)
    with ThreadPoolExecutor(3) as pool, dask.config.set(pool=pool):
        lazy.compute()
    pixels = next(p for p in lazy.dask.values() if isinstance(p, lazy_module._Pixels))
    assert 1 <= len(pixels._slide._reader._handles) <= 4


def test_the_same_slide_has_the_same_name_until_it_is_written_anew(tmp_path):
    path = write_slide(tmp_path / "a.tif", IMAGE[:300, :300])
    name, other = open_slide(path).to_dask().name, open_slide(path).to_dask(1).name
    assert open_slide(path).to_dask().name == name != other
    write_slide(path, IMAGE[:300, :400])
    assert open_slide(path).to_dask().name != name


def test_parts_that_cannot_be_read_are_white_and_logged(tmp_path, caplog):
    path = damage(write_slide(tmp_path / "bad.tif", IMAGE), "zeroed", tile=8)
    lazy = open_slide(path).to_dask()
    assert (lazy[256:512, 512:768].compute() == 255).all()
    assert "bad.tif: rows 256 to 512 and columns 512 to 768 cannot be read; they" in caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"level": 2}, r"`level` is 2; .*tiles\.tif has levels 0 to 1"),
        ({"level": -1}, "`level` is -1"),
        ({"level": 1, "mpp": 0.5}, "`level` is 1 and `mpp` is 0.5; expected one of them"),
        ({"mpp": 0.0}, "`mpp` is 0 µm; expected more than 0"),
        ({"mpp": float("nan")}, "`mpp` is nan µm"),
        ({"chunk_px": 0}, "`chunk_px` is 0; expected at least 1"),
    ],
)
def test_senseless_arguments_are_refused(paths, values, message):
    with open_slide(paths[0]) as slide, pytest.raises(ConfigError, match=message):
        slide.to_dask(**values)


def test_an_mpp_needs_the_size_of_the_slides_pixels(tmp_path):
    path = write_slide(tmp_path / "silent.tif", IMAGE, unit=None)
    with open_slide(path) as slide:
        with pytest.raises(SlideError, match="does not say how large its pixels are"):
            slide.to_dask(mpp=0.5)
        assert slide.to_dask(mpp=0.5, slide_mpp=0.25).shape == (550, 650, 3)

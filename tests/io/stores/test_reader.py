"""Published stores: any window is the array's own pixels, and what is no store is named."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import write_maps, write_tiles

from nucwsi.errors import StoreError
from nucwsi.facts import FORMAT_VERSION
from nucwsi.grid import TileGrid, Window
from nucwsi.io.stores.reader import CoreReader, opened

CORE_PX = 64
RGB = np.random.default_rng(1).integers(0, 250, (3, 150, 200), np.uint8)
TISSUE = np.ones((10, 13), np.uint8)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("tiles") / "tiles.zarr.zip", RGB, TISSUE, CORE_PX)


@st.composite
def inner(draw):
    row, column = draw(st.integers(0, 149)), draw(st.integers(0, 199))
    return Window(row, column, draw(st.integers(1, 150 - row)), draw(st.integers(1, 200 - column)))


@given(inner())
def test_a_window_holds_the_pixels_of_the_array(tiles, window):
    with opened(tiles, "tiles") as store:
        cores = CoreReader(store.grid, store.chunk)
        np.testing.assert_array_equal(cores.read("0", window), RGB[:, *window.slices])


def test_a_core_at_the_far_edge_is_cut_there(tiles):
    with opened(tiles, "tiles") as store:
        core = CoreReader(store.grid, store.chunk).core("0", 2, 3)
        np.testing.assert_array_equal(core, RGB[:, 128:150, 192:200])


def test_few_cores_are_kept_in_memory():
    asked = []
    grid = TileGrid((4 * 3072, 3072), 3072)
    cores = CoreReader(grid, lambda *key: asked.append(key) or np.zeros((3072, 3072), np.uint8))
    for row in (0, 1, 0, 1):
        cores.core("np", row, 0)
    assert len(asked) == 2
    assert len(cores._kept["np"]) == 2


def test_threads_decode_different_cores_at_once_and_each_core_once():
    """Every load waits for the other: one after the other they would wait for ever."""
    both, asked = Barrier(2, timeout=20), []

    def load(name, row, column):
        asked.append((row, column))
        both.wait()
        return np.full((CORE_PX, CORE_PX), column, np.uint8)

    cores = CoreReader(TileGrid((CORE_PX, 2 * CORE_PX), CORE_PX), load)
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda column: cores.core("np", 0, column), (0, 1, 0, 1)))
    assert [int(block[0, 0]) for block in blocks] == [0, 1, 0, 1]
    assert sorted(asked) == [(0, 0), (0, 1)]


def test_a_core_that_could_not_be_read_is_tried_again():
    asked = []

    def load(*key):
        asked.append(key)
        if len(asked) == 1:
            raise StoreError("the disk was away")
        return np.ones((CORE_PX, CORE_PX), np.uint8)

    cores = CoreReader(TileGrid((CORE_PX, CORE_PX), CORE_PX), load)
    with pytest.raises(StoreError, match="the disk was away"):
        cores.core("np", 0, 0)
    assert cores.core("np", 0, 0).all()


@given(inner())
def test_a_window_can_be_read_into_memory_that_there_is(tiles, window):
    room = np.full((3, window.height + 2, window.width + 3), 7, np.uint8)
    with opened(tiles, "tiles") as store:
        cores = CoreReader(store.grid, store.chunk)
        assert cores.read("0", window, room[:, 1:-1, 2:-1]).base is room
    np.testing.assert_array_equal(room[:, 1:-1, 2:-1], RGB[:, *window.slices])
    room[:, 1:-1, 2:-1] = 7
    assert (room == 7).all()


def test_a_window_beyond_the_canvas_is_refused(tiles):
    with opened(tiles, "tiles") as store:
        cores = CoreReader(store.grid, store.chunk)
        for window in (Window(145, 0, 10, 10), Window(-1, 0, 10, 10), Window(0, 195, 10, 10)):
            with pytest.raises(IndexError, match=r"reaches beyond the canvas of \(150, 200\) px"):
                cores.read("0", window)


def test_the_tissue_is_that_of_the_store(tiles):
    with opened(tiles, "tiles") as store:
        assert store.tissue().all()
        assert store.tissue().shape == TISSUE.shape


def rewritten(source: Path, target: Path, change):
    """Copy a store; `change` takes an entry's name and bytes and gives other bytes, or None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def test_a_chunk_that_is_not_there_is_blank(tiles, tmp_path):
    def without(name, content):
        return None if name == "0/0/1/1" else content

    with opened(rewritten(tiles, tmp_path / "t.zarr.zip", without), "tiles") as store:
        assert (store.chunk("0", 1, 1) == 255).all()
        np.testing.assert_array_equal(store.chunk("0", 0, 0), RGB[:, :64, :64])


def test_a_flipped_bit_names_the_store(tiles, tmp_path):
    with zipfile.ZipFile(tiles) as archive:
        start = archive.getinfo("0/0/1/1").header_offset
    content = bytearray(tiles.read_bytes())
    content[start + 5000] ^= 1
    path = tmp_path / "t.zarr.zip"
    path.write_bytes(content)
    message = r"t\.zarr\.zip: is damaged .*; make it again"
    with opened(path, "tiles") as store, pytest.raises(StoreError, match=message):
        store.chunk("0", 1, 1)


def read_all(path):
    with opened(path, "tiles") as store:
        chunks = [
            store.chunk("0", row, column).tobytes() for row in range(3) for column in range(4)
        ]
        return store.facts, store.tissue().tobytes(), chunks


def test_a_bit_that_is_flipped_anywhere_is_refused_or_changes_nothing(tiles, tmp_path):
    """Also in the zip's table of contents, where a chunk would get another name and seem blank."""
    content, expected, told = tiles.read_bytes(), read_all(tiles), []
    listed = content.index(b"PK\x01\x02")
    rng, path = np.random.default_rng(5), tmp_path / "t.zarr.zip"
    places = [*rng.integers(0, len(content), 100), *rng.integers(listed, len(content), 200)]
    for place in places:
        wrong = bytearray(content)
        wrong[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(wrong)
        try:
            assert read_all(path) == expected, place
        except StoreError as error:
            told.append(str(error))
    assert len(told) > 150
    assert all(line.startswith(f"{path}: ") for line in told)


def test_a_chunk_of_another_name_is_not_taken_for_a_blank_one(tiles, tmp_path):
    content = tiles.read_bytes()
    listed = content.index(b"PK\x01\x02")
    name = content.index(b"0/0/1/1", listed)
    path = tmp_path / "t.zarr.zip"
    path.write_bytes(content[:name] + b"0/0/1/9" + content[name + 7 :])
    with pytest.raises(StoreError, match="its table of contents is damaged"), opened(path, "tiles"):
        pass


def test_a_store_of_a_newer_format_is_refused(tiles, tmp_path):
    def newer(name, content):
        if name != ".zattrs":
            return content
        attributes = json.loads(content)
        attributes["nucwsi"]["version"] = FORMAT_VERSION + 1
        return json.dumps(attributes)

    path = rewritten(tiles, tmp_path / "t.zarr.zip", newer)
    with pytest.raises(StoreError, match=r"t\.zarr\.zip: .*update nucwsi"), opened(path, "tiles"):
        pass


def test_a_store_of_another_kind_is_refused(tmp_path):
    maps = tuple(np.zeros((*lead, 64, 64), np.uint8) for lead in ((), (2,), (4,)))
    path = write_maps(tmp_path / "1-of-1.zarr.zip", maps, np.ones((4, 4), np.uint8), CORE_PX)
    with pytest.raises(StoreError, match="holds 'maps', expected 'tiles'"), opened(path, "tiles"):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist; run the step"), (b"no zip", "is not a whole nucwsi store")],
)
def test_what_is_no_store_is_named(tmp_path, content, message):
    path = tmp_path / "t.zarr.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=message), opened(path, "tiles"):
        pass


def test_an_array_that_is_missing_is_named(tiles):
    with opened(tiles, "tiles") as store, pytest.raises(StoreError, match="has no array 'np'"):
        store.chunk("np", 0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("chunks", value)
            for value in (1, None, "", "x", [9], [0.5, 64, 64], [3, -64, 64], [[1], 64, 64])
        ),
        ("chunks", [3, 1 << 20, 1 << 20]),
        *(("dtype", value) for value in (None, False, 0.5, "O", "<f8", "x", [["a", "u1"]], {})),
        *(("fill_value", value) for value in (None, "x", [], 300, float("nan"))),
    ],
)
def test_the_header_of_an_array_that_makes_no_sense_names_the_store(tiles, tmp_path, field, value):
    def spoilt(name, content):
        return json.dumps({**json.loads(content), field: value}) if name == "0/.zarray" else content

    path = rewritten(tiles, tmp_path / "t.zarr.zip", spoilt)
    with opened(path, "tiles") as store, pytest.raises(StoreError) as caught:
        store.chunk("0", 0, 0)
    assert str(caught.value).startswith(f"{path}: is damaged (")


def test_a_chunk_that_asks_for_more_memory_than_it_may_take_is_damaged(tiles, tmp_path):
    def spoilt(name, content):
        return content[:4] + b"\xff\xff\xff\x7f" + content[8:] if name == "0/0/0/0" else content

    path = rewritten(tiles, tmp_path / "t.zarr.zip", spoilt)
    with opened(path, "tiles") as store, pytest.raises(StoreError, match="is damaged"):
        store.chunk("0", 0, 0)

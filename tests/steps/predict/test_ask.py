"""The way by a GPU, on mimicked streams, gives the maps of the processor to the byte."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stores import cells_of, write_member, write_tiles
from streams_made import Streams, mimic

from nucwsi.config import PredictSettings
from nucwsi.grid import Window
from nucwsi.io.stores.maps import open_maps
from nucwsi.io.stores.reader import CoreReader, opened
from nucwsi.models.architectures import ARCHITECTURES
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.unet import UNet
from nucwsi.runtime import cuda
from nucwsi.steps.predict import ask, predict

#: The halo is that of two members, of which one sees pixels of 0.7 µm on a canvas of 0.5.
CORE_PX, HALO_PX = 128, 137


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    rng = np.random.default_rng(7)
    tissue = np.zeros((600, 730), bool)
    tissue[40:110, 100:560] = True
    tissue[280:400, 390:500] = True
    rgb = rng.integers(0, 256, (3, *tissue.shape), np.uint8)
    path = tmp_path_factory.mktemp("tiles") / "tiles.zarr.zip"
    return write_tiles(path, rgb, cells_of(tissue), CORE_PX, halo_px=160)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    paths = folder / "one.safetensors", folder / "other.safetensors"
    write_member(paths[0], 0)
    write_member(paths[1], 1, mpp=0.7)
    return tuple(map(str, paths))


def run(tiles, output, members, batch_size=0):
    settings = PredictSettings(device="cpu", batch_size=batch_size, views=2)
    predict(tiles, output, settings, members=members, threads=4)
    with open_maps([output]) as maps:
        return maps.facts, [maps.read(name, maps.grid.canvas) for name in maps.names]


@pytest.fixture
def asked(monkeypatch):
    """Shapes of the images of every launch."""
    shapes, packed = [], Ensemble.packed

    def watched(self, images, *how):
        shapes.append(tuple(images.shape))
        return packed(self, images, *how)

    monkeypatch.setattr(Ensemble, "packed", watched)
    return shapes


def by_gpu(monkeypatch, free=1 << 50, batch_size=0):
    """Take the GPU's way on a device that is not one."""
    streams, predicted = Streams(free=free), ask.Part.predict

    def on_streams(self, *how):
        with streams:
            predicted(self, *how)

    mimic(monkeypatch, cuda, streams)
    monkeypatch.setattr(ask.Part, "predict", on_streams)
    monkeypatch.setattr(ask.Part, "_by_processor", lambda self: self._by_gpu(batch_size, 4))


@pytest.fixture(scope="module")
def reference(tiles, members, tmp_path_factory):
    """Facts and maps of two members at different mpp."""
    return run(tiles, tmp_path_factory.mktemp("m") / "m.zarr.zip", members)


@pytest.mark.parametrize(("free", "batch_size"), [(1 << 50, 0), (1, 0), (1, 3)])
def test_windows_and_batches_of_any_size_give_the_same_maps(
    tiles, members, reference, tmp_path, monkeypatch, asked, free, batch_size
):
    by_gpu(monkeypatch, free, batch_size)
    facts, maps = run(tiles, tmp_path / "m.zarr.zip", members)
    assert facts == reference[0]
    for one, other in zip(maps, reference[1], strict=True):
        np.testing.assert_array_equal(one, other)
    seen = CORE_PX + 2 * HALO_PX
    if batch_size == 0:
        assert asked.pop(0) == (1, 3, seen, seen), "a single trial"
    sides = {side - 2 * HALO_PX for shape in asked for side in shape[2:]}
    assert not any(side % (CORE_PX // 4) for side in sides)
    # Where memory is scarce, cores are asked for one by one.
    assert (max(sides) > CORE_PX) == (free > 1)
    if free == 1:
        assert max(shape[0] for shape in asked) == max(1, batch_size)


def test_a_lack_of_memory_in_the_middle_changes_nothing(
    tiles, members, reference, tmp_path, monkeypatch, asked
):
    watched = Ensemble.packed

    def lacking(self, images, *how):
        if len(asked) > 3 and len(images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return watched(self, images, *how)

    monkeypatch.setattr(Ensemble, "packed", lacking)
    by_gpu(monkeypatch, 1, 4)
    facts, maps = run(tiles, tmp_path / "m.zarr.zip", members)
    assert {shape[0] for shape in asked} > {1}
    assert facts == reference[0]
    for one, other in zip(maps, reference[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_networks_that_are_not_local_see_whole_cores(tmp_path, members, monkeypatch, asked):
    monkeypatch.setattr(UNet, "local", False)
    monkeypatch.setitem(ARCHITECTURES, "unet", replace(ARCHITECTURES["unet"], local=False))
    monkeypatch.setattr("nucwsi.steps.predict.OVERLAP_PX", 32)
    rgb = np.random.default_rng(1).integers(0, 256, (3, 600, 1000), np.uint8)
    tissue = np.zeros((600, 1000), bool)
    tissue[20:50, 20:600] = True
    tiles = write_tiles(tmp_path / "t.zarr.zip", rgb, cells_of(tissue), 512)
    expected = run(tiles, tmp_path / "a.zarr.zip", members[:1])
    assert set(asked) == {(1, 3, 576, 576)}
    asked.clear()
    by_gpu(monkeypatch)
    facts, maps = run(tiles, tmp_path / "b.zarr.zip", members[:1])
    assert asked == [(1, 3, 576, 576), (2, 3, 576, 576)]
    assert facts == expected[0]
    for one, other in zip(maps, expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "window", [Window(100, 90, 130, 70), Window(-30, 500, 90, 300), Window(700, -40, 20, 30)]
)
def test_a_window_has_the_pixels_of_the_canvas_and_white_beyond(tiles, window):
    rgb = np.full((3, *window.shape), 7, np.uint8)
    with opened(tiles, "tiles") as store:
        cores = CoreReader(store.grid, store.chunk)
        ask.read_window(cores, window, rgb)
        canvas = cores.read("0", store.grid.canvas)
    wide = np.full((3, 1400, 1400), 255, np.uint8)
    wide[:, 400:1000, 400:1130] = canvas
    rows, columns = (
        slice(at + 400, at + 400 + side)
        for at, side in zip((window.row, window.column), window.shape, strict=True)
    )
    np.testing.assert_array_equal(rgb, wide[:, rows, columns])

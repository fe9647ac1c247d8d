"""The stored tiles: the canvas at full resolution and no more, blank cores take no room."""

import zipfile

import numpy as np
import pytest
from ome_zarr_models import open_ome_zarr
from stores import frame_of, tile_facts
from zarr import open_group

from nucwsi.grid import TileGrid
from nucwsi.io.stores.reader import opened
from nucwsi.io.stores.tiles_writer import TilesWriter

SHAPE, CORE_PX = (100, 150), 64
RGB = np.random.default_rng(3).integers(0, 250, (3, *SHAPE), np.uint8)
TISSUE = np.ones((7, 10), bool)


@pytest.fixture
def written(tmp_path):
    """A canvas of 2 x 3 cores, of which the last is left blank."""
    grid = TileGrid(SHAPE, CORE_PX)
    facts = tile_facts(frame_of(SHAPE), CORE_PX)
    writer = TilesWriter(tmp_path / "tiles", facts)
    for at in list(grid.positions())[:-1]:
        writer.write(at, RGB[:, *grid.core(*at).slices])
    writer.publish(tmp_path / "tiles.zarr.zip", facts.with_(status="degraded"), TISSUE)
    with zipfile.ZipFile(tmp_path / "tiles.zarr.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path


def test_the_only_level_is_the_canvas_and_the_blank_core_white(written):
    group = open_group(written / "unpacked", mode="r")
    assert sorted(group.array_keys()) == ["0", "tissue"]
    level = group["0"][:]
    np.testing.assert_array_equal(level[:, :64], RGB[:, :64])
    np.testing.assert_array_equal(level[:, 64:, :128], RGB[:, 64:, :128])
    assert (level[:, 64:, 128:] == 255).all()
    assert not (written / "unpacked/0/0/1/2").exists()


def test_the_facts_are_the_last_ones_and_the_tissue_is_read_back(written):
    with opened(written / "tiles.zarr.zip", "tiles") as store:
        assert store.facts.status == "degraded"
        np.testing.assert_array_equal(store.tissue(), TISSUE)


def test_it_is_valid_ome_zarr(written):
    assert open_ome_zarr(written / "unpacked") is not None

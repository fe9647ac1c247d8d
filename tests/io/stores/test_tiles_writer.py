"""The stored tiles: the canvas at full resolution and no more, blank cores take no room."""

import zipfile

import numpy as np
import pytest
from ome_zarr_models import open_ome_zarr
from stores import frame_of, tile_facts
from zarr import open_group

from nucwsi.grid import TileGrid
from nucwsi.io.stores.publish import workspace
from nucwsi.io.stores.reader import opened
from nucwsi.io.stores.tiles_writer import TilesWriter

SHAPE, CORE_PX = (100, 150), 64
RGB = np.random.default_rng(3).integers(0, 250, (3, *SHAPE), np.uint8)
TISSUE = np.ones((7, 10), bool)


def write(output, facts, positions, dies_at=None):
    """Write cores, and publish them unless the process dies before."""
    grid = TileGrid(SHAPE, CORE_PX)
    with workspace(output, facts.to_json()) as place, TilesWriter(place, facts) as writer:
        for at in positions:
            if at == dies_at:
                raise KeyboardInterrupt
            if not writer.is_done(at):
                writer.write(at, writer.encode(RGB[:, *grid.core(*at).slices]))
        writer.publish(output, facts.with_(status="degraded"), TISSUE)


@pytest.fixture
def written(tmp_path):
    """A canvas of 2 x 3 cores, of which the last is left blank."""
    grid = TileGrid(SHAPE, CORE_PX)
    facts = tile_facts(frame_of(SHAPE), CORE_PX)
    write(tmp_path / "tiles.zarr.zip", facts, list(grid.positions())[:-1])
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


@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_that_goes_on_makes_the_same_bytes(written, tmp_path, lost):
    """Also if what was noted as done did not reach the disk, as after a power failure."""
    cores = list(TileGrid(SHAPE, CORE_PX).positions())
    output, facts = tmp_path / "again.zarr.zip", tile_facts(frame_of(SHAPE), CORE_PX)
    with pytest.raises(KeyboardInterrupt):
        write(output, facts, cores, dies_at=cores[3])
    left = tmp_path / ".again.zarr.zip.work" / "tiles.zip"
    left.write_bytes(left.read_bytes()[:-lost] if lost else left.read_bytes() + b"half of a core")
    write(output, facts, cores[:-1])
    assert output.read_bytes() == (written / "tiles.zarr.zip").read_bytes()
    assert not left.parent.exists()

"""The maps of a core as they are kept: tissue only, near nuclei only, overlaps of their own."""

import numpy as np
import pytest
from stores import frame_of, nucleus_facts
from zarr import open_group

from nucwsi.grid import Window
from nucwsi.io.stores.maps_writer import MapsWriter

CORE_PX, SHAPE = 64, (100, 150)


def answers(window, n_classes=4):
    """A network that is sure everywhere: maps of a window, (H, W), (2, H, W) and (C, H, W)."""
    return [
        np.full((*lead, *window.shape), value, dtype)
        for lead, value, dtype in (
            ((), 255, np.uint8),
            ((2,), 100, np.int8),
            ((n_classes,), 9, np.uint8),
        )
    ]


def written(folder, tissue, jobs, **facts):
    facts = nucleus_facts(frame_of(SHAPE), CORE_PX, kind="maps", **facts)
    writer = MapsWriter(folder, facts, tissue)
    for position, window, maps in jobs:
        writer.write(position, window, maps)
    return {name: array[:] for name, array in open_group(folder, mode="r").arrays()}


def test_nothing_is_kept_beyond_tissue_nor_beyond_the_canvas(tmp_path):
    tissue = np.zeros((7, 10), bool)
    tissue[3:6, 7:9] = True
    window = Window(48, 112, 64, 48)  # of the core (1, 1) and beyond the canvas' lower end
    jobs = [((1, 1), Window(64, 64, 64, 64), answers(Window(64, 64, 64, 64)))]
    found = written(tmp_path / "maps", tissue, jobs)
    here = np.zeros(SHAPE, bool)
    here[64:96, 112:128] = True  # the tissue in the core (1, 1)
    np.testing.assert_array_equal(found["np"], here * np.uint8(255))
    np.testing.assert_array_equal(found["hv"], np.stack([here, here]) * np.int8(100))
    assert window.intersection(Window(0, 0, *SHAPE)) is not None


def test_other_maps_are_kept_one_pixel_around_nuclei_and_at_the_border_of_the_core(tmp_path):
    maps = answers(Window(0, 0, 64, 64))
    maps[0][:] = 0
    maps[0][20, 30] = 255
    jobs = [((0, 0), Window(0, 0, 64, 64), maps)]
    found = written(tmp_path / "maps", np.ones((7, 10), bool), jobs)
    kept = np.zeros((64, 64), bool)
    kept[19:22, 29:32] = True
    kept[[0, -1]] = kept[:, [0, -1]] = True
    np.testing.assert_array_equal(found["tp"][0, :64, :64] > 0, kept)


def test_a_core_without_tissue_writes_nothing(tmp_path):
    written(
        tmp_path / "maps",
        np.zeros((7, 10), bool),
        [((0, 0), Window(0, 0, 64, 64), answers(Window(0, 0, 64, 64)))],
    )
    assert not list((tmp_path / "maps" / "np").glob("[0-9]*/*"))


@pytest.mark.parametrize("contrasts", [0, 2])
def test_contrasts_have_an_array_where_there_are_some(tmp_path, contrasts):
    found = written(tmp_path / "maps", np.ones((7, 10), bool), [], contrasts=contrasts)
    assert ("contrasts" in found) == bool(contrasts)
    if contrasts:
        assert found["contrasts"].shape == (contrasts * 4, *SHAPE)


def test_overlaps_are_kept_as_the_tile_saw_them(tmp_path):
    overlap_px, window = 8, Window(0, 64, 64, 64)
    maps = answers(window.grown(overlap_px))
    maps[0][:] = np.arange(80, dtype=np.uint8)[:, None] + 100
    found = written(
        tmp_path / "maps",
        np.ones((7, 10), bool),
        [((0, 1), window, maps)],
        exact=False,
        overlap_px=overlap_px,
    )
    np.testing.assert_array_equal(found["around_np"][:80, 80:160], maps[0])
    np.testing.assert_array_equal(found["np"][:64, 64:128], maps[0][8:72, 8:72])

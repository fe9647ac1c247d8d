"""Maps of all parts read as one canvas, whatever the parts; parts of two runs are refused."""

from dataclasses import replace

import dask
import numpy as np
import pytest
from stores import CONSTANTS, write_maps

from nucwsi.errors import StoreError
from nucwsi.grid import Window
from nucwsi.io.stores.maps import open_maps

SHAPE, CORE_PX = (150, 200), 64
RNG = np.random.default_rng(2)
NP = RNG.integers(0, 255, SHAPE, np.uint8)
HV = RNG.integers(-127, 127, (2, *SHAPE), np.int8)
TP = RNG.integers(0, 255, (4, *SHAPE), np.uint8)
TISSUE = np.zeros((10, 13), np.uint8)
TISSUE[2:5, 3:7] = 1


def parts_of(folder, parts, **more):
    folder.mkdir(exist_ok=True)
    return [
        write_maps(
            folder / f"{part}-of-{parts}.zarr.zip",
            (NP, HV, TP),
            TISSUE,
            CORE_PX,
            part=part,
            parts=parts,
            **more,
        )
        for part in range(1, parts + 1)
    ]


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_are_one_canvas(tmp_path, parts):
    window = Window(10, 20, 130, 150)
    with open_maps(parts_of(tmp_path / "maps", parts)[::-1]) as maps:
        for name, values in (("np", NP), ("hv", HV), ("tp", TP)):
            np.testing.assert_array_equal(maps.read(name, window), values[..., *window.slices])


def test_a_lazy_array_is_the_canvas_and_reads_no_core_that_is_not_asked(tmp_path):
    parts_of(tmp_path / "maps", 2)
    with open_maps(tmp_path / "maps") as maps:
        for name, values in (("np", NP), ("hv", HV), ("tp", TP)):
            lazy = maps.to_dask(name)
            assert (lazy.shape, lazy.dtype) == (values.shape, values.dtype)
            assert lazy.chunks[-2:] == ((64, 64, 22), (64, 64, 64, 8))
            np.testing.assert_array_equal(lazy.compute(scheduler="threads"), values)
    with open_maps(tmp_path / "maps") as maps:
        maps.to_dask("np")[:10, :10].compute(scheduler="sync")
        assert list(maps._kept["np"]) == [(0, 0)]


def test_a_lazy_array_works_with_dask_of_any_scheduler(tmp_path):
    with open_maps(parts_of(tmp_path / "maps", 1)) as maps, dask.config.set(scheduler="sync"):
        assert int((maps.to_dask("np") > 127).sum()) == int((NP > 127).sum())


def test_maps_of_another_name_are_refused(tmp_path):
    message = "'contrasts' is none of the maps np, hv, tp"
    with (
        open_maps(parts_of(tmp_path / "maps", 1)) as maps,
        pytest.raises(KeyError, match=message),
    ):
        maps.to_dask("contrasts")


def test_a_folder_without_maps_is_named(tmp_path):
    with pytest.raises(StoreError, match="holds no maps"), open_maps(tmp_path):
        pass


def test_tissue_is_asked_in_pixels_also_beyond_the_canvas(tmp_path):
    everywhere = TISSUE.repeat(16, 0).repeat(16, 1)[: SHAPE[0], : SHAPE[1]] > 0
    with open_maps(parts_of(tmp_path / "maps", 1)) as maps:
        window = Window(-5, -7, 170, 230)
        expected = np.pad(everywhere, ((5, 15), (7, 23)))
        np.testing.assert_array_equal(maps.tissue(window), expected)
        cores = [at for at in maps.grid.positions() if maps.has_tissue(*at)]
        assert cores == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_missing_part_is_named(tmp_path):
    paths = parts_of(tmp_path / "maps", 3)
    message = r"needs each of them once, got \[1, 3\]"
    with pytest.raises(StoreError, match=message), open_maps([paths[0], paths[2]]):
        pass


def test_parts_of_two_runs_are_refused(tmp_path):
    first, _ = parts_of(tmp_path / "one", 2)
    other = replace(CONSTANTS, np_threshold=0.4)
    _, second = parts_of(tmp_path / "two", 2, constants=other)
    message = r"parts 1 and 2 differ in post_processing; predict all parts"
    with pytest.raises(StoreError, match=message), open_maps([first, second]):
        pass

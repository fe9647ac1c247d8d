"""Networks that are not local: every nucleus once, from one tile, and the report says so."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import shapely
from stores import OVERLAP_PX, cells_of, write_maps, write_member, write_tiles
from tables_made import assert_same_nuclei

from nucwsi.config import PredictSettings, SegmentSettings, StitchSettings
from nucwsi.errors import StoreError
from nucwsi.grid import TileGrid
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.stores.maps import open_maps
from nucwsi.labels.targets import hv_targets
from nucwsi.models.architectures import ARCHITECTURES
from nucwsi.models.network import NetworkMaps
from nucwsi.models.unet import UNet
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import Phantom
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch

CORE_PX = 512
SETTINGS = SegmentSettings()


def shifted(maps, jitter_px, core_px=CORE_PX):
    """Return what each tile sees: the maps, moved by up to `jitter_px` in a way of its own."""
    room = (OVERLAP_PX, OVERLAP_PX + core_px)
    padded = [np.pad(layer, [(0, 0)] * (layer.ndim - 2) + [room] * 2) for layer in maps]
    side = core_px + 2 * OVERLAP_PX

    def seen_from(row, column):
        way = np.random.default_rng((row, column)).integers(-jitter_px, jitter_px + 1, 2)
        at = (..., *(slice(n * core_px, n * core_px + side) for n in (row, column)))
        return [np.roll(layer, way, (-2, -1))[at] for layer in padded]

    return seen_from


def merged(folder, maps, seen_from, parts=1):
    """Run segment and stitch on overlapping tiles; return the table in the order of ids."""
    tissue = cells_of(np.ones(maps[0].shape, bool))
    paths = [
        write_maps(folder / f"m{k}.zarr.zip", maps, tissue, CORE_PX, k, parts, seen_from=seen_from)
        for k in range(1, parts + 1)
    ]
    found = [folder / f"n{k}.parquet" for k in range(1, parts + 1)]
    for k in range(parts, 0, -1):
        segment(paths, found[k - 1], SETTINGS, part=k, parts=parts)
    stitch(found, folder / "nuclei.parquet", folder / "seams.json", StitchSettings())
    table = NucleusTable.concatenated(list(iter_tables(folder / "nuclei.parquet")))
    return table.take(np.argsort(table.id))


def assert_apart(table, share):
    """Check that no two nuclei share more than a smoothed edge."""
    outlines = shapely.from_wkb(table.geometry)
    one, other = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    one, other = one[one < other], other[one < other]
    common = shapely.area(shapely.intersection(outlines[one], outlines[other]))
    smaller = np.minimum(shapely.area(outlines[one]), shapely.area(outlines[other]))
    assert (common < share * smaller).all()


@pytest.fixture(scope="module")
def scene():
    """The phantom as a perfect network sees it: seams, corners, giants, chains, a dense sheet."""
    phantom = Phantom((2600, 4400), seed=3)
    return phantom, phantom.maps()


@pytest.fixture(scope="module")
def disagreeing(tmp_path_factory, scene):
    """The nuclei of tiles that see everything up to 1 px apart."""
    folder = tmp_path_factory.mktemp("disagreeing")
    return merged(folder, scene[1], shifted(scene[1], 1)), folder


def test_tiles_that_agree_give_what_local_maps_give(tmp_path, scene):
    maps = scene[1]
    found = merged(tmp_path, maps, shifted(maps, 0))
    tissue = cells_of(np.ones(maps[0].shape, bool))
    local = write_maps(tmp_path / "local.zarr.zip", maps, tissue, CORE_PX)
    segment([local], tmp_path / "local.parquet", SETTINGS)
    expected = NucleusTable.concatenated(list(iter_tables(tmp_path / "local.parquet")))
    assert len(found) > 2900
    assert sorted(found.geometry) == sorted(expected.geometry)


def test_tiles_that_disagree_give_every_nucleus_once(scene, disagreeing):
    phantom, table = scene[0], disagreeing[0]
    painted = [n for n in phantom.nuclei() if phantom.polygon(n).area > 200]
    truth = shapely.STRtree([phantom.polygon(n) for n in painted])
    _, hit = truth.query(shapely.points(table.column, table.row), predicate="within")
    hits = np.bincount(hit, minlength=len(painted))
    assert (hits == 1).mean() > 0.995
    for situation in ("seam", "corner", "giant"):
        mine = np.array([n.kind == situation for n in painted])
        assert (hits[mine] == 1).all(), situation

    assert_apart(table, 0.05)


@pytest.mark.parametrize("shift_px", [-3, 3])
def test_a_nucleus_that_tiles_see_in_different_rows_of_cores_is_kept_once(tmp_path, shift_px):
    labels = np.zeros((1000, 700), bool)
    for number in range(16):
        labels[CORE_PX - 8 + number : CORE_PX + 8 + number, 20 + 40 * number :][:, :12] = True
    np_map = np.where(labels, 255, 0).astype(np.uint8)
    maps = np_map, np.zeros((2, *np_map.shape), np.int8), np.stack([np_map] * 2)
    still = shifted(maps, 0)

    def seen_from(row, column):
        return [np.roll(layer, shift_px * row, -2) for layer in still(row, column)]

    found = merged(tmp_path, maps, seen_from)
    np.testing.assert_allclose(np.sort(found.column), 2 * (26 + 40 * np.arange(16)), atol=1)
    np.testing.assert_allclose(found.area_um2, 16 * 12 / 4, rtol=0.1)


@pytest.mark.parametrize(("top", "parted_in"), [(CORE_PX - 16, 1), (CORE_PX - 10, 0)])
def test_what_one_tile_parts_is_kept_as_its_judge_sees_it(tmp_path, top, parted_in):
    """The other row of cores would keep the part of it that begins there."""
    np_map = np.zeros((1000, 600), np.uint8)
    np_map[top : top + 26, 100:112] = 255
    maps = np_map, np.zeros((2, *np_map.shape), np.int8), np.stack([np_map] * 2)
    whole = shifted(maps, 0)
    parted = shifted((np.where(np.arange(1000)[:, None] // 2 * 2 == 510, 0, np_map), *maps[1:]), 0)

    def seen_from(row, column):
        return (parted if row == parted_in else whole)(row, column)

    found = merged(tmp_path, maps, seen_from)
    np.testing.assert_allclose(found.area_um2, [26 * 12 / 4], rtol=0.1)


def stack(shape, tops, height_px=20):
    """Label bars one above the other, 30 px wide, across the overlap of two columns of tiles."""
    labels = np.zeros(shape, np.int32)
    for number, top in enumerate(tops, start=1):
        labels[top : top + height_px, CORE_PX - 15 : CORE_PX + 15] = number
    return labels


def maps_of(labels):
    """Return what a perfect network sees of labels."""
    np_map = np.where(labels > 0, 255, 0).astype(np.uint8)
    hv_map = (hv_targets(labels) * 127).round().astype(np.int8)
    return np_map, hv_map, np.stack([np_map] * 2)


@pytest.mark.parametrize(
    ("n_rows", "tops", "far_row", "longer"),
    [
        # Begins above the first seam; the third row of tiles sees it go on below.
        (3, range(491, 990, 20), 2, (971, 1100)),
        # Ends below the second seam; the first row of tiles sees it go on above.
        (3, range(541, 1060, 20), 0, (400, 561)),
        # Higher than any tile.
        (5, range(491, 2000, 20), 4, (1991, 2200)),
    ],
    ids=["goes on below", "goes on above", "higher than a tile"],
)
def test_a_chain_from_one_seam_to_the_next_keeps_every_nucleus_once(
    tmp_path, n_rows, tops, far_row, longer
):
    """The columns of tiles disagree by half a nucleus: one case leads along their overlap.

    As tiles beyond one end see it go on, no tile sees the whole case. The band of rows around the
    other end does not hold those tiles, and must find out.
    """
    shape = (n_rows * CORE_PX, 2 * CORE_PX)
    by_column = [stack(shape, tops), stack(shape, [top - 10 for top in tops])]
    seen = [shifted(maps_of(labels), 0) for labels in by_column]
    for labels in by_column:
        labels[slice(*longer), CORE_PX - 15 : CORE_PX + 15] = 999
    seen_far = [shifted(maps_of(labels), 0) for labels in by_column]

    def seen_from(row, column):
        return (seen_far if row == far_row else seen)[column](row, column)

    joined = maps_of(stack(shape, [top + 2 for top in tops]))
    table = merged(tmp_path / "one", joined, seen_from)
    assert_apart(table, 0.05)
    area_px = 4 * table.area_um2.sum()
    assert area_px == pytest.approx(20 * 30 * len(tops), rel=0.1), "none is lost"
    assert_same_nuclei(merged(tmp_path / "parts", joined, seen_from, parts=n_rows), table)


def test_parts_do_not_matter(tmp_path, scene, disagreeing):
    maps = scene[1]
    assert_same_nuclei(merged(tmp_path, maps, shifted(maps, 1), parts=3), disagreeing[0])


def test_the_results_say_that_tiles_disagree(disagreeing):
    folder = disagreeing[1]
    assert json.loads((folder / "seams.json").read_text())["exact"] is False
    assert read_facts(folder / "nuclei.parquet").exact is False


def test_what_is_higher_than_any_nucleus_is_left_out_and_told(tmp_path, caplog):
    np_map = np.zeros((1100, 700), np.uint8)
    np_map[100:900, 40:60] = 255
    np_map[500:520, 100:120] = 255
    hv_map = np.zeros((2, *np_map.shape), np.int8)
    maps = np_map, hv_map, np.stack([np_map] * 2)
    found = merged(tmp_path, maps, shifted(maps, 0))
    np.testing.assert_allclose(found.row, 2 * 510, atol=1)
    assert len(found) == 1
    assert "higher than 383 px are left out" in caplog.text


@pytest.fixture
def nearsighted(monkeypatch):
    """Make U-Nets depend on the mean of their window, as squeeze-and-excitation does."""
    honest = UNet.forward

    def forward(self, image, margin_px=0):
        raw = honest(self, image, margin_px)
        return NetworkMaps(raw.np_map + 20 * (image.mean((1, 2, 3), keepdim=True) - 0.5), *raw[1:])

    monkeypatch.setattr(UNet, "forward", forward)
    monkeypatch.setattr(UNet, "local", False)
    monkeypatch.setitem(ARCHITECTURES, "unet", replace(ARCHITECTURES["unet"], local=False))


@pytest.fixture
def canvas():
    rng = np.random.default_rng(7)
    rgb = rng.integers(0, 256, (3, 600, 730), np.uint8)
    rgb[:, :, 500:] //= 2
    return rgb, cells_of(np.ones((600, 730), bool))


def predicted(folder, canvas, core_px=CORE_PX, views=1):
    member = str(write_member(folder / "m.safetensors", halo_px=112))
    settings = PredictSettings(device="cpu", views=views)
    tiles = write_tiles(folder / "tiles.zarr.zip", *canvas, core_px)
    predict(tiles, folder / "maps.zarr.zip", settings, members=(member,))
    return folder / "maps.zarr.zip"


@pytest.mark.usefixtures("nearsighted")
def test_each_tile_keeps_its_own_answer(tmp_path, canvas, caplog):
    path = predicted(tmp_path, canvas, views=2)
    with open_maps([path]) as maps:
        assert maps.facts.exact is False
        grid = TileGrid(canvas[0].shape[1:], CORE_PX)
        for at in grid.positions():
            core = grid.core(*at)
            window = core.grown(OVERLAP_PX).intersection(grid.canvas)
            for name in ("np", "hv", "tp", "contrasts"):
                mine = maps.around(name, *at)
                assert mine.shape[-2:] == window.shape
                inner = mine[(..., *core.within(window).slices)]
                np.testing.assert_array_equal(inner, maps.core(name, *at))
        left, right = maps.around("np", 0, 0), maps.around("np", 0, 1)
    shared = left[:, -2 * OVERLAP_PX :], right[:, : 2 * OVERLAP_PX]
    assert np.abs(np.subtract(*shared, dtype=int)).max() > 5, "the network is not local"
    assert "m: not local, so results depend on core_px" in caplog.text
    segment([path], tmp_path / "nuclei.parquet", SegmentSettings(min_area_um2=1))
    tables = list(iter_tables(tmp_path / "nuclei.parquet"))
    assert all(len(table) and table.contrasts.any() for table in tables)


@pytest.mark.usefixtures("nearsighted")
def test_cores_too_small_for_the_merge_are_refused(tmp_path, canvas):
    with pytest.raises(StoreError, match=r"core_px 256, but .* not local needs 512 or more"):
        predicted(tmp_path, canvas, 256)


def test_local_networks_keep_their_cores_only(tmp_path, canvas, caplog):
    caplog.set_level(logging.WARNING)
    path = predicted(tmp_path, canvas)
    with open_maps([path]) as maps:
        assert maps.facts.exact is True
        assert maps.facts.overlap_px == 0
        with pytest.raises(StoreError, match="has no array 'around_np'"):
            maps.around("np", 0, 0)
    segment([path], tmp_path / "n.parquet", SETTINGS)
    stitch([tmp_path / "n.parquet"], tmp_path / "o.parquet", tmp_path / "s.json", StitchSettings())
    assert json.loads((tmp_path / "s.json").read_text())["exact"] is True
    assert "not local" not in caplog.text

"""Tiled = untiled: the same nuclei whatever the core, the parts and the order."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import shapely
from scipy import ndimage
from stores import CONSTANTS, cells_of, write_maps
from tables_made import assert_same_nuclei

from nucwsi.config import SegmentSettings, StitchSettings
from nucwsi.errors import StoreError
from nucwsi.grid import Window
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.nuclei import giants, ownership
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import Phantom
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch

SETTINGS = SegmentSettings()


def nuclei_of(folder, maps, tissue, core_px, parts=1):
    """Run segment, with a thread a part, and stitch on maps; the table in the order of ids."""
    paths = [
        write_maps(folder / f"m{k}.zarr.zip", maps, tissue, core_px, k, parts)
        for k in range(1, parts + 1)
    ]
    found = []
    for k in range(parts, 0, -1):
        found.append(folder / f"n{k}.parquet")
        segment(paths[::-1], found[-1], SETTINGS, part=k, parts=parts, threads=parts)
    output = folder / "nuclei.parquet"
    stitch(found, output, folder / "seams.json", StitchSettings(row_group=1024))
    table = NucleusTable.concatenated(list(iter_tables(output)))
    return table.take(np.argsort(table.id))


@pytest.fixture(scope="module")
def scene():
    """The phantom as a perfect network sees it: seams, corners, giants, chains, a dense sheet."""
    phantom = Phantom((2600, 4400), seed=3)
    canvas = phantom.maps()
    tissue = cells_of(np.ones(canvas[0].shape, bool))
    return phantom, canvas, tissue


@pytest.fixture(scope="module")
def reference(tmp_path_factory, scene):
    return nuclei_of(tmp_path_factory.mktemp("whole"), *scene[1:], 2048)


@pytest.mark.parametrize(("core_px", "parts"), [(256, 1), (256, 3), (512, 3), (1024, 2)])
def test_the_same_nuclei_for_every_core_and_every_number_of_parts(
    tmp_path, scene, reference, core_px, parts
):
    assert_same_nuclei(nuclei_of(tmp_path, *scene[1:], core_px, parts), reference)


def test_every_painted_nucleus_is_found_once(scene, reference):
    phantom = scene[0]
    painted = [n for n in phantom.nuclei() if phantom.polygon(n).area > 200]
    points = shapely.points(reference.column, reference.row)
    truth = shapely.STRtree([phantom.polygon(n) for n in painted])
    found, hit = truth.query(points, predicate="within")
    hits = np.bincount(hit, minlength=len(painted))
    assert (hits == 1).mean() > 0.995
    for situation in ("seam", "corner", "giant"):
        mine = np.array([n.kind == situation for n in painted])
        assert mine.any()
        assert (hits[mine] == 1).all(), situation
    assert len(np.unique(found)) > 0.99 * len(reference)


def test_a_canvas_that_ends_beside_a_seam_raises_no_alarm(tmp_path, scene, caplog):
    """48 px below the seam it ends, where the lower control line would lie."""
    height = 512 + 48
    maps = tuple(layer[..., :height, :] for layer in scene[1])
    nuclei_of(tmp_path, maps, cells_of(np.ones(maps[0].shape, bool)), 512)
    audit = json.loads((tmp_path / "seams.json").read_text())
    assert audit["n_seam"] > 150
    assert audit["density_ratio"] == pytest.approx(1, abs=0.2)
    assert not audit["visible"]
    assert "seams can be seen" not in caplog.text


def percolating(side, seed=0):
    """Maps of tissue so dense that one component reaches from end to end."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    labels = (rows // 21) * 1000 + columns // 21 + 1
    labels = labels + 0 * rows
    hv = np.stack([(columns % 21 - 10) / 10, (rows % 21 - 10) / 10])
    np_map = np.full((side, side), 220, np.uint8)
    # Holes and weak borders, so that nuclei differ and are not all cut alike.
    noise = ndimage.gaussian_filter(rng.random((side, side)), 3)
    np_map[noise < np.quantile(noise, 0.12)] = 0
    hv = hv * (0.6 + 0.4 * ndimage.gaussian_filter(rng.random((side, side)), 5)[None])
    tp = np.full((4, side, side), 30, np.uint8)
    tp[0] = 165
    return np_map, (hv * 127).round().astype(np.int8), tp


@pytest.fixture(scope="module")
def dense():
    maps = percolating(2600)
    return maps, cells_of(np.ones((2600, 2600), bool))


def test_percolating_tissue_is_cut_alike_by_all_cores(tmp_path, dense):
    tables = []
    for core_px, parts in ((1024, 1), (512, 3)):
        folder = tmp_path / f"{core_px}"
        tables.append(nuclei_of(folder, *dense, core_px, parts))
    assert_same_nuclei(*tables)
    assert tables[0].escalated.mean() > 0.9
    assert len(tables[0]) > 10000


def test_blocks_cut_as_a_whole_would(tmp_path, dense, monkeypatch):
    """No nucleus is lost or doubled by the blocks; where basins tie, a few pixels may go over."""
    maps, tissue = tuple(layer[..., :1500, :1500] for layer in dense[0]), dense[1][:94, :94]
    whole = nuclei_of(tmp_path / "whole", maps, tissue, 1024)
    monkeypatch.setattr(giants, "GIANT_PX", 600)
    monkeypatch.setattr(giants, "BLOCK_PX", 512)
    blocks = nuclei_of(tmp_path / "blocks", maps, tissue, 512)
    assert not whole.escalated.any()
    assert blocks.escalated.mean() > 0.9
    np.testing.assert_array_equal(blocks.id, whole.id)
    one, other = shapely.from_wkb(whole.geometry), shapely.from_wkb(blocks.geometry)
    overlap = shapely.area(shapely.intersection(one, other)) / shapely.area(
        shapely.union(one, other)
    )
    assert (overlap == 1).mean() > 0.95
    assert np.quantile(overlap, 0.01) > 0.95


@pytest.mark.parametrize(
    ("sides", "doubled"),
    [
        ((1, 0, 0, 0), False),
        ((0, 1, 0, 0), True),
        ((0, 0, 1, 0), False),
        ((0, 0, 0, 1), True),
        ((-1, 1, -1, 1), True),
    ],
    ids=["first row", "last row", "first column", "last column", "all around"],
)
def test_a_planted_error_of_one_pixel_is_noticed(
    tmp_path, scene, reference, monkeypatch, sides, doubled
):
    """A core that owns one row or column too few loses nuclei, one too many doubles them."""
    honest = ownership.begins_in

    def planted(first_px, width, core):
        top, low, left, right = sides
        shifted = Window(
            core.row + top, core.column + left, core.height - top + low, core.width - left + right
        )
        return honest(first_px, width, shifted)

    monkeypatch.setattr(ownership, "begins_in", planted)
    noticed = pytest.raises(StoreError, match="owned twice") if doubled else nullcontext()
    with noticed:
        assert len(nuclei_of(tmp_path, *scene[1:], 256)) < len(reference)


def bars(length_px):
    """Nuclei that begin on, before and after the first pixel of a core."""
    np_map, hv_map = np.zeros((512, 512), np.uint8), np.zeros((2, 512, 512), np.int8)
    for number, first in enumerate((254, 255, 256)):
        for window in (
            (slice(first, first + length_px), slice(20 + 30 * number, 28 + 30 * number)),
            (slice(20 + 30 * number, 28 + 30 * number), slice(first, first + length_px)),
        ):
            np_map[window] = 255
    tp_map = np.full((4, 512, 512), 64, np.uint8)
    return (np_map, hv_map, tp_map), cells_of(np.ones((512, 512), bool))


def test_long_nuclei_belong_to_the_core_of_their_first_pixel(tmp_path, monkeypatch):
    long = bars(ownership.MARGINS_PX[-1] + 22)
    found = nuclei_of(tmp_path / "a", *long, 256)
    assert len(found) == 6
    assert_same_nuclei(found, nuclei_of(tmp_path / "b", *long, 512))
    twice = pytest.raises(StoreError, match="owned twice")
    # Nothing is read far above a core: what is taken for one of the core above is found by both.
    for shift, noticed in (((-1, 0), twice), ((0, 1), nullcontext())):
        monkeypatch.setattr(
            ownership,
            "owner",
            lambda grid, row, column, shift=shift: (
                (row + shift[0]) // grid.core_px,
                (column + shift[1]) // grid.core_px,
            ),
        )
        with noticed:
            assert len(nuclei_of(tmp_path / f"{shift}", *long, 256)) < 6, "an error is noticed"


def test_the_whole_mask_is_searched_only_where_a_nucleus_leaves_all_margins(tmp_path, monkeypatch):
    searched = []
    search = ownership.find_far_components
    monkeypatch.setattr(
        ownership, "find_far_components", lambda *a: searched.append(a) or search(*a)
    )
    for margin_px in ownership.MARGINS_PX:
        folder, short = tmp_path / f"{margin_px}", bars(margin_px - 6)
        assert_same_nuclei(
            nuclei_of(folder / "a", *short, 256), nuclei_of(folder / "b", *short, 512)
        )
    assert not searched
    nuclei_of(tmp_path / "long", *bars(ownership.MARGINS_PX[-1] + 6), 256)
    assert len(searched) == 1


def test_empty_maps_give_an_empty_table(tmp_path):
    shape = (300, 400)
    maps = (
        np.zeros(shape, np.uint8),
        np.zeros((2, *shape), np.int8),
        np.zeros((4, *shape), np.uint8),
    )
    paths = [write_maps(tmp_path / "m.zarr.zip", maps, cells_of(np.ones(shape, bool)), 256)]
    segment(paths, tmp_path / "n.parquet", SETTINGS)
    stitch([tmp_path / "n.parquet"], tmp_path / "o.parquet", tmp_path / "s.json", StitchSettings())
    assert list(iter_tables(tmp_path / "o.parquet")) == []
    facts = read_facts(tmp_path / "o.parquet")
    assert set(facts.n_dropped) == set(CONSTANTS.min_area_um2)


def test_parts_of_different_settings_are_refused(tmp_path, scene):
    _, maps, tissue = scene
    paths = [write_maps(tmp_path / f"m{k}.zarr.zip", maps, tissue, 512, k, 2) for k in (1, 2)]
    segment(paths, tmp_path / "1.parquet", SETTINGS, part=1, parts=2)
    other = SegmentSettings(np_threshold=0.7)
    segment(paths, tmp_path / "2.parquet", other, part=2, parts=2)
    parts = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    with pytest.raises(StoreError, match="parts 1 and 2 differ in segment"):
        stitch(parts, tmp_path / "o.parquet", tmp_path / "s.json", StitchSettings())
    with pytest.raises(StoreError, match="of 2 parts needs each of them once"):
        stitch(parts[:1], tmp_path / "o.parquet", tmp_path / "s.json", StitchSettings())
    assert not (tmp_path / "o.parquet").exists()

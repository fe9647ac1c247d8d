"""`tile`: honest pixels at the working mpp, nothing on glass, and damage told and left out."""

import json
import zipfile

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from ome_zarr_models.v04 import Image
from slides_made import GLASS, damage, picture, write_aperio, write_slide
from stores import write_member
from yaozarrs import validate_zarr_store
from zarr.storage import ZipStore

from nucwsi.config import TileSettings
from nucwsi.errors import SlideError
from nucwsi.grid import CELL_PX, Window
from nucwsi.io.regions.geojson import read_tissue
from nucwsi.io.slides.canvas import SlideCanvas, canvas_frame
from nucwsi.io.slides.slide import open_slide
from nucwsi.slide.mpp import MppClaim
from nucwsi.slide.tissue import grown
from nucwsi.steps.tile import tile

IMAGE = picture()
HALO = 48


def tiled(slide, folder, name="s", *, core_px=256, threads=1, halos=(HALO,), scene=None, **values):
    """Run the step; return the canvas (3, H, W), the mask of cells, the facts and the pieces."""
    output, outlines = folder / f"{name}.zarr.zip", folder / f"{name}.geojson"
    # Beside the folder: some tests look at all that the step leaves in it.
    checkpoints = folder.with_name(f"{folder.name}-members")
    checkpoints.mkdir(exist_ok=True)
    members = tuple(str(write_member(checkpoints / f"{h}.safetensors", halo_px=h)) for h in halos)
    tile(
        slide,
        output,
        outlines,
        TileSettings(core_px=core_px, **values),
        name=name,
        members=members,
        scene=scene,
        threads=threads,
    )
    arrays, facts = loaded(output)
    return arrays["0"], arrays["tissue"] > 0, facts, read_tissue(outlines)[1]


def loaded(path):
    """Read a store with zarr alone; return its arrays and its facts."""
    with ZipStore(path, mode="r") as store:
        group = zarr.open_group(store, mode="r")
        return {name: array[:] for name, array in group.arrays()}, group.attrs["nucwsi"]


def chunks_of(path):
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if name.startswith("0/0/")]


def cells(mask, shape):
    return mask.repeat(CELL_PX, 0).repeat(CELL_PX, 1)[: shape[0], : shape[1]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound slide and what is made of it."""
    folder = tmp_path_factory.mktemp("sound")
    slide = write_slide(folder / "sound.tif", IMAGE)
    return slide, folder, tiled(slide, folder)


def test_the_canvas_holds_the_slide_where_tissue_is_seen(sound):
    slide, _, (canvas, mask, facts, outlines) = sound
    with open_slide(slide) as handle:
        frame = canvas_frame(handle, MppClaim(0.25, 0.25, "override"), 0.5)
        expected, _ = SlideCanvas(handle, frame).read(Window(0, 0, *canvas.shape[1:]))
    seen = cells(grown(mask, HALO // CELL_PX), canvas.shape[1:])
    assert 0.3 < seen.mean() < 0.9
    np.testing.assert_array_equal(canvas[:, seen].T, expected[seen])
    assert facts["status"] == "ok"
    assert facts["bad_tiles"] == []
    assert (facts["mpp_source"], facts["slide"], facts["halo_px"]) == ("tiff", "s", HALO)
    assert facts["frame"]["level0_mpp"] == [0.25, 0.25]
    area = sum(outline.area for outline in outlines) * 0.25**2
    assert facts["tissue_um2"] == pytest.approx(area)
    # The picture's ellipse; the margin is analysed and is no tissue.
    assert area == pytest.approx(np.pi * 0.42 * 1100 * 0.32 * 1300 * 0.25**2, rel=0.04)
    assert mask.sum() * (CELL_PX * 0.5) ** 2 > 1.08 * area


@pytest.mark.parametrize("halos", [(32, HALO), (HALO, 32)])
def test_the_canvas_is_read_for_the_member_that_needs_the_widest_halo(tmp_path, sound, halos):
    slide, _, (canvas, mask, *_) = sound
    both, same, facts, _ = tiled(slide, tmp_path, halos=halos)
    assert facts["halo_px"] == HALO
    np.testing.assert_array_equal(same, mask)
    np.testing.assert_array_equal(both, canvas)


def test_nothing_is_stored_that_no_step_reads(sound):
    _, folder, _ = sound
    arrays, _ = loaded(folder / "s.zarr.zip")
    assert sorted(arrays) == ["0", "tissue"]


def test_blank_chunks_are_not_written(tmp_path):
    # Glass is not pure white: it is left out because no window around tissue sees it.
    slide = write_slide(tmp_path / "wide.tif", np.hstack([IMAGE[:, :10].repeat(60, 1), IMAGE]))
    canvas, *_ = tiled(slide, tmp_path)
    assert canvas.shape == (3, 550, 950)
    written = {f"0/0/{row}/{column}" for row in range(3) for column in range(1, 4)}
    assert set(chunks_of(tmp_path / "s.zarr.zip")) == written
    assert (canvas[:, :, :256] == 255).all()
    assert canvas[:, :, 300].max() < 255


def test_the_store_is_ome_zarr(sound, tmp_path):
    _, folder, _ = sound
    with zipfile.ZipFile(folder / "s.zarr.zip") as archive:
        archive.extractall(tmp_path / "s.zarr")
    validate_zarr_store(str(tmp_path / "s.zarr"))
    image = Image.from_zarr(zarr.open_group(str(tmp_path / "s.zarr"), mode="r"))
    [scales] = image.ome_attributes.multiscales
    assert [axis.name for axis in scales.axes] == ["c", "y", "x"]
    [level] = scales.datasets
    assert level.coordinateTransformations[0].scale == [1, 0.5, 0.5]


def test_core_and_threads_do_not_change_the_pixels(tmp_path):
    slide = damage(write_slide(tmp_path / "d.tif", IMAGE, levels=(1,)), "garbled", tile=14)
    one = tiled(slide, tmp_path, "one", core_px=256, max_bad_tiles=0.2)
    two = tiled(slide, tmp_path, "two", core_px=1024, threads=2, max_bad_tiles=0.2)
    np.testing.assert_array_equal(one[1], two[1])
    seen = cells(grown(one[1], HALO // CELL_PX), one[0].shape[1:])
    np.testing.assert_array_equal(one[0][:, seen], two[0][:, seen])
    assert shapely.equals(one[3], two[3]).all()


def test_a_killed_run_goes_on_where_it_was(sound, tmp_path, monkeypatch):
    slide, folder, _ = sound
    reads = []
    whole = SlideCanvas.read

    def killed(self, window):
        reads.append(window)
        if len(reads) == 4:
            raise KeyboardInterrupt
        return whole(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(SlideCanvas, "read", killed)
        with pytest.raises(KeyboardInterrupt):
            tiled(slide, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".s.zarr.zip.work"]
    reads.clear()
    monkeypatch.setattr(
        SlideCanvas, "read", lambda self, window: reads.append(window) or whole(self, window)
    )
    tiled(slide, tmp_path)
    assert 0 < len(reads) < len(chunks_of(folder / "s.zarr.zip"))
    for name in ("s.zarr.zip", "s.geojson"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert not (tmp_path / ".s.zarr.zip.work").exists()


@pytest.mark.parametrize("how", ["zeroed", "garbled"])
def test_a_damaged_tile_degrades_the_slide_and_no_more(sound, tmp_path, how):
    """The tile in rows 512 to 768 and columns 512 to 768 of level 0, amid the tissue."""
    _, _, (canvas, mask, facts, outlines) = sound
    slide = damage(write_slide(tmp_path / "d.tif", IMAGE), how, tile=14)
    found, kept, told, pieces = tiled(slide, tmp_path, max_bad_tiles=0.2)
    assert told["status"] == "degraded"
    parts = [Window(*part) for part in told["bad_tiles"]]
    lost = np.zeros(canvas.shape[1:], bool)
    for part in parts:
        lost[part.slices] = True
    expected = np.zeros_like(lost)
    expected[256:384, 256:384] = True
    np.testing.assert_array_equal(lost, expected)
    assert (found[:, lost] == 255).all()
    seen = cells(grown(mask, HALO // CELL_PX), lost.shape) & ~lost
    np.testing.assert_array_equal(found[:, seen], canvas[:, seen])
    mask = mask.copy()
    mask[16:24, 16:24] = False
    np.testing.assert_array_equal(kept, mask)
    hole = shapely.box(512, 512, 768, 768)
    assert shapely.union_all(pieces).equals(shapely.union_all(outlines).difference(hole))
    assert told["tissue_um2"] == pytest.approx(facts["tissue_um2"] - 64**2)


def test_a_damaged_tile_behind_openslide(tmp_path):
    """Its handle answers nothing but errors afterwards: all other tiles need a new one."""
    slide = write_aperio(tmp_path / "d.svs", IMAGE, compression=33005)
    sound = tiled(slide, tmp_path, "sound")
    damage(slide, "zeroed", tile=14)
    found = tiled(slide, tmp_path, "damaged", threads=2, max_bad_tiles=0.2)
    assert {tuple(part) for part in found[2]["bad_tiles"]} == {(256, 256, 128, 128)}
    lost = np.zeros(sound[0].shape[1:], bool)
    lost[256:384, 256:384] = True
    np.testing.assert_array_equal(found[0][:, ~lost], sound[0][:, ~lost])
    assert (found[0][:, lost] == 255).all()


def test_a_tile_damaged_on_a_small_level_harms_nothing(sound, tmp_path):
    _, _, (canvas, mask, *_) = sound
    slide = damage(write_slide(tmp_path / "d.tif", IMAGE), "garbled", level=1, tile=0)
    found, kept, facts, _ = tiled(slide, tmp_path)
    assert facts["status"] == "ok"
    # The overview comes from level 0 there: the same but for JPEG's loss.
    assert (kept ^ mask).sum() < 0.02 * mask.sum()
    both = cells(kept & mask, canvas.shape[1:])
    np.testing.assert_array_equal(found[:, both], canvas[:, both])


@pytest.mark.parametrize("levels", [(1,), (1, 4)])
def test_too_much_damage_is_refused_and_leaves_nothing(tmp_path, levels):
    """With one level the overview tells, with two only the tiles themselves."""
    slide = write_slide(tmp_path / "d.tif", IMAGE, levels=levels)
    for number in (8, 9, 14, 15):
        damage(slide, "zeroed", tile=number)
    with pytest.raises(
        SlideError, match=r"\d+\.\d% of it cannot be read, more than max_bad_tiles = 5"
    ):
        tiled(slide, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["d.tif"]


def test_damage_on_glass_is_told(tmp_path):
    """Nothing is known of a tile that no level shows: it is no glass."""
    wide = np.hstack([IMAGE[:, :10].repeat(60, 1), IMAGE])
    slide = damage(write_slide(tmp_path / "d.tif", wide, levels=(1,)), "zeroed", tile=0)
    *_, facts, _ = tiled(slide, tmp_path)
    assert facts["status"] == "degraded"
    assert facts["bad_tiles"] == [[0, 0, 128, 128]]


def test_glass_gives_an_empty_canvas_and_says_so(tmp_path, caplog):
    slide = write_slide(tmp_path / "glass.tif", IMAGE[:, :250])
    canvas, mask, facts, outlines = tiled(slide, tmp_path)
    [line] = facts["warnings"]
    assert "no tissue is found" in line
    assert "`tile.tissue: all`" in line
    assert line in caplog.text
    assert (canvas == 255).all()
    assert not mask.any()
    assert (facts["status"], facts["tissue_um2"], outlines) == ("ok", 0, [])
    assert chunks_of(tmp_path / "s.zarr.zip") == []
    assert json.loads((tmp_path / "s.geojson").read_text())["features"] == []


def test_everything_may_be_analysed(tmp_path):
    slide = write_slide(tmp_path / "glass.tif", IMAGE[:, :250])
    canvas, mask, facts, outlines = tiled(slide, tmp_path, tissue="all")
    assert mask.all()
    assert (canvas < 255).any()
    assert shapely.union_all(outlines).bounds == (0, 0, 250, 1100)
    assert facts["tissue_um2"] == pytest.approx(1100 * 250 * 0.25**2)


def test_a_slide_too_coarse_for_the_model_is_refused(tmp_path):
    slide = write_slide(tmp_path / "coarse.tif", IMAGE, mpp=1.01)
    with pytest.raises(SlideError, match=r"1\.01 µm per pixel is too coarse for a model of 0\.5"):
        tiled(slide, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["coarse.tif"]


def test_the_objective_power_counts_only_if_the_user_says_so(tmp_path):
    slide = write_aperio(tmp_path / "power.svs", IMAGE, mpp=None, power=20)
    with pytest.raises(SlideError, match="does not say how large its pixels are"):
        tiled(slide, tmp_path)
    *_, facts, _ = tiled(slide, tmp_path, objective_power=True)
    assert (facts["frame"]["level0_mpp"], facts["mpp_source"]) == ([0.5, 0.5], "objective power")


def test_the_canvas_begins_at_the_bounds(shared, tmp_path):
    slide = shared / "slides" / "hard" / "two_regions_bounds.scn"
    canvas, mask, facts, outlines = tiled(slide, tmp_path, core_px=1024, threads=2)
    assert facts["frame"]["origin_px"] == [900, 1500]
    assert facts["frame"]["level0_shape"] == [9000, 12000]
    assert canvas.shape == (3, 3686, 4274)
    # The gap between the regions is transparent, and is neither black nor tissue.
    assert canvas[:, 1800:2000, 1800:2400].min() == 255
    assert not mask[100:125, 110:190].any()
    left, top, right, bottom = shapely.union_all(outlines).bounds
    assert left >= 1500
    assert top >= 900
    assert right <= 10048
    assert bottom <= 8272
    document = json.loads((tmp_path / "s.geojson").read_text())
    written = shapely.union_all(
        [shapely.geometry.shape(f["geometry"]) for f in document["features"]]
    )
    # QuPath counts from the origin of the bounds.
    np.testing.assert_allclose(written.bounds, (left - 1500, top - 900, right - 1500, bottom - 900))


def test_a_field_that_is_all_tissue_is_analysed(tmp_path):
    slide = write_slide(tmp_path / "field.tif", IMAGE[450:706, 600:856], levels=(1,))
    canvas, mask, facts, _ = tiled(slide, tmp_path)
    assert mask.all()
    assert canvas.shape == (3, 128, 128)
    assert facts["tissue_um2"] > 0.9 * 64**2
    assert not facts.get("warnings")


def test_a_sound_slide_has_no_warnings(sound):
    _, _, (_, _, facts, _) = sound
    assert not facts.get("warnings")


def test_what_is_odd_is_told_in_the_log_and_in_every_later_result(tmp_path, caplog):
    """Yellow glass: the tissue of the same slide on clear glass is found."""
    yellow = np.rint(IMAGE * (np.array((240, 222, 198)) / GLASS)).astype(np.uint8)
    clear = tiled(write_slide(tmp_path / "c.tif", IMAGE), tmp_path, "clear")
    found = tiled(write_slide(tmp_path / "y.tif", yellow), tmp_path, "yellow")
    assert (found[1] ^ clear[1]).sum() < 0.02 * clear[1].sum()
    [line] = found[2]["warnings"]
    assert "its glass is not clear" in line
    assert f"y.tif: {line}" in caplog.text
    whole = tiled(tmp_path / "y.tif", tmp_path, "all", tissue="all")
    assert whole[2]["warnings"] == [line]
    described = json.loads((tmp_path / "yellow.geojson").read_text())["nucwsi"]
    assert line in json.dumps(described, ensure_ascii=False)


@pytest.mark.parametrize("level", [0, 12, 45])
def test_a_dark_slide_is_refused_and_leaves_nothing(tmp_path, level):
    """Black, nearly black, and a dark background with a signal; no side is whole cells long."""
    dark = np.full((1100, 1300, 3), level, np.uint8)
    dark[300:360, 400:460, 2] = 220
    slide = write_slide(tmp_path / "dark.tif", dark)
    with pytest.raises(SlideError, match="has a dark background, as in fluorescence, or is black"):
        tiled(slide, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dark.tif"]


@pytest.mark.parametrize(
    ("name", "area_mm2"), [("pure_black.svs", None), ("yellow_glass.tif", 0.29)]
)
def test_slides_that_were_wrong(shared, tmp_path, name, area_mm2):
    slide = shared / "faults" / "slides" / name
    if not slide.is_file():
        pytest.skip(f"{slide} does not exist")
    if area_mm2 is None:
        with pytest.raises(SlideError, match="is black"):
            tiled(slide, tmp_path)
        return
    *_, facts, _ = tiled(slide, tmp_path)
    assert facts["tissue_um2"] / 1e6 == pytest.approx(area_mm2, abs=0.01)
    assert "(242, 224, 200)" in facts["warnings"][0]


def test_a_tile_without_data_is_lost_in_tissue_and_glass_in_glass(tmp_path, caplog):
    sound = tiled(write_slide(tmp_path / "sound.tif", IMAGE), tmp_path)[2]
    # Tile 15 of 6 columns lies in the middle of the tissue, tile 12 on the glass at the left.
    slide = write_slide(tmp_path / "glass.tif", IMAGE)
    glass = tiled(damage(slide, "missing", tile=12), tmp_path, "glass")[2]
    assert (glass["status"], glass["tissue_um2"]) == ("ok", sound["tissue_um2"])
    assert not caplog.messages
    for name, levels in (("with", (1, 4)), ("without", (1,))):
        slide = write_slide(tmp_path / f"{name}.tif", IMAGE, levels=levels)
        facts = tiled(damage(slide, "missing", tile=15), tmp_path, name)[2]
        assert facts["status"] == "degraded"
        assert len(facts["bad_tiles"]) == 1
        assert facts["tissue_um2"] < sound["tissue_um2"]
        assert "no data for the tile at row 512, column 768 (256 x 256 level-0 px)" in caplog.text
        caplog.clear()


def test_a_slide_without_most_of_its_tissue_is_refused(tmp_path):
    slide = write_slide(tmp_path / "hollow.tif", IMAGE)
    for tile_number in (8, 9, 10, 14, 15, 16, 20, 21, 22):
        damage(slide, "missing", tile=tile_number)
    with pytest.raises(SlideError, match="no data for more than half of its tissue"):
        tiled(slide, tmp_path)


def test_the_scene_and_what_contradicts_stand_in_the_facts(tmp_path):
    slide = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(slide, ome=True) as writer:
        for size in (0.25, 0.3):
            axes = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
            resolution = {"resolution": (5e4, 5e4), "resolutionunit": "CENTIMETER"}
            writer.write(IMAGE, photometric="rgb", tile=(256, 256), metadata=axes, **resolution)
    with pytest.raises(SlideError, match="holds 2 scenes"):
        tiled(slide, tmp_path)
    facts = tiled(slide, tmp_path, scene="2")[2]
    assert (facts["scene"], facts["frame"]["level0_mpp"]) == ("2", [0.3, 0.3])
    assert facts["warnings"] == [
        "mpp 0.3 µm (ome) and 0.2 µm (tiff) do not fit each other; the first is used"
    ]
    sound = tiled(write_slide(tmp_path / "sound.tif", IMAGE), tmp_path, "sound")[2]
    assert not {"scene", "warnings"} & set(sound)

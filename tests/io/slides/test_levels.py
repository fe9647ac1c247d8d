"""Levels of every door: what does not show level 0, where level 0 shows it, is no level."""

import shutil
import struct

import numpy as np
import pytest
import tifffile
from slides_made import APERIO, picture, shrunk

from nucwsi.grid import Window
from nucwsi.io.slides.slide import open_slide

IMAGE = picture()
SMALL = shrunk(IMAGE, 4)
OPTIONS = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}


def with_level(path, image, level, *, subifds=False):
    """Write a slide of two levels: Aperio's, with SubIFDs, or with a page for each."""
    first, second = dict(OPTIONS), dict(OPTIONS)
    if path.suffix == ".svs":
        height, width = image.shape[:2]
        first["description"] = APERIO.format(height=height, width=width, power=40) + "|MPP = 0.25"
    else:
        second["subfiletype"] = 1
    if subifds:
        first["subifds"] = 1
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, **first)
        tiff.write(level, **second)
    return path


def padded(image, tile=256, colour=255):
    height, width = (-(-side // tile) * tile for side in image.shape[:2])
    whole = np.full((height, width, 3), colour, np.uint8)
    whole[: image.shape[0], : image.shape[1]] = image
    return whole


DOORS = [("page.tif", False), ("subifd.tif", True), ("openslide.svs", False)]


@pytest.mark.parametrize(("name", "subifds"), DOORS)
def test_a_sound_level_is_believed_without_a_word(tmp_path, caplog, name, subifds):
    with open_slide(with_level(tmp_path / name, IMAGE, SMALL, subifds=subifds)) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (4.0, 4.0)]
    assert not caplog.messages


@pytest.mark.parametrize("colour", [255, 0])
@pytest.mark.parametrize(("name", "subifds"), DOORS)
def test_a_level_with_whole_tiles_at_its_edge_does_not_move_anything(
    tmp_path, name, subifds, colour
):
    level = padded(SMALL, colour=colour)
    with open_slide(with_level(tmp_path / name, IMAGE, level, subifds=subifds)) as slide:
        for number, described in enumerate(slide.levels):
            down = described.downsample[0]
            assert described.downsample == (down, down)
            assert described.shape == tuple(-(-side // int(down)) for side in IMAGE.shape[:2])
            pixels, _ = slide.read(number, Window(0, 0, *described.shape))
            expected = IMAGE if number == 0 else SMALL
            assert np.abs(pixels.astype(int) - expected).mean() < 3


OTHERS = {
    "another scene": shrunk(picture(seed=3)[:, ::-1], 4),
    "shifted": np.roll(SMALL, 8, axis=0),
    "blank": np.full_like(SMALL, 244),
    "black": np.zeros_like(SMALL),
    "cut": SMALL[:200],
    "padded as if square": padded(shrunk(IMAGE, 5)),
}


@pytest.mark.parametrize(("name", "subifds"), DOORS)
@pytest.mark.parametrize("kind", OTHERS)
def test_a_level_that_shows_something_else_is_left_out(tmp_path, name, subifds, kind):
    level = np.ascontiguousarray(OTHERS[kind])
    with open_slide(with_level(tmp_path / name, IMAGE, level, subifds=subifds)) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0)]


def test_levels_after_one_that_is_left_out_are_read_under_their_new_numbers(tmp_path, caplog):
    path = tmp_path / "three.tif"
    with tifffile.TiffWriter(path) as tiff:
        for number, pixels in enumerate((IMAGE, shrunk(picture(seed=3)[:, ::-1], 2), SMALL)):
            tiff.write(pixels, subfiletype=min(number, 1), **OPTIONS)
    with open_slide(path) as slide:
        assert [level.downsample[0] for level in slide.levels] == [1.0, 4.0]
        pixels, _ = slide.read(1, Window(0, 0, *SMALL.shape[:2]))
    assert np.abs(pixels.astype(int) - SMALL).mean() < 3
    assert "level 1 of 550 x 650 px is left out" in caplog.text


def test_a_dicom_slide_whose_small_levels_keep_whole_tiles(shared, tmp_path):
    folder = tmp_path / "padded"
    shutil.copytree(shared / "slides" / "hard" / "wrong-colour-dicom", folder)
    for path in folder.iterdir():
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        for total, side in (
            (b"\x48\x00\x07\x00UL", b"\x28\x00\x10\x00US"),
            (b"\x48\x00\x06\x00UL", b"\x28\x00\x11\x00US"),
        ):
            place = data.find(total) + 8
            (length,) = struct.unpack_from("<I", data, place)
            (tile,) = struct.unpack_from("<H", data, data.find(side) + 8)
            if not path.name.startswith("level-0"):
                struct.pack_into("<I", data, place, -(-length // tile) * tile)
        path.write_bytes(data)
    with open_slide(folder / "level-0-frames-0-30.dcm") as slide:
        assert [level.downsample for level in slide.levels[:3]] == [(d, d) for d in (1.0, 2.0, 4.0)]
        fine, _ = slide.read(0, Window(800, 600, 800, 800))
        coarse, _ = slide.read(2, Window(200, 150, 200, 200))
    # OpenSlide interpolates here, which a shift of four pixels exceeds by far.
    here, away = (
        np.abs(shrunk(fine, 4).astype(int) - np.roll(coarse, shift, axis=0)).mean()
        for shift in (0, 4)
    )
    assert here < 0.6 * away


def test_no_level_of_the_real_slides_is_left_out(shared, caplog):
    expected = {"lung-scc.svs": 2, "hard/two_regions_bounds.scn": 2}
    expected["hard/wrong-colour-dicom/level-0-frames-0-30.dcm"] = 12
    for name, count in expected.items():
        with open_slide(shared / "slides" / name) as slide:
            assert len(slide.levels) == count
    assert not caplog.messages

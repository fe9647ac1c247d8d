"""TIFFs without a vendor: every kind gives its pixels, and only levels are taken for levels."""

import numpy as np
import pytest
import tifffile
from slides_made import (
    check_against_openslide,
    damage,
    picture,
    shrunk,
    write_slide,
)

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.slides.tiff import TiffReader

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slides")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": (2, 2)},
        {"subsampling": (2, 1)},
        {"compressionargs": {"level": 60}},
        {"compressionargs": {"outcolorspace": "rgb"}, "tile": (240, 240)},
    ],
)
def test_pixels_are_openslides_to_the_bit(folder, options):
    path = write_slide(folder / "made.tif", IMAGE, **options)
    with open_slide(path) as slide:
        assert slide.vendor == "tiff"
        check_against_openslide(slide, path, 4)


LOSSLESS = {
    "lzw": {"compression": "lzw"},
    "deflate, predicted": {"compression": "deflate", "predictor": True},
    "uncompressed": {"compression": None},
    "webp": {"compression": "webp", "compressionargs": {"lossless": True}},
    "jpeg xl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "jpeg 2000": {"compression": "jpeg2000"},
    "subifds": {"compression": "lzw", "subifds": True},
    "strips": {"compression": "lzw", "tile": None, "rowsperstrip": 48},
    "one strip": {"compression": None, "tile": None, "levels": (1,)},
    "planar": {"compression": "lzw", "planarconfig": "separate"},
    "planar strips": {
        "compression": "lzw",
        "planarconfig": "separate",
        "tile": None,
        "rowsperstrip": 48,
    },
}


def written(path, image, planarconfig="contig", **options):
    """Write a slide; planes are handed to tifffile apart."""
    if planarconfig == "contig":
        return write_slide(path, image, **options)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return write_slide(path, planes, planarconfig=planarconfig, levels=(1,), **options)


@pytest.mark.parametrize("options", LOSSLESS.values(), ids=LOSSLESS)
def test_every_kind_of_tiff_gives_its_pixels(folder, options):
    path = written(folder / "kind.tif", IMAGE, **options)
    with open_slide(path) as slide:
        assert slide.claims[0].rows == pytest.approx(0.25)
        pixels, bad = slide.read(0, WHOLE)
        assert not bad
        np.testing.assert_array_equal(pixels, IMAGE)
        if len(slide.levels) > 1:
            small = shrunk(IMAGE, 4)
            assert slide.levels[1].downsample == (4.0, 4.0)
            np.testing.assert_array_equal(slide.read(1, Window(0, 0, *small.shape[:2]))[0], small)


def test_an_ome_tiff_with_a_pyramid_in_subifds(folder):
    path = folder / "pyramid.ome.tif"
    axes = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    write_slide(path, IMAGE, unit=None, subifds=True, compression="lzw", metadata=axes)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (4.0, 4.0)]
        assert (slide.claims[0].rows, slide.claims[0].source) == (0.5, "ome")
        np.testing.assert_array_equal(slide.read(0, WHOLE)[0], IMAGE)


def test_levels_missing_in_the_middle(folder):
    path = write_slide(folder / "gap.tif", IMAGE, levels=(1, 16))
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [(1.0, 1.0), (16.0, 16.0)]


@pytest.mark.parametrize(("other", "subfiletype"), [(picture(300, 280), 1), (shrunk(IMAGE, 16), 0)])
def test_another_picture_is_no_level(folder, other, subfiletype):
    """A label has another shape; a second scan is not marked as a reduced copy."""
    path = folder / "other.tif"
    options = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(IMAGE, **options)
        writer.write(other, subfiletype=subfiletype, **options)
    with open_slide(path) as slide:
        assert len(slide.levels) == 1


def with_scenes(path, images, *, subifds=False, ome=False):
    options = {"photometric": "rgb", "tile": (256, 256), "compression": "lzw", "metadata": None}
    with tifffile.TiffWriter(path, ome=ome) as writer:
        for number, image in enumerate(images):
            first = options | ({"subifds": 1} if subifds else {})
            if ome:
                size = 0.25 + number / 10
                named = {"PhysicalSizeX": size, "PhysicalSizeY": size, "Name": f"scan {number}"}
                first |= {"metadata": {"axes": "YXS"} | named}
            writer.write(image, **first)
            writer.write(shrunk(image, 4), subfiletype=1, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pages.tif", {}),
        ("subifds.tif", {"subifds": True}),
        ("named.ome.tif", {"subifds": True, "ome": True}),
    ],
)
@pytest.mark.parametrize(
    "second", [picture(seed=1), picture(900, 1000, seed=1), picture(1300, 1100, seed=1)]
)
def test_of_several_scenes_one_is_chosen_and_never_the_largest_in_silence(
    folder, name, options, second
):
    images = [IMAGE, second]
    path = with_scenes(folder / name, images, **options)
    with pytest.raises(SlideError, match=r"holds 2 scenes \(1: .*1100 x 1300 px.*, 2: ") as caught:
        open_slide(path)
    assert "choose one with --scene NUMBER, or in a column `scene`" in str(caught.value)
    for number, image in enumerate(images):
        with open_slide(path, str(number + 1)) as slide:
            assert slide.scene == str(number + 1)
            assert [level.downsample[0] for level in slide.levels] == [1.0, 4.0]
            pixels, _ = slide.read(0, Window(0, 0, *image.shape[:2]))
            np.testing.assert_array_equal(pixels, image)
            pixels, _ = slide.read(1, Window(0, 0, *slide.levels[1].shape))
            np.testing.assert_array_equal(pixels, shrunk(image, 4))
            if "ome" in options:
                assert slide.claims[0].rows == pytest.approx(0.25 + number / 10)
    if "ome" in options:
        with open_slide(path, "scan 1") as slide:
            assert slide.scene == "2"
    for wrong in ("0", "3", "-1", "scan 7", "", "\N{SUPERSCRIPT TWO}"):
        with pytest.raises(SlideError, match="has no scene"):
            open_slide(path, wrong)


def test_a_single_scene_may_be_named_and_photographs_are_none(folder):
    path = folder / "beside.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, image in (("scan", IMAGE), ("label", picture(700, 700)), ("macro", IMAGE[:600])):
            writer.write(
                image,
                photometric="rgb",
                tile=(256, 256),
                compression="lzw",
                metadata={"axes": "YXS", "Name": name},
            )
    for scene in (None, "1", "scan"):
        with open_slide(path, scene) as slide:
            assert (slide.scene, slide.levels[0].shape) == ("", (1100, 1300))


def test_a_smaller_level_hides_nothing_that_level_0_shows(folder):
    """Level 0 lacks one tile, and the smaller level another part."""
    path = write_slide(folder / "holes.tif", IMAGE)
    damage(path, "missing", tile=0)
    with open_slide(damage(path, "missing", level=1, tile=1)) as slide:
        assert len(slide.levels) == 1
        assert slide.missing.tolist() == [[0, 0, 256, 256]]


def test_a_smaller_level_with_a_hole_does_not_hide_tissue(folder):
    path = damage(write_slide(folder / "hole.tif", IMAGE), "missing", level=1, tile=0)
    with open_slide(path) as slide:
        assert len(slide.levels) == 1


@pytest.mark.parametrize(
    ("rows", "columns"), [(0.25, 0.25 * 1.015), (0.25 * 1.015, 0.25), (0.25, 0.75)]
)
def test_rows_and_columns_have_each_their_own_size(folder, rows, columns):
    path = folder / "oblong.tif"
    resolution = {"resolution": (1e4 / columns, 1e4 / rows), "resolutionunit": "CENTIMETER"}
    write_slide(path, IMAGE, unit=None, **resolution)
    reader = TiffReader(path)
    [claim] = reader.claims
    reader.close()
    assert (claim.rows, claim.columns) == (pytest.approx(rows), pytest.approx(columns))
    axes = {"axes": "YXS", "PhysicalSizeX": columns, "PhysicalSizeY": rows}
    write_slide(path.with_suffix(".ome.tif"), IMAGE, unit=None, levels=(1,), metadata=axes)
    reader = TiffReader(path.with_suffix(".ome.tif"))
    claim = reader.claims[0]
    reader.close()
    assert (claim.rows, claim.columns, claim.source) == (rows, columns, "ome")


def test_what_is_no_tiff_is_refused_by_name(folder):
    path = folder / "text.tif"
    path.write_text("no TIFF")
    with pytest.raises(SlideError, match=r"text\.tif: is not a slide that OpenSlide or tifffile"):
        TiffReader(path)

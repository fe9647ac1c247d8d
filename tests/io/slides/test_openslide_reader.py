"""Slides of vendors: OpenSlide's pixels to the bit, and a handle for each thread."""

import threading

import numpy as np
import openslide
import pytest
import tifffile
from slides_made import (
    APERIO,
    check_against_openslide,
    damage,
    picture,
    shrunk,
    write_aperio,
    write_slide,
)

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.io.slides.openslide_reader import OpenSlideReader, open_vendor
from nucwsi.io.slides.slide import open_slide

IMAGE = picture()
WHOLE = Window(0, 0, *IMAGE.shape[:2])

#: Tile 8 of 6 columns of 256 px: the second row, the third column.
BAD = Window(256, 512, 256, 256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slides")


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "lung-scc.svs"])
def test_real_pixels_are_openslides_to_the_bit(shared, name):
    path = shared / "slides" / name
    with open_slide(path) as slide:
        assert slide._reader._pages[0] is not None, "the fast path is taken"
        check_against_openslide(slide, path)


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
def test_made_pixels_are_openslides_to_the_bit(folder, options):
    path = write_aperio(folder / "made.svs", IMAGE, **options)
    with open_slide(path) as slide:
        assert all(page.jpeg for page in slide._reader._pages), "the fast path is taken"
        check_against_openslide(slide, path, 4)


def test_a_tiff_without_a_vendor_is_left_to_tifffile(folder):
    assert open_vendor(write_slide(folder / "plain.tif", IMAGE)) is None
    reader = open_vendor(write_aperio(folder / "aperio.svs", IMAGE, power=20))
    assert (reader.vendor, reader.objective_power) == ("aperio", 20)
    reader.close()


def test_levels_have_the_tiles_of_the_file(folder):
    options = {"tile": (240, 272)}
    for compression in ("jpeg", 33005):
        path = write_aperio(folder / "tiles.svs", IMAGE, compression=compression, **options)
        with open_slide(path) as slide:
            assert {level.tile_shape for level in slide.levels} == {(240, 272)}


def test_a_smaller_level_with_a_hole_is_filled_from_level_0(folder):
    path = damage(write_aperio(folder / "hole.svs", IMAGE), "missing", level=1, tile=0)
    with open_slide(path) as slide:
        pixels, bad = slide.read(1, Window(0, 0, 275, 325))
        assert not bad
        assert abs(pixels.astype(int) - shrunk(IMAGE, 4)).mean() < 3


def test_threads_read_through_handles_of_their_own(folder):
    path = damage(write_aperio(folder / "threads.svs", IMAGE, compression=33005), "zeroed", tile=8)
    with open_slide(path) as slide:
        expected, _ = slide.read(0, WHOLE)
    answers = []
    with open_slide(path) as slide:

        def work():
            answers.extend(slide.read(0, WHOLE) for _ in range(3))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(slide._reader._handles) <= 4
    assert len(answers) == 9
    for pixels, bad in answers:
        assert bad == [BAD]
        np.testing.assert_array_equal(pixels, expected)


def test_bounds_and_the_gap_of_a_scan_with_two_regions(shared):
    with open_slide(shared / "slides" / "hard" / "two_regions_bounds.scn") as slide:
        assert slide.vendor == "leica"
        assert slide.bounds == Window(900, 1500, 7372, 8548)
        assert slide.claims[0].rows == 0.25
        for level, down in ((0, 1), (1, 4)):
            gap, bad = slide.read(level, Window(4600 // down, 5000 // down, 200, 200))
            assert not bad
            assert (gap == 255).all()
        scan, _ = slide.read(0, Window(7000, 9000, 200, 200))
        assert scan.min() < 200


def test_one_region_of_a_scan_can_be_chosen(shared):
    path = shared / "slides" / "hard" / "two_regions_bounds.scn"
    with open_slide(path) as slide:
        assert (slide.scene, len(slide.scenes)) == ("", 2)
        assert slide.bounds == Window(900, 1500, 7372, 8548)
    with open_slide(path, "2") as slide:
        assert (slide.scene, slide.bounds) == ("2", Window(5200, 8000, 3072, 2048))
    with pytest.raises(SlideError, match=r"scn: has no scene '3' but 1: 3072 x 3072 px at row 900"):
        open_slide(path, "3")


def test_two_scans_in_aperios_file_are_not_one_pyramid(folder):
    path = folder / "two.svs"
    with tifffile.TiffWriter(path) as tiff:
        for image in (IMAGE, picture(900, 1000, seed=2)):
            height, width = image.shape[:2]
            text = APERIO.format(height=height, width=width, power=40) + "|MPP = 0.25"
            for level in (image, shrunk(image, 4)):
                tiff.write(
                    level,
                    photometric="rgb",
                    tile=(256, 256),
                    compression="jpeg",
                    metadata=None,
                    description=text,
                )
    with pytest.raises(SlideError, match=r"holds 2 scenes \(1: 'Baseline' \(1100 x 1300 px\), 2: "):
        open_slide(path)
    with open_slide(path, "2") as slide:
        assert slide.levels[0].shape == (900, 1000)
        assert slide.claims[0].rows == 0.25


def test_a_dicom_file_finds_the_others_through_a_link(shared, tmp_path):
    series = shared / "slides" / "hard" / "wrong-colour-dicom"
    link = tmp_path / "linked.dcm"
    link.symlink_to(series / "level-2-frames-0-4.dcm")
    with open_slide(link) as slide:
        assert len(slide.levels) == 12
    # Links of all files to places where each lies by itself, as some archives keep them.
    links = tmp_path / "links"
    links.mkdir()
    for number, path in enumerate(sorted(series.iterdir())):
        (tmp_path / str(number)).mkdir()
        copy = tmp_path / str(number) / "content"
        copy.write_bytes(path.read_bytes())
        (links / path.name).symlink_to(copy)
    with open_slide(links / "level-1-frames-0-9.dcm") as slide:
        assert len(slide.levels) == 12


def test_a_dicom_file_without_the_others_says_so(shared, tmp_path):
    name = "level-2-frames-0-4.dcm"
    path = tmp_path / name
    path.write_bytes((shared / "slides" / "hard" / "wrong-colour-dicom" / name).read_bytes())
    with pytest.raises(SlideError, match=r"level-2.*is a smaller copy \(741 x 555 px\) of a DICOM"):
        open_slide(path)


def test_the_folder_of_a_mirax_slide_must_be_there(tmp_path):
    path = tmp_path / "scan.mrxs"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(SlideError, match=r"scan\.mrxs: its pixels are not there; expected the fo"):
        open_slide(path)


def test_rows_and_columns_have_each_their_own_size(folder, monkeypatch):
    path = write_aperio(folder / "oblong.svs", IMAGE[:300, :300])
    with openslide.OpenSlide(path) as handle:
        told = {**handle.properties, "openslide.mpp-y": "0.25", "openslide.mpp-x": "0.25375"}
    monkeypatch.setattr(openslide.OpenSlide, "properties", told)
    with open_slide(path) as slide:
        [claim] = slide.claims
    assert (claim.rows, claim.columns, claim.source) == (0.25, 0.25375, "vendor")


def test_pixels_for_which_memory_is_short_are_not_bad(folder, monkeypatch):
    def short(*_):
        raise openslide.OpenSlideError("Cannot allocate memory")

    monkeypatch.setattr(OpenSlideReader, "_page", lambda *_: None)
    with open_slide(write_aperio(folder / "short.svs", IMAGE[:300, :300])) as slide:
        monkeypatch.setattr(openslide.OpenSlide, "read_region", short)
        with pytest.raises(MemoryError, match="allocate"):
            slide.read(0, Window(0, 0, 300, 300))

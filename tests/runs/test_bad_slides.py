"""Slides that cannot be analysed, given to the real command line.

Each ends in one clear line and a non-zero exit code, and leaves no half-made file.
"""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from commands import refused, succeeded
from slides_made import picture, write_aperio, write_slide

IMAGE = picture(700, 800)


@pytest.fixture
def tile_refused(tmp_path, tiny_member):
    """Run `tile` on what must be refused; return its line."""

    def words(slide, *options):
        folder = tmp_path / "results"
        outlines = ("--tissue-output", folder / "tissue.geojson")
        return (
            *("tile", slide, "-o", folder / "tiles.zarr.zip", *outlines),
            *("--member", tiny_member, *options),
        )

    def tile(slide, *options):
        line = refused(*words(slide, *options))
        assert str(slide) in line
        assert not (tmp_path / "results").exists(), "nothing is left behind"
        return line

    tile.words = words
    return tile


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("boxes.tiff", (), "mpp 352.778 µm (tiff) is not usable, the resolution of a screen"),
        ("boxes.tiff", ("--mpp", "2"), "too coarse for a model of 0.5 µm per pixel"),
        ("low-resolution.dcm", (), "mpp 16.783 µm (vendor) is not usable, coarser than 5"),
        ("unopenable.tiff", (), "is compressed as 52479, which is not read"),
        ("unopenable.tiff", ("--mpp", "0.5"), "is compressed as 52479, which is not read"),
        ("unreadable.svs", (), "100.0% of it cannot be read, more than max_bad_tiles = 5.0%; copy"),
        ("zero-size.tif", (), "holds no image; is it whole? Copy it again"),
        ("wrong-colour-dicom", (), "is a folder; name one slide in it"),
        ("wrong-colour-dicom/level-0-frames-0-30.dcm", (), "its colours are false"),
        ("wrong-colour-dicom/level-3-frames-0-1.dcm", (), "its colours are false"),
    ],
)
def test_hard_slides_are_refused(shared, tile_refused, name, options, message):
    assert message in tile_refused(shared / "slides" / "hard" / name, *options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page, not a slide"),
        (b"\xef\xbb\xbf<HTML></HTML>", "a web page, not a slide"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web server"),
        (b"MM\0*" + bytes(500), "holds no image; is it whole? Copy it again"),
        (bytes(4096), "is it whole, and of the type that its name says?"),
        (b"slide\tpath\n", "is it whole, and of the type that its name says?"),
    ],
)
def test_what_only_has_the_name_of_a_slide(tmp_path, tile_refused, content, message):
    path = tmp_path / "named.svs"
    path.write_bytes(content)
    assert message in tile_refused(path)


def test_a_slide_that_does_not_exist_or_may_not_be_read(tmp_path, tile_refused):
    slide = tmp_path / "slide.svs"
    slide.touch()
    assert "does not exist; check the path" in tile_refused(tmp_path / "none.svs")
    assert "cannot be read: Not a directory" in tile_refused(slide / "b.svs")
    assert "is a folder" in tile_refused(tmp_path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
@pytest.mark.parametrize("make", [write_slide, write_aperio])
def test_truncated_slides(tmp_path, tile_refused, share, make):
    path = make(tmp_path / "cut.svs", IMAGE)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    line = tile_refused(path)
    assert "is it whole" in line or "cannot be read, more than" in line


def test_a_real_slide_truncated(shared, tmp_path, tile_refused):
    content = (shared / "slides" / "CMU-1-Small-Region.svs").read_bytes()
    path = tmp_path / "cut.svs"
    path.write_bytes(content[: int(0.6 * len(content))])
    assert "is it whole" in tile_refused(path)


def test_a_missing_mpp_names_the_line_to_add(tmp_path, tile_refused, tiny_member):
    path = write_slide(tmp_path / "nompp.tif", IMAGE, unit=None)
    line = tile_refused(path)
    assert "does not say how large its pixels are" in line
    assert f"column `mpp` and the line `NAME<tab>{path}<tab>0.25`" in line
    assert "add --mpp 0.25 on the command line" in line
    succeeded(*tile_refused.words(path, "--mpp", "0.25"))


@pytest.mark.parametrize(
    ("write_it", "options", "message"),
    [
        (write_aperio, {"mpp": 0}, "mpp 0 µm (vendor) is not usable, expected 0.05 to 5"),
        (write_aperio, {"mpp": "nan"}, "usable"),
        (write_aperio, {"mpp": None}, "only its objective power, 40"),
        (write_slide, {"mpp": 25400 / 72, "unit": "INCH"}, "the resolution of a screen"),
        (write_slide, {"unit": "NONE"}, "does not say how large its pixels are"),
    ],
)
def test_a_senseless_mpp(tmp_path, tile_refused, write_it, options, message):
    line = tile_refused(write_it(tmp_path / "mpp.svs", IMAGE, **options))
    assert message in line or "does not say" in line
    assert "column `mpp` and the line" in line


@pytest.mark.parametrize("value", ["0", "nan", "-1", "352.78"])
def test_a_senseless_mpp_of_the_user(tmp_path, tile_refused, value):
    path = write_slide(tmp_path / "slide.tif", IMAGE)
    assert "µm (override) is not usable" in tile_refused(path, "--mpp", value)


def test_fluorescence(tmp_path, tile_refused):
    dark = 255 - IMAGE
    line = tile_refused(write_slide(tmp_path / "dark.tif", dark))
    assert (
        "has a dark background, as in fluorescence, or is black; nucwsi analyses brightfield"
        in line
    )
    stack = np.stack([IMAGE[..., 0]] * 4).astype(np.uint16)
    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(path, stack, ome=True, photometric="minisblack", metadata={"axes": "CYX"})
    assert "1 channels of uint16; expected brightfield RGB" in tile_refused(path)


def test_no_traceback_from_a_shell(tmp_path):
    """In a process of its own, the line stands alone on stderr, and nothing on stdout."""
    (tmp_path / "slide.svs").write_bytes(b"<html></html>")
    command = [
        sys.executable,
        "-c",
        "from nucwsi.cli.commands import main; main()",
        "tile",
        "slide.svs",
    ]
    ran = subprocess.run(
        [*command, "-o", "t.zarr.zip", "--tissue-output", "t.geojson"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr == ("nucwsi tile: slide.svs: is a web page, not a slide; download it again\n")

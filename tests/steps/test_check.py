"""`check` says what every slide is before the first job, and why some cannot be analysed."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from slides_made import picture, write_aperio, write_slide

from nucwsi.cli.commands import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sound slide, one that does not state its mpp, glass without tissue, and a torn file."""
    folder = tmp_path_factory.mktemp("slides")
    image = picture()
    write_aperio(folder / "sound.svs", image, mpp=0.25)
    write_slide(folder / "unscaled.tif", image, unit=None)
    write_slide(folder / "glass.tif", np.full((600, 600, 3), 240, np.uint8))
    (folder / "torn.svs").write_bytes((folder / "sound.svs").read_bytes()[:5000])
    return folder


def checked(*words):
    return CliRunner().invoke(main, ["check", *map(str, words)])


def test_a_sound_slide_is_described(folder):
    ran = checked(folder / "sound.svs")
    assert ran.exit_code == 0
    told = ran.output.splitlines()
    assert told[0].startswith("sound: aperio, 2 levels (1300 x 1100, 325 x 275), 0.25 µm per pixel")
    assert told[0].endswith("mm² of tissue")
    assert told[-1] == "1 of 1 slides can be analysed"


def test_every_slide_of_a_folder_has_its_verdict_and_one_bad_is_exit_code_1(folder):
    ran = checked(folder)
    assert ran.exit_code == 1
    assert "glass: tiff" in ran.output
    assert "look at: no tissue is found" in ran.output
    assert "unscaled: cannot be analysed" in ran.output
    assert "does not say how large its pixels are" in ran.output
    assert "torn: cannot be analysed" in ran.output
    assert ran.output.splitlines()[-1] == "2 of 4 slides can be analysed"
    assert "Traceback" not in ran.output


def test_a_sheet_may_name_files_that_are_missing(folder, tmp_path):
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\tmpp\na\t{folder}/unscaled.tif\t0.5\nb\t{folder}/gone.svs\t\n")
    ran = checked(sheet)
    assert ran.exit_code == 1
    assert "a: tiff, 2 levels (1300 x 1100, 325 x 275), 0.5 µm per pixel" in ran.output
    assert "b: cannot be analysed" in ran.output
    assert "gone.svs: does not exist" in ran.output


def test_a_plain_picture_is_a_slide_once_its_mpp_is_known(folder, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    ran = checked(tmp_path / "a.png")
    assert ran.exit_code == 1
    assert "does not say how large its pixels are" in ran.output
    ran = checked(tmp_path, "--mpp", "0.25")
    assert ran.exit_code == 0
    assert "a: png, 1 levels (1300 x 1100), 0.25 µm per pixel (override)" in ran.output


def test_the_tissue_is_that_which_tile_finds(folder, tmp_path):
    from nucwsi.io.regions.geojson import read_tissue

    outputs = ("-o", tmp_path / "t.zarr.zip", "--tissue-output", tmp_path / "t.geojson")
    ran = CliRunner().invoke(main, [*map(str, ("tile", folder / "sound.svs", *outputs))])
    assert ran.exit_code == 0, ran.output
    facts, _ = read_tissue(tmp_path / "t.geojson")
    assert f" {facts.tissue_um2 / 1e6:.3g} mm² of tissue" in checked(folder / "sound.svs").output

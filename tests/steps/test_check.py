"""`check` says what every slide is before the first job, and why some cannot be analysed."""

import json

import numpy as np
import pytest
import shapely
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


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("regions", '{"type": "FeatureCollection", "features": [{', "is not GeoJSON"),
        ("regions", '{"type": "FeatureCollection", "features": []}', "holds no region"),
        ("answers", "number;kind\n1;2\n", "expected `id` and `class`"),
        ("nuclei", '[{"type": "Feature", "geometry": 3}]', "holds 3 as `geometry`"),
    ],
)
def test_a_file_beside_a_slide_that_no_job_could_read_is_a_fault(
    folder, tmp_path, column, text, said
):
    named = tmp_path / ("a.csv" if column == "answers" else "a.geojson")
    named.write_text(text)
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\t{column}\na\t{folder}/sound.svs\t{named}\n")
    ran = checked(sheet)
    assert ran.exit_code == 1
    assert said in ran.output, ran.output
    assert "a: cannot be analysed" in ran.output


def test_regions_that_lie_off_the_slide_are_looked_at(folder, tmp_path):
    shape = shapely.geometry.mapping(shapely.box(1000, 800, 9000, 8000))
    drawn = [{"type": "Feature", "geometry": shape, "properties": {"name": "one"}}]
    named = tmp_path / "a.geojson"
    named.write_text(json.dumps({"type": "FeatureCollection", "features": drawn}))
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\tregions\na\t{folder}/sound.svs\t{named}\n")
    for words in ((), ("--only-regions",)):
        ran = checked(sheet, *words)
        assert ran.output.count("of its area lies outside the slide") == 1, ran.output


def test_a_mask_that_marks_everything_is_looked_at(folder, tmp_path):
    for name, marked in (("all.png", 255), ("some.png", np.eye(110, 130) * 255)):
        Image.fromarray(np.full((110, 130), marked, np.uint8)).save(tmp_path / name)
        ran = checked(folder / "sound.svs", "--tissue", tmp_path / name)
        told = "all.png marks all of the slide as tissue, glass too, as `all` does"
        assert (told in ran.output) == (name == "all.png"), ran.output

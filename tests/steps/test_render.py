"""`render`: the viewer's folder, and what it refuses."""

import json

import pytest
from commands import refused
from shown import phantom_nuclei, write_results

from nucwsi.config import RenderSettings
from nucwsi.errors import StoreError
from nucwsi.steps.render import render


def test_a_viewer_of_another_slide_is_refused(small_slide, tmp_path):
    folder = write_results(
        small_slide, tmp_path / "small", phantom_nuclei(keep=3), slide_checksum="0"
    )
    output = folder / "viewer" / "index.html"
    with pytest.raises(StoreError, match=r"was not made from .*small\.tiff"):
        render(small_slide, folder / "nuclei.parquet", output, RenderSettings())
    assert not output.parent.exists()


def test_a_viewer_takes_no_folder_with_other_things(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=3))
    before = sorted(folder.iterdir())
    for output in (folder / "viewer.html", folder / "index.html", tmp_path / "index.html"):
        line = refused("render", small_slide, folder / "nuclei.parquet", "-o", output, code=2)
        assert "folder of its own" in line
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    output = tmp_path / "mine" / "index.html"
    line = refused("render", small_slide, folder / "nuclei.parquet", "-o", output, code=2)
    assert "holds other files" in line
    assert sorted(folder.iterdir()) == before


def test_a_slide_that_is_missing(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=3))
    gone, nuclei = tmp_path / "gone.svs", folder / "nuclei.parquet"
    for verb, output in (("render", folder / "v" / "index.html"), ("assess", tmp_path / "a.json")):
        assert "gone.svs: does not exist" in refused(verb, gone, nuclei, "-o", output)
    line = refused("provenance", nuclei, "-o", tmp_path / "p.json", "--slide", gone)
    assert "gone.svs: does not exist" in line


def test_what_is_shipped_has_its_licence(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=20)) / "viewer"
    nuclei = folder.with_name("nuclei.parquet")
    render(small_slide, nuclei, folder / "index.html", RenderSettings())
    text = (folder / "openseadragon.LICENSE.txt").read_text()
    assert "Redistributions in binary form must reproduce" in text
    facts = (folder / "slide.js").read_text()
    assert json.loads(facts[len("nucwsi.slide(") : -len(");\n")])["name"] == "small"

"""`render`: the viewer's folder, and what it refuses."""

import json
import shutil

import pytest
from commands import refused
from shown import an_assessment, phantom_nuclei, write_results

from nucwsi.config import RenderSettings
from nucwsi.errors import StoreError
from nucwsi.steps import render as module
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


def _inodes(folder, part):
    return {path.name: path.stat().st_ino for path in (folder / part).rglob("*") if path.is_file()}


def test_a_region_that_is_drawn_later_does_not_encode_the_picture_again(
    small_slide, tmp_path, monkeypatch
):
    """As the workflow runs it: it removes the page that it is about to make anew."""
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=20))
    nuclei, viewer = folder / "nuclei.parquet", folder / "viewer"
    render(small_slide, nuclei, viewer / "index.html", RenderSettings())
    (viewer / "worklist.js").write_text("nucwsi.offer({});")
    before = {part: _inodes(viewer, part) for part in ("image", "nuclei")}
    (viewer / "index.html").unlink()
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    drawn = write_results(small_slide, tmp_path / "again", phantom_nuclei(keep=20), ["Tumour"])
    for name in ("small.regions.geojson", "composition.csv"):
        shutil.copy(drawn / name, folder / name)

    def no_picture(*_):
        raise AssertionError("the picture is encoded again")

    monkeypatch.setattr(module, "write_pyramid", no_picture)
    render(small_slide, nuclei, viewer / "index.html", RenderSettings())
    assert '"name":"Tumour"' in (viewer / "regions.js").read_text("utf-8")
    assert {part: _inodes(viewer, part) for part in ("image", "nuclei")} == before
    assert (viewer / "index.html").exists()
    assert (viewer / "worklist.js").read_text() == "nucwsi.offer({});", "a review goes on"
    monkeypatch.undo()

    render(small_slide, nuclei, viewer / "index.html", RenderSettings(quality=50))
    assert _inodes(viewer, "image") != before["image"], "another quality is another picture"
    assert _inodes(viewer, "nuclei") == before["nuclei"]


def test_an_assessment_of_another_slide_is_refused(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=3))
    (folder / "assessment.json").write_bytes(an_assessment(slide_checksum="0").to_json())
    line = refused(
        "render", small_slide, folder / "nuclei.parquet", "-o", folder / "viewer" / "index.html"
    )
    assert "assessment.json: is of another slide" in line
    (folder / "assessment.json").write_text("{}")
    line = refused(
        "render", small_slide, folder / "nuclei.parquet", "-o", folder / "viewer" / "index.html"
    )
    assert "run `nucwsi assess`" in line

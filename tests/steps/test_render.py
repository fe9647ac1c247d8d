"""The viewer's folder, file by file, and the server that shows it."""

import base64
import http.client
import json
import zlib
from contextlib import closing
from urllib.parse import urlsplit

import numpy as np
import pytest
import shapely
import simplejpeg
from commands import refused, run
from shown import painted, served, write_results

from nucwsi.config import RenderSettings
from nucwsi.errors import ConfigError, StoreError
from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import Source
from nucwsi.io.slides.slide import open_slide
from nucwsi.report import pyramid
from nucwsi.report.viewer_tiles import TILE_PX, UNITS, packed_nuclei
from nucwsi.slide.resample import reduced
from nucwsi.steps.render import render
from nucwsi.steps.view import view


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "results" / "small"
    write_results(small_slide, folder, painted(keep=20))
    page = folder / "viewer" / "index.html"
    render(small_slide, folder / "nuclei.parquet", page, RenderSettings())
    return folder.parent


@pytest.mark.parametrize("side", [512, 32])
def test_a_pyramid_shows_the_slide(small_slide, tmp_path, monkeypatch, side):
    """Full resolution where there is tissue, from afar the whole slide; levels are halves."""
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    tissue = np.zeros((50, 66), bool)
    tissue[40, 60] = True
    monkeypatch.setattr(pyramid, "TILE_PX", side)
    with open_slide(small_slide) as slide:
        made = pyramid.write_pyramid(slide, frame, tissue, tmp_path, 95, 1)
        whole = Source(slide, frame).read(Window(0, 0, 800, 1050))[0]
    assert made.max_level == 11
    assert [path.name for path in (tmp_path / "11").iterdir()] == [
        f"{960 // side}_{640 // side}.jpg"
    ]
    for level in range(made.min_level, 12):
        factor = 2 ** (11 - level)
        expected = reduced(whole.transpose(2, 0, 1), factor).transpose(1, 2, 0).astype(int)
        for path in (tmp_path / str(level)).iterdir():
            column, row = map(int, path.stem.split("_"))
            part = expected[row * side :, column * side :][:side, :side]
            seen = simplejpeg.decode_jpeg(path.read_bytes()).astype(int)
            assert seen.shape == part.shape
            sides = seen.shape[:2]
            if 1 < factor < 16:
                # Beside the tissue a magnified overview: right on the whole only.
                seen, part = seen.mean(axis=(0, 1)), part.mean(axis=(0, 1))
            if min(sides) > 2:  # the last cells of an overview reach beyond the slide
                assert np.abs(seen - part).mean() < 5


def test_packed_nuclei_are_what_their_description_says():
    ring = shapely.Polygon([(1030, 2050), (1040, 2050.3), (1035, 2061), (1030, 2050)])
    text = packed_nuclei(
        np.array([1 << 40]), np.array([1], np.uint8), np.array([[0.2, 0.8]]), np.array([9.5]),
        np.array([ring]), (2, 1),
    )  # fmt: skip
    data = zlib.decompress(base64.b64decode(text))
    np.testing.assert_array_equal(np.frombuffer(data, "<u4", 2), [1, 3])
    assert np.frombuffer(data, "<f8", 1, 8) == 1 << 40
    assert np.frombuffer(data, "<f4", 1, 16) == 9.5
    assert np.frombuffer(data, "<u2", 1, 20) == 3
    steps = np.frombuffer(data, "<i2", 6, 22).reshape(3, 2)
    first = (np.array([1030, 2050]) - np.array([1, 2]) * TILE_PX) * UNITS
    np.testing.assert_array_equal(steps, [first, (80, 2), (-40, 86)])
    assert list(data[34:]) == [1, 51, 204]


def test_a_viewer_of_another_slide_is_refused(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=3), slide_checksum="0")
    output = folder / "viewer" / "index.html"
    with pytest.raises(StoreError, match=r"is not of the slide .*small.tiff"):
        render(small_slide, folder / "nuclei.parquet", output, RenderSettings())
    assert not output.parent.exists()


def test_a_viewer_takes_no_folder_with_other_things(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=3))
    before = sorted(folder.iterdir())
    for output in (folder / "viewer.html", folder / "index.html", tmp_path / "index.html"):
        line = refused("render", small_slide, folder / "nuclei.parquet", "-o", output, code=2)
        assert "folder of its own" in line
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    output = tmp_path / "mine" / "index.html"
    line = refused("render", small_slide, folder / "nuclei.parquet", "-o", output, code=2)
    assert "holds files that are no viewer" in line
    assert sorted(folder.iterdir()) == before


def test_a_slide_that_is_missing(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=3))
    gone, nuclei = tmp_path / "gone.svs", folder / "nuclei.parquet"
    for verb, output in (("render", folder / "v" / "index.html"), ("assess", tmp_path / "a.json")):
        assert "gone.svs: does not exist" in refused(verb, gone, nuclei, "-o", output)
    line = refused("provenance", nuclei, "-o", tmp_path / "p.json", "--slide", gone)
    assert "gone.svs: does not exist" in line


def status(address, host=None):
    parts = urlsplit(address)
    server = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    with closing(server):
        server.request("GET", parts.path, headers={"Host": host} if host else {})
        return server.getresponse().status


def test_the_server_is_for_this_computer_and_this_folder(results):
    (results.parent / "secret.txt").write_text("x")
    with served(results) as address:
        assert address.endswith("/small/viewer/index.html")
        base = address.removesuffix("small/viewer/index.html")
        assert status(address) == 200
        port = urlsplit(address).port
        assert status(address, f"localhost:{port}") == 200
        assert status(address, f"evil.example:{port}") == 403, "a name that was pointed at us"
        assert status(f"{base}../secret.txt") == 404
        assert status(f"{base}%2e%2e/secret.txt") == 404
        with pytest.raises(ConfigError, match=f"port {port} cannot be used .* name another"):
            view(results, port=port, ready=print)


def test_the_report_comes_first(results, tmp_path):
    (tmp_path / "report.html").write_text("<!doctype html>")
    with served(tmp_path) as address:
        assert address.endswith("/report.html")
    with served(results / "small") as address:
        assert address.endswith("/viewer/index.html")


def test_nothing_to_view_is_told(tmp_path):
    assert "holds neither report.html nor a viewer" in refused("view", tmp_path)
    assert run("view", tmp_path / "none").exit_code == 2


def test_what_is_shipped_has_its_licence(results):
    folder = results / "small" / "viewer"
    text = (folder / "openseadragon.LICENSE.txt").read_text()
    assert "Redistributions in binary form must reproduce" in text
    facts = (folder / "slide.js").read_text()
    assert json.loads(facts[len("nucwsi.slide(") : -len(");\n")])["name"] == "small"

"""The report: what it says, what it shows, and that no input can break it."""

import base64
import json
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely
import simplejpeg
from commands import succeeded
from conftest import ROOT
from rasterio.features import rasterize
from shown import (
    HOSTILE,
    asked_for,
    assessed,
    chromium,
    colours,
    complaints,
    painted,
    resize,
    write_results,
)

from nucwsi.config import ReportSettings
from nucwsi.errors import StoreError
from nucwsi.phantom.nuclei import CLASSES
from nucwsi.steps.report import report

# --- The page


class Page(HTMLParser):
    """Reads a page as a browser would: elements, addresses and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.addresses, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes), attributes
        self.addresses += [value for name, value in attributes if name in {"src", "href"}]

    def handle_data(self, data):
        self.words.append(data)


def written(folder, *assessments, **settings):
    output = folder / "report.html"
    report(assessments, output, ReportSettings(**settings))
    return output, Page(output.read_text("utf-8"))


@pytest.fixture(scope="module")
def slide_folder(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "results" / "small"
    return write_results(small_slide, folder, painted(), HOSTILE)


@pytest.fixture(scope="module")
def assessment(small_slide, slide_folder):
    return assessed(small_slide, slide_folder)


def test_a_page_holds_all_it_shows(slide_folder, assessment, tmp_path):
    output, page = written(tmp_path, assessment)
    text = output.read_text("utf-8")
    assert output.stat().st_size < 5e6
    assert "script" not in page.elements
    assert "default-src 'none'" in text
    assert {address.partition(":")[0] for address in page.addresses} == {"data"}
    words = " ".join(page.words)
    table = painted()
    assert f"{len(table):,}" in words
    for name in ("Epithelial", "Quality", "Tile seams", "exact at seams", "Density", "Close up"):
        assert name in words
    assert page.elements.count("figure") >= 12 + len(CLASSES) + 1
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 12 + 1


def test_numbers_are_those_of_the_tables(slide_folder, assessment, tmp_path):
    _, page = written(tmp_path, assessment)
    table = painted()
    words = [word.strip() for word in page.words]
    row = words[words.index("Whole slide", words.index("Composition")) :]
    header = (slide_folder / "composition.csv").read_text().split("\n")[0].split(",")
    whole = (slide_folder / "composition.csv").read_text().split("\n")[1].split(",")
    facts = dict(zip(header, whole, strict=True))
    row = words[words.index("Nuclei", words.index("Region")) :]
    for code, name in enumerate(CLASSES):
        assert int(facts[f"n_{name}"]) == np.sum(table.class_code == code)
        low, high = (f"{float(facts[f'{name}_{end}']):,.0f}" for end in ("low", "high"))
        assert f"{low}–{high}" in row


def test_names_cannot_break_the_page(assessment, tmp_path):
    """Titles, tables and pictures show them as they are; none becomes part of the page."""
    _, page = written(tmp_path, assessment)
    shown = [" ".join(word.split()) for word in page.words]
    for name in HOSTILE:
        assert shown.count(" ".join(name.split())) >= 2, name
    assert "script" not in page.elements
    assert page.elements.count("html") == page.elements.count("body") == 1
    assert "x" not in page.addresses


@pytest.mark.parametrize("keep", [0, 1])
def test_a_slide_with_hardly_a_nucleus(small_slide, tmp_path, keep):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=keep))
    _, page = written(tmp_path, assessed(small_slide, folder))
    assert "Too few nuclei to check the pixel size by." in page.words
    assert "Drawn at random" in page.words


def test_a_region_to_ignore_may_cover_everything(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=5))
    regions = folder / "small.regions.geojson"
    document = json.loads(regions.read_text())
    regions.write_text(json.dumps({**document, "features": []}))
    written(tmp_path, assessed(small_slide, folder))


def drawn(path):
    """Read the polygons of an SVG path, in pixels of its picture."""
    for x, y, steps in re.findall(r"M(-?\d+) (-?\d+)l([-\d ]+)z", path):
        moves = np.reshape([int(x), int(y), *map(int, steps.split())], (-1, 2))
        yield shapely.Polygon(moves.cumsum(axis=0) / 10)


def test_outlines_lie_on_the_nuclei_of_a_field(assessment):
    """Which are darker than what is around them."""
    for crop in json.loads(assessment.read_text())["crops"]:
        data = base64.b64decode(crop["image"].partition(",")[2])
        field = simplejpeg.decode_jpeg(data).mean(axis=2)
        assert crop["size"] == [512, 512]
        shapes = [shape for path in crop["paths"] for shape in drawn(path["d"])]
        inside = rasterize(shapes, out_shape=field.shape) > 0
        assert field[inside].mean() < field[~inside].mean() - 25
        centres = [shape.centroid for shape in shapes]
        within = sum(0 <= c.x < 512 and 0 <= c.y < 512 for c in centres)
        assert abs(within - crop["n"]) <= 2, "counted by the centroid of the whole outline"


def test_every_region_is_drawn_where_it_lies(assessment):
    document = json.loads(assessment.read_text())
    shown = [one for one in document["thumbnail"]["regions"] if one["source"] == "user"]
    names = [document["composition"][one["row"]]["region_name"] for one in shown]
    assert names == [" ".join(name.split()) for name in HOSTILE]
    # The thumbnail has 0.5 µm per pixel, level 0 a quarter.
    for at, one in enumerate(shown):
        assert {f"{x} {y}" for x in (100 * at, 100 * at + 2000) for y in (1000, 4500)} & set(
            re.findall(r"M(\d+ \d+)l", one["d"])
        )


def test_a_slide_of_one_class(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(only=2))
    _, page = written(tmp_path, assessed(small_slide, folder))
    assert "nan" not in " ".join(page.words).lower()


def test_five_thousand_regions_do_not_bury_the_page(small_slide, tmp_path):
    names = [f"Region {number}" for number in range(5000)]
    folder = write_results(small_slide, tmp_path / "small", painted(keep=50), names)
    output, page = written(tmp_path, assessed(small_slide, folder))
    assert output.stat().st_size < 5e6
    assert "more regions are in composition.csv" in " ".join(page.words)


def changed(path, folder, name, **quality):
    """Another slide, like one that was assessed."""
    document = json.loads(path.read_text())
    document["facts"]["slide"] = name
    document["quality"] |= quality
    folder = folder / name
    folder.mkdir()
    (folder / "assessment.json").write_text(json.dumps(document))
    return folder / "assessment.json"


def test_slides_side_by_side(assessment, tmp_path):
    """The one that is unlike the others is framed and shown first; the rest keep to the table."""
    several = [changed(assessment, tmp_path, f"slide{at}", certainty=0.8) for at in range(5)]
    several.append(changed(assessment, tmp_path, "odd", certainty=0.3))
    output, page = written(tmp_path, *several, max_slides=1)
    text = output.read_text("utf-8")
    assert re.findall(r'<section class="slide" id="([^"]+)"', text) == ["slide-odd"]
    assert re.findall(r'<td class="odd"[^>]*>([^<]+)<', text) == ["0.30"]
    assert "1 of 6 slides" in " ".join(" ".join(page.words).split())
    every, _ = written(tmp_path, *several)
    assert every.read_text("utf-8").count('<section class="slide"') == 6


def test_one_scale_for_all_slides(slide_folder, assessment, tmp_path):
    """A slide half as dense is painted paler, not stretched to the same colours."""
    document = json.loads(assessment.read_text())
    document["density"]["top"] /= 4
    (tmp_path / "pale").mkdir()
    pale = tmp_path / "pale" / "assessment.json"
    pale.write_text(json.dumps(document))
    alone, _ = written(tmp_path, pale)
    maps = re.compile(r'src="(data:image/png[^"]+)"')
    stretched = maps.findall(alone.read_text())
    both, _ = written(tmp_path, assessment, pale)
    shown = maps.findall(both.read_text())
    assert shown[: len(CLASSES)] != shown[len(CLASSES) :]
    assert shown[len(CLASSES) :] != stretched


def test_times_come_from_the_benchmarks(assessment, tmp_path):
    folder = tmp_path / "benchmarks" / "small"
    folder.mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (folder / "stitch.tsv").write_text(f"{header}1.00\t0:00:01\t50.0\t1\t1\t1\t1\t1\t1\t0.50\n")
    for part, memory in ((1, "700.0"), (2, "600.0"), (3, "NA")):
        line = f"10.25\t0:00:10\t{memory}\t1\t1\t1\t1\t1\t1\t20.5\n"
        (folder / f"predict.{part}-of-3.tsv").write_text(header + line)
    output = tmp_path / "report.html"
    report([assessment], output, ReportSettings(), benchmarks=tmp_path / "benchmarks")
    words = [word.strip() for word in Page(output.read_text()).words if word.strip()]
    at = words.index("predict")
    assert words[at : at + 5] == ["predict", "3", "30.8", "61.5", "700"]
    assert words[at + 5 : at + 10] == ["stitch", "1", "1.0", "0.5", "50"]


def test_a_viewer_is_linked_where_there_is_one(assessment, tmp_path):
    _, page = written(assessment.parent.parent, assessment)
    assert "Open the viewer" not in page.words
    viewer = assessment.parent / "viewer"
    viewer.mkdir()
    (viewer / "index.html").touch()
    _, page = written(assessment.parent.parent, assessment)
    links = [address for address in page.addresses if "viewer" in address]
    assert links[0] == "small/viewer/index.html"
    assert all(re.fullmatch(r"small/viewer/index.html#at=\d+,\d+,400", one) for one in links[1:])
    assert len(links) == 13


def test_from_the_command_line(small_slide, slide_folder, tmp_path):
    found = tmp_path / "assessment.json"
    succeeded("assess", small_slide, slide_folder / "nuclei.parquet", "-o", found, "--crops", 1)
    assert len(json.loads(found.read_text())["crops"]) == 3
    succeeded("report", found, "-o", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("composition.csv", "composition.csv: does not exist; run `nucwsi compose`"),
        ("seams.json", "seams.json: cannot be read"),
        ("tissue.geojson", "tissue.geojson: does not exist; run `nucwsi tile`"),
    ],
)
def test_what_is_missing_is_named(small_slide, tmp_path, gone, message):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=5))
    (folder / gone).unlink()
    with pytest.raises(StoreError, match=re.escape(message)):
        assessed(small_slide, folder)
    assert not (folder / "assessment.json").exists()


def test_what_is_no_assessment_is_refused(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", painted(keep=5), slide_checksum="0")
    with pytest.raises(StoreError, match=r"is not of the slide .*small\.tiff"):
        assessed(small_slide, folder)
    wrong = tmp_path / "wrong.json"
    for text in ("", "{}", '{"kind": "seams"}', "[]"):
        wrong.write_text(text)
        with pytest.raises(StoreError, match=r"wrong\.json: (is no assessment|holds 'seams')"):
            report([wrong], tmp_path / "report.html", ReportSettings())
    with pytest.raises(StoreError, match=r"is no assessment \(.*Is a directory"):
        report([tmp_path], tmp_path / "report.html", ReportSettings())
    with pytest.raises(StoreError, match=r"none\.json: does not exist; run `nucwsi assess`"):
        report([tmp_path / "none.json"], tmp_path / "report.html", ReportSettings())


# --- In a browser


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def page_file(assessment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    others = [changed(assessment, folder, f"slide{at}") for at in range(2)]
    return written(folder, assessment, *others)[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1440])
def test_it_fits_every_window(browser, page_file, width, scheme):
    browser.get("about:blank")
    complaints(browser), asked_for(browser)
    resize(browser, width)
    colours(browser, scheme)
    browser.get(page_file.as_uri())
    assert complaints(browser) == []
    asked = [address for address in asked_for(browser) if not address.startswith("data:")]
    assert asked == [page_file.as_uri()]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ink, paper = browser.execute_script(
        "const { color, backgroundColor } = getComputedStyle(document.documentElement);"
        "return [color, backgroundColor].map((text) => text.match(/\\d+/g).map(Number));"
    )
    brightness = np.mean(paper) - np.mean(ink)
    assert brightness > 150 if scheme == "light" else brightness < -150
    assert browser.execute_script("return window.hacked") is None


def test_outlines_can_be_taken_away(browser, page_file):
    browser.get(page_file.as_uri())
    outlines = browser.find_element("css selector", ".crops svg")
    assert outlines.value_of_css_property("visibility") == "visible"
    browser.find_element("css selector", ".toggle input").click()
    assert outlines.value_of_css_property("visibility") == "hidden"


def test_it_prints_on_white(browser, page_file):
    browser.get(page_file.as_uri())
    colours(browser, "dark")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    paper = browser.execute_script(
        "return getComputedStyle(document.body.parentElement).backgroundColor"
    )
    assert paper in {"rgb(255, 255, 255)", "rgba(255, 255, 255, 1)"}


def test_the_commands_of_its_page_run(small_slide, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "report.md").read_text("utf-8")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "phantom.tiff").symlink_to(small_slide)
    folder = write_results(small_slide, tmp_path / "results" / "phantom", painted(keep=9))
    assessed(small_slide, folder)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for line in "".join(blocks).splitlines():
        program, *words = shlex.split(line)
        assert program == "nucwsi"
        succeeded(*words)
        assert (tmp_path / words[words.index("-o") + 1]).exists()

"""The report: what it says, what it shows, and that no input can break it."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely
from commands import succeeded
from scipy import ndimage
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

from nucwsi.classes import COLOURS
from nucwsi.config import ReportSettings
from nucwsi.density import density_maps, tissue_mask
from nucwsi.errors import StoreError
from nucwsi.fields import Choice, chosen_fields, field_sums
from nucwsi.phantom.nuclei import CLASSES
from nucwsi.quality import blur, dark_share, outliers, typical_diameter
from nucwsi.report.checks import checks
from nucwsi.report.page import scale_bar
from nucwsi.report.ramps import density_png, ramp
from nucwsi.steps.densities import packed_density, unpacked_density
from nucwsi.steps.imagery import path_data
from nucwsi.steps.report import report

# --- Which fields are shown


def test_fields_are_chosen_by_rule():
    n = np.array([[0, 3, 30], [30, 12, 20]])
    certainty = np.array([[np.nan, 0.1, 0.9], [0.8, 0.5, 0.6]])
    sums = field_sums(
        *np.repeat(np.argwhere(n >= 0), n.ravel(), axis=0).T * 10.0 + 5,
        np.repeat(certainty.ravel(), n.ravel()),
        n.shape,
        10,
    )
    np.testing.assert_array_equal(sums.n_nuclei, n)
    np.testing.assert_allclose(sums.certainty, certainty)
    tissue = np.array([[0.9, 0.4, 1], [1, 1, 1]])
    chosen = chosen_fields(sums, tissue, 2, seed=1)
    assert chosen[:4] == [
        Choice("densest", 0, 2),
        Choice("densest", 1, 0),  # a tie keeps the raster's order
        Choice("uncertain", 1, 1),
        Choice("uncertain", 1, 2),  # of the field with three nuclei nothing can be said
    ]
    assert chosen[4:] == [Choice("random", 0, 0)], "the only other field with tissue"
    assert len({choice[1:] for choice in chosen}) == len(chosen)


def test_another_seed_draws_other_fields_and_nothing_else():
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 1000, (2, 5000))
    sums = field_sums(*place, rng.uniform(0.3, 1, 5000), (10, 10), 100)
    drawn = {seed: chosen_fields(sums, np.ones((10, 10)), 4, seed) for seed in (1, 2)}
    assert drawn[1] == chosen_fields(sums, np.ones((10, 10)), 4, 1)
    assert drawn[1][:8] == drawn[2][:8]
    assert drawn[1][8:] != drawn[2][8:]


# --- Densities


def test_densities_are_right_inside_and_at_the_edge():
    rng = np.random.default_rng(0)
    tissue = np.zeros((80, 100), bool)
    tissue[:, :60] = True
    row, column = rng.uniform(0, 80, 40000), rng.uniform(0, 60, 40000)
    code = (rng.random(40000) < 0.25).astype(np.uint8)
    maps = density_maps(row, column, code, 2, tissue, cell_um=25.0)
    expected = 40000 / (80 * 60 * 0.025**2)
    assert maps.shape == (2, 80, 100)
    assert np.isnan(maps[:, ~tissue]).all()
    np.testing.assert_allclose(maps.sum(axis=0)[tissue].mean(), expected, rtol=0.01)
    np.testing.assert_allclose(np.nanmean(maps[1] / maps.sum(axis=0)), 0.25, atol=0.01)
    edge = maps.sum(axis=0)[:, 58:60].mean()
    np.testing.assert_allclose(edge, expected, rtol=0.1, err_msg="the edge must not look sparse")


def test_densities_survive_packing():
    maps = np.full((2, 5, 7), np.nan)
    maps[:, 1:4] = np.random.default_rng(0).uniform(0, 9000, (2, 3, 7))
    found = unpacked_density(json.loads(json.dumps(packed_density(maps, 25.0))))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(maps))
    np.testing.assert_allclose(found, maps, atol=0.005 * 9000)
    assert np.isnan(unpacked_density(packed_density(np.full((1, 2, 2), np.nan), 25.0))).all()


def test_tissue_is_laid_on_cells():
    mask = tissue_mask(np.array([shapely.box(32, 16, 64, 48)], object), (4, 5), 16)
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert not tissue_mask(np.empty(0, object), (4, 5), 16).any()


@pytest.mark.parametrize("colour", sorted(set(COLOURS.values())))
def test_a_ramp_darkens_all_along(colour):
    """So that it can be read without its colour."""
    luma = ramp(colour)[1:] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luma) <= 0.5).all()
    assert luma[0] - luma[-1] > 100
    assert ramp(colour)[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(ramp(colour)[1 + round(0.6 * 254)].astype(int), colour, atol=2)


# --- Quality


def test_a_wrong_mpp_shows_in_the_diameter():
    """Also where a network finds many crumbs beside the nuclei."""
    nuclei = np.full(1000, np.pi * 3.0**2)
    assert typical_diameter(nuclei) == pytest.approx(6)
    crumbs = np.full(2000, np.pi * 0.7**2)
    assert typical_diameter(np.concatenate([nuclei, crumbs])) == pytest.approx(6)
    assert np.isnan(typical_diameter(np.empty(0)))


def test_blur_grows_with_blurring(shared):
    from nucwsi.grid import Window
    from nucwsi.io.slide import open_slide

    with open_slide(shared / "slides" / "CMU-1-Small-Region.svs") as slide:
        field, _ = slide.read(0, Window(900, 900, 256, 256))
    seen = [blur(np.stack([ndimage.gaussian_filter(c, s) for c in field.T], -1)) for s in (0, 1, 2)]
    assert seen[0] < seen[1] < seen[2]
    assert seen[0] < 0.4
    assert seen[2] > 0.45
    assert blur(np.full((64, 64, 3), 240, np.uint8)) == 0


def test_dark_bands_are_measured_and_nuclei_are_not():
    overview = np.full((100, 100, 3), 200, np.uint8)
    tissue = np.ones((100, 100), bool)
    overview[::7, ::7] = 60
    assert dark_share(overview, tissue) == 0
    overview[40:50] = 90
    assert dark_share(overview, tissue) == pytest.approx(0.1, abs=0.01)
    assert dark_share(overview, np.zeros((100, 100), bool)) == 0


def test_outliers_need_company():
    values = np.array([4.0, 4.1, 3.9, 4.05, 9.0, np.nan])
    assert outliers(values).tolist() == [False, False, False, False, True, False]
    assert not outliers(values[[0, 1, 2, 4]]).any()
    assert not outliers(np.array([5.0, 5.0, 5.0, 5.0, 5.01])).any(), "a hair's breadth"


def test_every_fault_is_something_to_look_at():
    sound = {
        "facts": {
            "frame": {"level0_mpp": [0.25, 0.25]},
            "mpp_source": "vendor",
            "status": "ok",
            "bad_tiles": [],
            "n_dropped": {"a": 1},
        },
        "seams": {
            "exact": True,
            "visible": False,
            "density_ratio": 1.0,
            "density_z": 0.1,
            "cut_z": 0.1,
            "n_seam": 5,
            "cut_seam": 1,
        },
        "quality": {
            "diameter_um": 6.0,
            "certainty": 0.8,
            "blur": [0.2] * 9,
            "ink_mm2": 0.0,
            "dark": 0.0,
            "at_edge": 0,
        },
        "morphometry": [{"n": 500}],
    }

    def looked_at(part, **changed):
        found = checks({**sound, part: {**sound[part], **changed}})
        return {check.name: check for check in found if check.verdict == "look"}

    assert looked_at("facts") == {}
    assert "too small" in looked_at("quality", diameter_um=3.8)["Nuclear diameter"].text
    assert "too large" in looked_at("quality", diameter_um=10.2)["Nuclear diameter"].text
    assert looked_at("quality", blur=[0.2] * 7 + [0.6] * 2)["Focus"].value == "22 % blurred"
    assert "3 tiles" in looked_at("facts", status="degraded", bad_tiles=[[]] * 3)["Reading"].value
    assert list(looked_at("seams", visible=True)) == ["Tile seams"]
    assert "not local" in looked_at("seams", exact=False)["Model"].text
    few = {**sound, "morphometry": [{"n": 20}], "quality": {**sound["quality"], "diameter_um": 12}}
    assert all(check.verdict != "look" for check in checks(few)), "of 20 nuclei nothing follows"


def test_scale_bars_fit():
    for width in (30, 128, 999, 20000, 1e6):
        length, share = scale_bar(width)
        assert share == pytest.approx(length / width)
        assert share <= 1 / 3


def test_outlines_are_drawn_where_they_are():
    ring = shapely.Polygon(
        [(10, 20), (14, 20), (14, 26), (10, 26)], [[(11, 21), (12, 21), (12, 22)]]
    )
    crumb = shapely.box(10, 20, 10.01, 20.01)
    drawn = path_data(np.array([ring, crumb], object), (2.0, 0.5), (10, 20))
    assert drawn == "M0 0l80 0 0 30 -80 0zM20 5l20 0 0 5z"


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
    assert {address.split(":")[0].split("#")[0] for address in page.addresses} == {"data", ""}
    words = " ".join(page.words)
    table = painted()
    assert f"{len(table):,}" in words
    for name in ("Epithelial", "Quality", "Tile seams", "exact at seams", "Density", "Close up"):
        assert name in words
    assert page.elements.count("figure") >= 12 + len(CLASSES) + 1
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 12 + 2


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


def test_every_region_is_drawn_where_it_lies(assessment):
    document = json.loads(assessment.read_text())
    drawn = [one for one in document["thumbnail"]["regions"] if one["source"] == "user"]
    names = [document["composition"][one["row"]]["region_name"] for one in drawn]
    assert names == [" ".join(name.split()) for name in HOSTILE]
    # The thumbnail has 0.5 µm per pixel, level 0 a quarter.
    for at, one in enumerate(drawn):
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


def test_a_density_png_is_clear_where_nothing_is_known():
    from io import BytesIO

    from PIL import Image

    png = density_png(np.array([[np.nan, 0.0], [50.0, 1e9]]), 100.0, (0, 158, 115))
    seen = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert seen[0, 0, 3] == 0
    assert (seen[..., 3].ravel()[1:] == 255).all()
    assert tuple(seen[1, 1, :3]) == tuple(ramp((0, 158, 115))[255])
    assert tuple(seen[0, 1, :3]) == tuple(ramp((0, 158, 115))[1])


def test_times_come_from_the_benchmarks(assessment, tmp_path):
    folder = tmp_path / "benchmarks" / "small"
    folder.mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (folder / "stitch.tsv").write_text(f"{header}1.00\t0:00:01\t50.0\t1\t1\t1\t1\t1\t1\t0.50\n")
    for part, memory in ((1, "700.0"), (2, "NA")):
        line = f"10.25\t0:00:10\t{memory}\t1\t1\t1\t1\t1\t1\t20.5\n"
        (folder / f"predict.{part}-of-2.tsv").write_text(header + line)
    output = tmp_path / "report.html"
    report([assessment], output, ReportSettings(), benchmarks=tmp_path / "benchmarks")
    words = [word.strip() for word in Page(output.read_text()).words if word.strip()]
    at = words.index("predict")
    assert words[at : at + 5] == ["predict", "2", "20.5", "41.0", "700"]
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
    import base64

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

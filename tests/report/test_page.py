"""The report: what it says, what it shows, and that no input can break it."""

import base64
import csv
import io
import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from shown import (
    HOSTILE,
    Page,
    asked_for,
    assessed,
    chromium,
    colours,
    complaints,
    phantom_nuclei,
    resize,
    write_results,
)

from nucwsi.classes import COLOURS
from nucwsi.phantom import CLASSES
from nucwsi.report.assessment import Assessment
from nucwsi.report.group_section import group_section
from nucwsi.report.page import report_page
from nucwsi.report.run import FailedSlide, Run
from nucwsi.report.slide_row import Files, slide_row

RUN = Run("2026-01-31", "0.0", (), 1, 0.5, {"nucwsi": "0.0"}, [])


def page_of(*assessments, max_slides=100, files=None, run=RUN, compare="", **limits):
    """The report's text, and what a browser reads in it."""
    rows = [slide_row(assessment, files or Files()) for assessment in assessments]
    classes = assessments[0].facts.classes
    groups = [group_section(rows, classes, compare, "patient", "")] if compare else []
    text = report_page(
        rows, lambda at: assessments[at], run, groups, max_slides=max_slides, **limits
    )
    return text, Page(text)


def assessment_of(small_slide, folder, **nuclei):
    """Assess other nuclei on the slide."""
    results = write_results(small_slide, folder, phantom_nuclei(**nuclei))
    return Assessment.from_json(assessed(small_slide, results).read_bytes())


@pytest.fixture(scope="module")
def assessment(assessment_file):
    return Assessment.from_json(assessment_file.read_bytes())


def test_a_page_holds_all_it_shows(assessment):
    text, page = page_of(assessment)
    assert len(text) < 5e6
    assert page.elements.count("script") == 1
    assert "default-src 'none'" in text
    assert "unsafe" not in text.partition("script-src")[2].partition(">")[0]
    sources = {address.partition(":")[0] for address in page.addresses if address[0] != "#"}
    assert sources == {"data"}
    words = " ".join(page.words)
    assert f"{len(phantom_nuclei()):,}" in words
    for name in ("Epithelial", "Quality", "Tile seams", "exact at seams", "Density"):
        assert name in words
    assert "Example fields" in words
    assert page.elements.count("figure") >= 12 + len(CLASSES) + 1
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 12 + 1


def test_numbers_are_those_of_the_tables(assessment, assessment_file):
    _, page = page_of(assessment)
    table = phantom_nuclei()
    words = [word.strip() for word in page.words]
    lines = assessment_file.with_name("composition.csv").read_text().split("\n")
    whole = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    row = words[words.index("Nuclei", words.index("Region")) :]
    for code, name in enumerate(CLASSES):
        assert int(whole[f"n_{name}"]) == np.sum(table.class_code == code)
        low, high = (f"{float(whole[f'{name}_{end}']):,.0f}" for end in ("low", "high"))
        assert f"{low}–{high}" in row


def test_names_cannot_break_the_page(assessment):
    """Titles, tables and images show them as they are; none becomes part of the page."""
    _, page = page_of(assessment)
    shown = [" ".join(word.split()) for word in page.words]
    for name in HOSTILE:
        assert shown.count(" ".join(name.split())) >= 2, name
    assert page.elements.count("script") == 1
    assert page.elements.count("html") == page.elements.count("body") == 1
    assert "x" not in page.addresses


@pytest.mark.parametrize("keep", [0, 1])
def test_a_slide_with_hardly_a_nucleus(small_slide, tmp_path, keep):
    _, page = page_of(assessment_of(small_slide, tmp_path / "small", keep=keep))
    assert "Too few nuclei to check the pixel size." in page.words
    assert "Random" in page.words


def test_a_slide_without_outlines_of_regions(small_slide, tmp_path):
    """As when a region to ignore covers everything."""
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=5))
    regions = folder / "small.regions.geojson"
    document = json.loads(regions.read_text())
    del document["nucwsi_sha256"]
    regions.write_text(json.dumps({**document, "features": []}))
    bare = Assessment.from_json(assessed(small_slide, folder).read_bytes())
    _, page = page_of(bare)
    assert bare.thumbnail.regions == ()
    assert bare.composition[1]["region_name"] in " ".join(page.words)


def test_a_slide_of_one_class(small_slide, tmp_path):
    _, page = page_of(assessment_of(small_slide, tmp_path / "small", only=2))
    assert "nan" not in " ".join(page.words).lower()


def test_five_thousand_regions_do_not_bury_the_page(assessment):
    region = {**assessment.composition[1], "region_source": "user"}
    rows = [{**region, "region_name": f"Region {number}"} for number in range(5000)]
    several = assessment.model_copy(update={"composition": (*assessment.composition[:1], *rows)})
    text, page = page_of(several)
    assert len(text) < 5e6
    words = " ".join(" ".join(page.words).split())
    assert "4941 more regions are in composition.csv" in words, "60 of 5001 are shown"


def changed(assessment, name, **quality):
    """Another slide, like one that was assessed."""
    return assessment.model_copy(
        update={
            "facts": assessment.facts.with_(slide=name),
            "quality": assessment.quality.model_copy(update=quality),
        }
    )


def test_slides_side_by_side(assessment):
    """The outlier is framed and gets a section first; the others keep to the table."""
    several = [changed(assessment, f"slide{at}", certainty=0.8) for at in range(5)]
    several.append(changed(assessment, "odd", certainty=0.3))
    text, page = page_of(*several, max_slides=1)
    assert re.findall(r'<section class="slide" id="([^"]+)"', text) == ["slide-odd"]
    assert re.findall(r'class="odd"[^>]*>([^<]+)<', text) == ["0.30"]
    assert "1 of 6 slides" in " ".join(" ".join(page.words).split())
    text, _ = page_of(*several)
    assert text.count('<section class="slide"') == 6


def test_a_page_keeps_its_size(assessment):
    """Slides with less to look at are left to the table; one is always shown."""
    several = [changed(assessment, f"slide{at}") for at in range(4)]
    several.append(changed(assessment, "odd", diameter_um=2.0))
    one = len(page_of(assessment)[0])
    for room, shown in ((0, ["odd"]), (2.7 * one, ["odd", "slide0"])):
        text, _ = page_of(*several, max_bytes=room)
        assert re.findall(r'<section class="slide" id="slide-([^"]+)"', text) == shown
        assert len(text) < max(room, 1.5 * one)


def test_slides_that_failed_stand_first_and_then_those_with_most_to_look_at(assessment):
    log = FailedSlide("gone", "nucwsi tile: <b>no</b> slide", "logs/gone/tile.log", "logs/x.log")
    several = [changed(assessment, f"slide{at}") for at in range(2)]
    several.append(changed(assessment, "odd", diameter_um=2.0))
    _, page = page_of(*several, run=replace(RUN, failed=(log,)))
    words = [" ".join(word.split()) for word in page.words]
    at = [words.index(word) for word in ("gone", "odd", "slide0", "slide1")]
    assert at == sorted(at)
    assert "nucwsi tile: <b>no</b> slide" in words
    assert "logs/x.log" in page.addresses
    assert "Not analysed" not in " ".join(page_of(*several)[1].words)


def test_a_single_slide_has_no_page_of_a_cohort(assessment):
    text, _ = page_of(assessment)
    assert 'id="cohort"' not in text
    assert 'id="groups' not in text
    assert '<section class="slide"' in text


def test_every_number_has_its_file(assessment):
    files = Files("a/viewer/index.html", "a/c.csv", "a/n.zip", "a/r.geojson", "a/p.json")
    for several in ([assessment], [assessment, changed(assessment, "other")]):
        _, page = page_of(*several, files=files)
        assert set(files) <= set(page.addresses)
    regions = [one for one in page.addresses if one.startswith("a/viewer/index.html#region=")]
    assert len(regions) >= len(HOSTILE)


def grouped(assessment, n=8):
    """Slides of two groups with hostile names; in the second there are more nuclei."""
    slides = []
    for at in range(n):
        further = {
            "patient": f"{HOSTILE[at // 2 % len(HOSTILE)]}{at}",
            "group": HOSTILE[at % 2],
            HOSTILE[2]: "é" * 200,
        }
        slide = changed(assessment, f"slide{at}")
        slides.append(slide.model_copy(update={"further": further}))
    return slides


def test_further_columns_are_in_the_table_and_in_the_sections(assessment):
    _, page = page_of(*grouped(assessment, 2))
    shown = [" ".join(word.split()) for word in page.words]
    assert " ".join(HOSTILE[2].split()) in shown
    assert shown.count("é" * 200) == 4, "a cell and a section of each slide"


def test_groups_are_compared_on_the_page(assessment):
    _, page = page_of(*grouped(assessment), compare="group", max_slides=1)
    words = " ".join(" ".join(page.words).split())
    assert "95 % interval" in words
    assert "n = 4, 4" in words
    assert page.elements.count("script") == 1
    assert "bootstrap samples of patients" in words


def test_one_scale_for_all_slides(assessment):
    """A slide half as dense is painted paler, not stretched to the same colours."""
    density = assessment.density.model_copy(update={"top": assessment.density.top / 4})
    pale = assessment.model_copy(update={"density": density})
    maps = re.compile(r'src="(data:image/png[^"]+)"')
    stretched = maps.findall(page_of(pale)[0])
    shown = maps.findall(page_of(assessment, pale)[0])
    assert shown[: len(CLASSES)] != shown[len(CLASSES) :]
    assert shown[len(CLASSES) :] != stretched


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def page_file(assessment, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    several = [assessment, *grouped(assessment, 6)]
    several[3] = changed(several[3], "blurred", diameter_um=2.0)
    path.write_text(page_of(*several, compare="group", max_slides=3)[0], "utf-8")
    return path


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


def names_of(browser):
    """The slides that the table shows, in its order."""
    heads = browser.find_elements("css selector", "#slides tbody tr:not([hidden]) th")
    return [head.text.split("\n")[0] for head in heads]


def column(browser, heading):
    """The cells of a column of the table of slides, as they are seen."""
    return browser.execute_script(
        "const heads = [...document.querySelectorAll('#slides thead tr > *')];"
        "const at = heads.findIndex((one) => one.innerText.trim().startsWith(arguments[0]));"
        "return [...document.querySelectorAll('#slides tbody tr:not([hidden])')]"
        ".map((row) => row.cells[at].innerText.trim());",
        heading,
    )


def press(browser, heading):
    buttons = browser.find_elements("css selector", "#slides thead button")
    next(one for one in buttons if one.text.startswith(heading)).click()


def test_one_switch_changes_the_unit_of_all_tables(browser, page_file, assessment):
    resize(browser, 1600)
    browser.get(page_file.as_uri())
    whole = assessment.composition[0]
    n, total = int(whole["n_epithelial"]), int(whole["n_nuclei"])
    shown = {
        "percent": f"{100 * n / total:.1f}",
        "count": f"{n:,}",
        "density": f"{float(whole['epithelial_per_mm2']):,.0f}",
    }
    for unit, text in shown.items():
        browser.execute_script(f"document.querySelector('input[value={unit}]').click()")
        assert set(column(browser, "Epithelial")) == {text}
    browser.execute_script("document.querySelector('input[value=all]').click()")
    assert column(browser, "Epithelial")[0].split("\n") == list(shown.values())


def test_a_table_is_sorted_and_filtered(browser, page_file):
    resize(browser, 1600)
    browser.get(page_file.as_uri())
    assert names_of(browser)[0] == "blurred", "most to look at first"
    press(browser, "Slide")
    assert names_of(browser) == sorted(names_of(browser))
    press(browser, "Slide")
    assert names_of(browser) == sorted(names_of(browser), reverse=True)
    press(browser, "To look")
    assert names_of(browser)[0] == "blurred"
    box = browser.find_element("css selector", "[data-filter=slides]")
    box.send_keys("SLIDE3")
    assert names_of(browser) == ["slide3"]
    assert browser.find_element("css selector", "[data-shown=slides]").text == "1 of 7"
    box.clear()
    box.send_keys("hacked slide")
    assert 0 < len(names_of(browser)) < 7, "a further column holds the first word, a name the other"
    box.clear()
    box.send_keys(" ")
    browser.find_element("css selector", "[data-only=slides]").click()
    assert names_of(browser) == ["blurred"]


def test_what_is_shown_can_be_downloaded(browser, page_file, tmp_path):
    resize(browser, 1600)
    browser.get(page_file.as_uri())
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    browser.find_element("css selector", "[data-filter=slides]").send_keys("slide")
    browser.execute_script("document.querySelector('input[value=count]').click()")
    browser.find_element("css selector", "[data-download=slides]").click()
    path = tmp_path / "slides.csv"
    for _ in range(100):
        if path.exists():
            break
        time.sleep(0.1)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["Slide"] for row in rows] == names_of(browser)
    assert "blurred" not in [row["Slide"] for row in rows]
    for row in rows:
        assert int(row["Epithelial (count)"]) > 0
        assert row[" ".join(HOSTILE[2].split())] == "é" * 200
    assert "'=1" not in path.read_text("utf-8")


def test_a_dot_tells_its_slide(browser, page_file):
    from selenium.webdriver import ActionChains

    browser.get(page_file.as_uri())
    dot = browser.find_element("css selector", ".strips [data-tip^=blurred]")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", dot)
    time.sleep(0.3)
    ActionChains(browser).move_to_element(dot).perform()
    tip = browser.find_element("id", "tip")
    assert tip.is_displayed()
    assert tip.text.startswith(("blurred: ", "slide"))
    assert browser.find_elements("css selector", ".lit")


def test_outlines_are_seen_in_the_colours_of_their_classes(browser, page_file):
    resize(browser, 1440)
    browser.get(page_file.as_uri())
    field = browser.find_element("css selector", ".crops .frame")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", field)
    time.sleep(0.5)

    def seen():
        return np.asarray(Image.open(io.BytesIO(field.screenshot_as_png)).convert("RGB"), int)

    drawn = seen()
    browser.find_element("css selector", ".toggle input").click()
    bare = seen()
    near = [np.abs(drawn - COLOURS[name]).max(axis=2) < 60 for name in CLASSES]
    # Of 128 µm and some hundred nuclei, at 2 px per µm.
    assert np.any(near, axis=0).mean() > 0.03
    assert (drawn.max(axis=2) < bare.max(axis=2) - 40).mean() > 0.03, "and their casing is dark"


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

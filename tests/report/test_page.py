"""The report: what it says, what it shows, and that no input can break it."""

import base64
import json
import re

import numpy as np
import pytest
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

from nucwsi.phantom import CLASSES
from nucwsi.report.assessment import Assessment
from nucwsi.report.page import Run, report_page

RUN = Run("2026-01-31", "0.0", (), 1, 0.5, {"nucwsi": "0.0"}, [])


def page_of(*assessments, max_slides=100):
    """The report's text, and what a browser reads in it."""
    text = report_page(assessments, [None] * len(assessments), RUN, max_slides=max_slides)
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
    assert "script" not in page.elements
    assert "default-src 'none'" in text
    assert {address.partition(":")[0] for address in page.addresses} == {"data"}
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
    assert "script" not in page.elements
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
    assert re.findall(r'<td class="odd"[^>]*>([^<]+)<', text) == ["0.30"]
    assert "1 of 6 slides" in " ".join(" ".join(page.words).split())
    text, _ = page_of(*several)
    assert text.count('<section class="slide"') == 6


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
    others = [changed(assessment, f"slide{at}") for at in range(2)]
    path.write_text(page_of(assessment, *others)[0], "utf-8")
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

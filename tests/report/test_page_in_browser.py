"""The report in a browser: units, sorting, filters, downloads, colours, windows and paper."""

import base64
import csv
import io
import time

import numpy as np
import pytest
from pages_made import changed, grouped, page_of
from PIL import Image
from shown import HOSTILE, asked_for, chromium, colours, complaints, resize

from nucwsi.classes import COLOURS
from nucwsi.phantom import CLASSES
from nucwsi.report.assessment import Assessment


@pytest.fixture(scope="module")
def assessment(assessment_file):
    return Assessment.from_json(assessment_file.read_bytes())


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


def test_of_many_slides_the_first_are_drawn_and_all_are_found(browser, assessment, tmp_path):
    names = [f"case{at}" for at in range(230)]
    many = [changed(assessment, name, certainty=at / 1e3) for at, name in enumerate(names)]
    text, _ = page_of(*many, max_slides=1)
    path = tmp_path / "many.html"
    path.write_text(text, "utf-8")
    resize(browser, 1600)
    browser.get(path.as_uri())
    first = names_of(browser)
    assert len(first) == 100
    bottom = "const box = document.querySelector('.tall'); box.scrollTop = box.scrollHeight;"
    for n in (200, 230):
        browser.execute_script(bottom)
        time.sleep(0.3)
        assert len(names_of(browser)) == n
    assert sorted(names_of(browser)) == sorted(names)
    assert names_of(browser)[:100] == first, "what was there stays"
    press(browser, "Certainty")
    assert names_of(browser) == names[:-101:-1], "of all slides, not of those that are drawn"
    browser.find_element("css selector", "[data-filter=slides]").send_keys("case22")
    assert set(names_of(browser)) == {"case22", *(f"case22{at}" for at in range(10))}
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(names_of(browser)) == 11
    assert browser.execute_script("return window.hacked") is None


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

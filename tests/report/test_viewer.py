"""The viewer as a person uses it, in a headless browser."""

import re
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import shapely
from shown import (
    HOSTILE,
    asked_for,
    chromium,
    complaints,
    phantom_nuclei,
    resize,
    served,
    write_results,
)
from viewed import click, go, lonely, outline, picture, press, wait

from nucwsi.classes import COLOURS
from nucwsi.config import RenderSettings
from nucwsi.phantom import CLASSES
from nucwsi.report.viewer_tiles import UNITS
from nucwsi.steps.render import render

#: The middle of the slide, from afar: x, y, and screen pixels per canvas pixel.
FAR = (525, 400, 0.12)


@pytest.fixture(scope="module")
def nuclei():
    return phantom_nuclei()


@pytest.fixture(scope="module")
def results(small_slide, nuclei, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown") / "results" / "small"
    write_results(small_slide, folder, nuclei, HOSTILE)
    page = folder / "viewer" / "index.html"
    render(small_slide, folder / "nuclei.parquet", page, RenderSettings())
    return folder.parent


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser, results):
    """The viewer of the phantom, over the network, seen whole."""
    resize(browser, 1200)
    with served(results) as address:
        browser.get("about:blank")
        complaints(browser), asked_for(browser)
        browser.get(address)
        wait(browser)
        yield browser
    assert complaints(browser) == []
    hosts = {urlsplit(address).hostname for address in asked_for(browser)}
    assert hosts <= {"127.0.0.1", None}, "None: data the page holds itself"


def test_every_nucleus_arrives_in_the_browser(page, nuclei):
    """Ids, classes, areas and probabilities as they are, outlines to a sixteenth of a pixel."""
    inside = [outline(nuclei, at).representative_point() for at in range(len(nuclei))]
    found = page.execute_async_script(
        """
        const [places, done] = arguments, visible = facts.classes.map(() => true);
        Promise.all(places.map(([x, y]) => nuclei.ask("at", { x, y, reach: 0, visible })))
            .then((answers) => done(answers.map(({ nucleus }) => nucleus)));
        """,
        [(point.x, point.y) for point in inside],
    )
    place = {int(ident): at for at, ident in enumerate(nuclei.id)}
    for one in found:
        at = place.pop(one["id"])
        assert one["code"] == nuclei.class_code[at]
        assert one["area"] == pytest.approx(float(nuclei.area_um2[at]))
        np.testing.assert_allclose(one["shares"], nuclei.class_probabilities[at], atol=0.5 / 255)
        corners = shapely.get_coordinates(outline(nuclei, at))[:-1]
        seen = np.reshape(one["outline"], (-1, 2))
        np.testing.assert_allclose(seen, corners, atol=0.5 / UNITS + 1e-6)
    assert not place


def test_from_afar_density_from_near_outlines_in_the_colour_of_the_class(page, nuclei):
    go(page, *FAR)
    assert "Density" in page.find_element("id", "mode").text
    code = CLASSES.index("epithelial")
    at = lonely(nuclei, code)
    ring = outline(nuclei, at)
    middle = ring.centroid
    x, y = go(page, middle.x, middle.y, 4)
    assert "Outlines" in page.find_element("id", "mode").text
    shown = picture(page)
    corner = shapely.get_coordinates(ring)[0]
    column, row = (round(x + 4 * (corner[0] - middle.x)), round(y + 4 * (corner[1] - middle.y)))
    near = shown[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3)
    assert np.abs(near - COLOURS["epithelial"]).max(axis=1).min() < 40, (
        "the colour of nucwsi/classes.py"
    )

    page.find_element("id", f"class-{code}").click()
    wait(page)
    without = picture(page)
    near = without[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3)
    assert np.abs(near - COLOURS["epithelial"]).max(axis=1).min() > 60
    assert page.find_element("id", f"class-{code}").get_attribute("checked") is None


def test_the_legend_changes_the_density_too(page):
    x, y = go(page, *FAR)
    before = picture(page)
    for code in range(len(CLASSES)):
        page.find_element("id", f"class-{code}").click()
    wait(page)
    bare = picture(page)
    slide = (slice(y - 30, y + 30), slice(x - 40, x + 40))
    assert np.abs(before[slide] - bare[slide]).mean() > 5
    page.find_element("id", "class-1").click()
    wait(page)
    one = picture(page)
    assert np.abs(one[slide] - bare[slide]).mean() > 0.5
    assert np.abs(one[slide] - before[slide]).mean() > 0.5


def test_a_click_shows_the_nucleus_that_was_clicked(page, nuclei):
    for code in range(len(CLASSES)):
        at = lonely(nuclei, code)
        middle = outline(nuclei, at).representative_point()
        x, y = go(page, middle.x, middle.y, 3)
        # Beside the panels.
        click(page, x, y)
        wait(page, "return !document.getElementById('nucleus').hidden")
        assert page.find_element("id", "ident").text == str(nuclei.id[at])
        assert page.find_element("css selector", "#nucleus h2").text.lower() == CLASSES[code]
        area = page.find_element("id", "area").text
        assert float(area.split()[0]) == pytest.approx(float(nuclei.area_um2[at]), abs=0.06)
        shares = page.find_elements("css selector", "#nucleus tbody td:last-child")
        percent = [int(cell.text.split()[0]) for cell in shares]
        np.testing.assert_allclose(percent, 100 * nuclei.class_probabilities[at], atol=0.8)
        where = re.fullmatch(r"x (\d+), y (\d+)", page.find_element("id", "centre").text)
        box = nuclei.bounds[at]
        assert box[0] <= int(where[1]) <= box[2]
        assert box[1] <= int(where[2]) <= box[3]
        page.find_element("id", "close").click()
        assert page.find_element("id", "nucleus").get_attribute("hidden")


def test_by_keyboard_alone(page, nuclei):
    from selenium.webdriver.common.keys import Keys

    at = lonely(nuclei, 0)
    middle = outline(nuclei, at).representative_point()
    go(page, middle.x, middle.y, 3)
    press(page, Keys.ENTER)
    wait(page, "return !document.getElementById('nucleus').hidden")
    assert page.find_element("id", "ident").text == str(nuclei.id[at])
    press(page, Keys.ESCAPE)
    assert page.find_element("id", "nucleus").get_attribute("hidden")

    for key, value in ((Keys.ARROW_RIGHT, "getCenter().x"), ("+", "getZoom()")):
        before = page.execute_script(f"return nucwsi.viewer.viewport.{value}")
        press(page, key)
        wait(page, f"return nucwsi.viewer.viewport.{value} > {before}")

    press(page, "2")
    assert page.find_element("id", "class-1").get_attribute("checked") is None
    press(page, "2")
    wait(page)
    assert page.find_element("id", "class-1").get_attribute("checked")
    press(page, "?")
    assert page.find_element("id", "help").get_attribute("open")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.find_element("id", "help").get_attribute("open") is None

    reached = set()
    page.execute_script("document.activeElement.blur()")
    for _ in range(40):
        page.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(page.execute_script("return document.activeElement.id"))
    assert {
        "class-0",
        "class-3",
        "opacity",
        "region-outlines",
        "zoom-in",
        "whole",
        "keys",
    } <= reached


def test_nuclei_are_coloured_by_a_feature(page, nuclei):
    """The smallest in the first colour, the largest in the last."""
    from selenium.webdriver.support.ui import Select

    inside = (np.abs(nuclei.row - 800) < 500) & (np.abs(nuclei.column - 1050) < 500)
    choice = Select(page.find_element("id", "colour-by"))
    names = [one.text for one in choice.options]
    assert names[:3] == ["Class", "Probability of the class", "Probability of nucleus"]
    choice.select_by_visible_text("Area")
    for at, colour in (
        (np.argmin(np.where(inside, nuclei.area_um2, np.inf)), (20, 90, 255)),
        (np.argmax(np.where(inside, nuclei.area_um2, 0)), (205, 10, 30)),
    ):
        ring = outline(nuclei, at)
        corner = shapely.get_coordinates(ring)[0]
        x, y = go(page, *corner, 4)
        near = picture(page)[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        assert np.abs(near - colour).max(axis=1).min() < 40
    low, high = (page.find_element("id", name).text for name in ("low", "high"))
    assert float(low.split()[1]) < float(high.split()[1])
    assert "µm²" in high
    choice.select_by_visible_text("Class")
    wait(page)
    assert not page.find_element("id", "ramp").is_displayed()


def test_a_nucleus_is_found_by_its_id(page, nuclei):
    from selenium.webdriver.common.keys import Keys

    page.find_element("css selector", "#go-to summary").click()
    for at in (0, len(nuclei) - 1):
        page.find_element("id", "number").clear()
        page.find_element("id", "number").send_keys(str(nuclei.id[at]) + Keys.ENTER)
        wait(page, f"return document.getElementById('ident').textContent === '{nuclei.id[at]}'")
        wait(page)
        assert page.find_element("id", "nucleus").is_displayed()
        x, y = page.execute_script(
            """
            const image = nucwsi.viewer.world.getItemAt(0);
            const { x, y } = image.viewportToImageCoordinates(nucwsi.viewer.viewport.getCenter());
            return [x, y];
            """
        )
        assert shapely.box(*outline(nuclei, at).bounds).buffer(2).covers(shapely.Point(x, y))
    for text in ("17", "-1", "1e3", "liver", "9" * 40, ""):
        page.find_element("id", "number").clear()
        page.find_element("id", "number").send_keys(text + Keys.ENTER)
        wait(page, "return document.getElementById('not-found').textContent.startsWith('No such')")
    page.execute_script(f"location.hash = '#nucleus={nuclei.id[3]}'")
    wait(page, f"return document.getElementById('ident').textContent === '{nuclei.id[3]}'")
    page.find_element("id", "close").click()


def test_names_are_shown_and_never_run(page):
    page.find_element("css selector", "#regions summary").click()
    shown = [item.text for item in page.find_elements("css selector", "#regions li span")]
    assert shown[: len(HOSTILE)] == [" ".join(name.split()) for name in HOSTILE]
    assert page.execute_script("return window.hacked") is None
    button = page.find_element("css selector", "#regions li button")
    button.click()
    wait(page)
    middle = page.execute_script(
        """
        const image = nucwsi.viewer.world.getItemAt(0);
        const { x, y } = image.viewportToImageCoordinates(nucwsi.viewer.viewport.getCenter());
        return [x, y];
        """
    )
    np.testing.assert_allclose(middle, (100, 275), atol=2)


def test_an_address_leads_to_a_place(page):
    page.execute_script("location.hash = '#at=800,600,100'")
    wait(page)
    left, top, width = page.execute_script(
        """
        const image = nucwsi.viewer.world.getItemAt(0);
        const box = image.viewportToImageRectangle(nucwsi.viewer.viewport.getBounds());
        return [box.x + box.width / 2, box.y + box.height / 2, box.width];
        """
    )
    np.testing.assert_allclose((left, top, width), (400, 300, 200), atol=2)


def test_an_address_leads_to_a_region_whatever_its_name(page):
    """As the report links to it, also percent signs that somebody wrote by hand."""
    regions = page.execute_script("return nucwsi.counted.regions.map(({ name }) => name)")
    for name in HOSTILE:
        shown = " ".join(name.split())
        address = f"#region={quote(shown, safe='')}"
        page.execute_script("location.hash = ''; location.hash = arguments[0]", address)
        wait(page)
        x, y = page.execute_script(
            """
            const image = nucwsi.viewer.world.getItemAt(0);
            const { x, y } = image.viewportToImageCoordinates(nucwsi.viewer.viewport.getCenter());
            return [x, y];
            """
        )
        [ring] = page.execute_script(
            "return nucwsi.counted.regions[arguments[0]].rings", regions.index(shown)
        )
        assert abs(x - (min(ring[::2]) + max(ring[::2])) / 2) < 3
        assert abs(y - (min(ring[1::2]) + max(ring[1::2])) / 2) < 3
    page.execute_script("location.hash = '#region=50%'")
    wait(page)


def test_tiles_that_the_viewer_asks_for_are_those_that_exist(page, results):
    asked = page.execute_script(
        """
        const { source } = nucwsi.viewer.world.getItemAt(0), found = [];
        for (let level = source.minLevel; level <= source.maxLevel; level++) {
            const { x, y } = source.getNumTiles(level);
            for (let column = 0; column < x; column++) for (let row = 0; row < y; row++)
                if (source.tileExists(level, column, row))
                    found.push(source.getTileUrl(level, column, row));
        }
        return found;
        """
    )
    folder = results / "small" / "viewer"
    made = [path.relative_to(folder).as_posix() for path in folder.glob("image/*/*.jpg")]
    assert sorted(asked) == sorted(made)


def test_it_opens_from_a_disk_too(browser, results):
    browser.get("about:blank")
    complaints(browser), asked_for(browser)
    browser.get((results / "small" / "viewer" / "index.html").as_uri())
    wait(browser)
    go(browser, 500, 400, 2)
    assert complaints(browser) == []
    assert {urlsplit(address).scheme for address in asked_for(browser)} <= {"file", "data", "blob"}


@pytest.mark.parametrize("keep", [0, 1])
def test_with_hardly_a_nucleus(browser, small_slide, tmp_path, keep):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=keep))
    output = folder / "viewer" / "index.html"
    for _ in range(2):  # made anew over what is there
        render(small_slide, folder / "nuclei.parquet", output, RenderSettings())
    assert len(list((output.parent / "nuclei").iterdir())) == keep
    browser.get("about:blank")
    complaints(browser)
    browser.get(output.as_uri())
    wait(browser)
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_panels_stay_in_the_window(page, width):
    resize(page, width)
    wait(page)
    for name in ("legend", "tools", "scale"):
        box = page.find_element("id", name).rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width

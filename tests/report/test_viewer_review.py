"""A review in the viewer, as a pathologist does it, in a headless browser."""

import json
import time

import numpy as np
import pytest
from commands import succeeded
from reviewed import frames_in, nuclei_in
from shown import chromium, complaints, phantom_nuclei, resize, served, write_results

from nucwsi.config import RenderSettings
from nucwsi.io.review.answers import read_answers
from nucwsi.steps.render import render


def drawn(small_slide, folder, *words):
    """Make a slide with a viewer and a worklist; return the folder, and the worklist as JSON."""
    results = write_results(small_slide, folder / "results" / "small", phantom_nuclei())
    render(small_slide, results / "nuclei.parquet", results / "viewer/index.html", RenderSettings())
    path = folder / "worklist.geojson"
    succeeded("review", results, "-o", path, "--labels", 100, "--frames", 4, *words)
    return results, json.loads(path.read_text())


@pytest.fixture(scope="module")
def made(small_slide, tmp_path_factory):
    return drawn(small_slide, tmp_path_factory.mktemp("made"), "--class", "plasma_cell")


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


def until(page, condition, seconds=15):
    end = time.monotonic() + seconds
    while not page.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


def start(page, address):
    page.get("about:blank")
    complaints(page)
    page.get(address)
    until(page, "typeof review === 'object' && review.isOpen && review.worklist")


def address_of(made):
    return (made[0] / "viewer" / "index.html").as_uri()


def forget(page):
    page.execute_script("localStorage.clear()")


def press(page, keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page, 0).send_keys(keys).perform()


def downloaded(page, folder):
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    press(page, "s")
    end = time.monotonic() + 15
    while not (found := list(folder.glob("*.json"))):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found[0]


def test_a_hundred_answers_by_keyboard_alone_survive_a_reload_and_are_read_back(
    browser, made, tmp_path
):
    results, worklist = made
    nuclei, frames = nuclei_in(worklist), frames_in(worklist)
    names = ["epithelial", "inflammatory", "spindle", "other", "plasma_cell", "not a nucleus"]
    keys = [1, 2, 3, 4, 5, 0]
    start(browser, address_of(made))
    forget(browser)
    start(browser, address_of(made))
    wanted = np.random.default_rng(3).integers(0, len(names), 100)
    press(browser, "".join(str(keys[one]) for one in wanted[:57]))
    browser.refresh()
    until(browser, "typeof review === 'object' && review.worklist && review.at === 57")
    assert "57 of 100 nuclei" in browser.find_element("id", "done").text
    press(browser, "".join(str(keys[one]) for one in wanted[57:]))
    until(browser, "review.at === 100 && !nucwsi.viewer.isAnimating?.()")
    # A missed nucleus of the third class in the first frame; all frames are finished.
    press(browser, "3m")
    press(browser, "\ue007" * len(frames))
    until(browser, "document.getElementById('done').textContent.includes('4 of 4 frames')")
    path = downloaded(browser, tmp_path)
    assert complaints(browser) == []

    answers = read_answers(path)
    assert [one.object_id for one in answers[:100]] == [one["id"] for one in nuclei]
    assert [one.label for one in answers[:100]] == [names[one] for one in wanted]
    missed = [one for one in answers if one.kind == "added"]
    assert [(one.label) for one in missed] == ["spindle"]
    corners = np.array(frames[0]["geometry"]["coordinates"][0])
    assert (corners.min(axis=0) < missed[0].place).all()
    assert (corners.max(axis=0) > missed[0].place).all()
    assert {one.object_id for one in answers if one.label == "done"} == {f["id"] for f in frames}
    said = succeeded("correct", results, path, "-o", tmp_path / "corrected").output
    assert "100 of 100" in said, said


def test_enter_takes_the_class_that_is_shown_and_x_takes_it_back(browser, made):
    start(browser, address_of(made))
    forget(browser)
    start(browser, address_of(made))
    predicted = [one["properties"]["classification"]["name"] for one in nuclei_in(made[1])]
    press(browser, "\ue007\ue007n\ue007")
    rows = browser.execute_script("return review.answers.document().answers")
    assert [row["class"].capitalize() for row in rows] == [predicted[0], predicted[1], predicted[3]]
    press(browser, "pppx")
    rows = browser.execute_script("return review.answers.document().answers")
    assert [row["class"] for row in rows][1] == ""


def test_a_click_marks_a_missed_nucleus_and_a_second_one_takes_it_away(browser, made):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    start(browser, address_of(made))
    forget(browser)
    start(browser, address_of(made))
    browser.execute_script("review.go(101)")
    until(browser, "!nucwsi.viewer.isAnimating?.()")
    time.sleep(0.8)  # the slide comes to rest
    for expected in (1, 0):
        actions = ActionBuilder(browser)
        actions.pointer_action.move_to_location(560, 430).click()
        actions.perform()
        until(browser, f"review.frameOf(review.item).missed.length === {expected}")
        time.sleep(0.5)
    actions.pointer_action.move_to_location(30, 30).click()  # outside of the frame
    actions.perform()
    time.sleep(0.3)
    assert browser.execute_script("return review.frameOf(review.item).missed") == []


def test_blind_shows_no_predicted_class_anywhere(browser, small_slide, tmp_path):
    made = drawn(small_slide, tmp_path, "--blind")
    start(browser, address_of(made))
    press(browser, "\ue007")
    assert browser.execute_script("return review.answers.document().answers") == []
    assert browser.execute_script("return colouredBy") == "none"
    browser.execute_script("review.go(100)")
    assert not browser.find_element("id", "legend").is_displayed()
    assert not browser.find_element("id", "nucleus").is_displayed()
    text = browser.find_element("id", "item").text.lower()
    assert not any(name in text for name in ("epithelial", "spindle", "inflammatory"))


def test_a_worklist_of_other_nuclei_or_another_file_is_refused_in_one_line(browser, made, tmp_path):
    worklist = made[1]
    start(browser, address_of(made))
    forget(browser)
    browser.get("about:blank")
    browser.get(address_of(made) + "#at=100,100,50")
    until(browser, "typeof review === 'object'")
    assert not browser.execute_script("return review.isOpen"), "a link leads to its place"
    browser.find_element("id", "open-review").click()
    other = {**worklist, "nucwsi": json.loads(json.dumps(worklist["nucwsi"]))}
    other["nucwsi"]["draw"]["results"] = "0" * 32
    for text, said in (
        (json.dumps(other), "other results"),
        ("{", "no JSON"),
        ('{"type": "FeatureCollection", "features": []}', "no worklist"),
        ('{"kind": "answers"}', "another worklist"),
    ):
        (tmp_path / "f.json").write_text(text)
        browser.find_element("id", "file").send_keys(str(tmp_path / "f.json"))
        until(browser, f"document.getElementById('said').textContent.includes('{said}')")
    (tmp_path / "f.json").write_text(json.dumps(worklist))
    browser.find_element("id", "file").send_keys(str(tmp_path / "f.json"))
    until(browser, "review.worklist && review.item.name === '001'")
    assert complaints(browser) == []


@pytest.mark.parametrize("token", [False, True])
def test_nucwsi_view_keeps_the_answers_on_disk_and_gives_them_back(browser, made, token):
    results, worklist = made
    key = worklist["nucwsi"]["draw"]["key"]
    kept = results / "review" / "answers" / f"{key}.json"
    kept.unlink(missing_ok=True)
    for at in (0, 3):  # another port is another place for the browser's own store
        with served(results.parent, token=token) as address:
            start(browser, address)
            assert browser.execute_script("return review.at") == at
            press(browser, "123")
            until(browser, "document.getElementById('said').textContent.startsWith('Saved as')")
            until(browser, "!review.disk.isBusy && !review.disk.isBehind")
            assert str(kept) in browser.find_element("id", "said").text
            assert len([one for one in read_answers(kept) if one.label]) == at + 3
            assert complaints(browser) == []


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_the_panel_stays_in_the_window(browser, made, width):
    resize(browser, width)
    try:
        start(browser, address_of(made))
        box = browser.find_element("id", "review").rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 800
    finally:
        resize(browser, 1200)

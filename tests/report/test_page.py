"""The report: what it says, what it shows, and that no input can break it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from pages_made import RUN, changed, grouped, page_of
from shown import (
    HOSTILE,
    assessed,
    phantom_nuclei,
    write_results,
)

from nucwsi.phantom import CLASSES
from nucwsi.report.assessment import Assessment
from nucwsi.report.run import FailedSlide
from nucwsi.report.slide_row import Files


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

"""A cohort over time: one slide fails, one is replaced, one is archived; the others go on."""

import csv
import json
import os
import re
import shutil

import pytest
from conftest import ROOT

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted")
    for seed in (1, 2, 3):
        write_phantom(folder / f"{seed}.tiff", Phantom((700, 700), seed=seed))
    return folder


def slides_in(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return sorted({row["slide"] for row in csv.DictReader(stream)})


def assert_captions(snakemake, settings):
    """Each result in the report of Snakemake has the text of its caption, filled in."""
    pytest.importorskip("docutils", reason="Snakemake's report needs docutils")
    output = snakemake.folder / "snakemake.html"
    snakemake("--report", output, **settings)
    packed = re.findall(r'"caption":\s*("(?:[^"\\]|\\.)*")', output.read_text("utf-8"))
    captions = [" ".join(re.sub("<[^>]+>", "", json.loads(one)).split()) for one in packed]
    for table in ("composition", "morphometry", "neighbours"):
        assert sum(caption.startswith(f"{table}.csv of all slides.") for caption in captions) == 1
    for begins in ("Differences between groups", "The values of each patient", "The page about"):
        assert sum(caption.startswith(begins) for caption in captions) == 1
    assert not [one for one in captions if re.search(r"[{}`]|::", one)]


def test_every_result_that_is_reported_has_a_caption():
    named = {
        caption
        for rules in (ROOT / "workflow" / "rules").glob("*.smk")
        for caption in re.findall(r'caption="\.\./report/(.+?)"', rules.read_text("utf-8"))
    }
    assert named == {path.name for path in (ROOT / "workflow" / "report").iterdir()}
    assert all((ROOT / "workflow" / "report" / name).read_text("utf-8").strip() for name in named)


def test_one_bad_slide_does_not_cost_the_cohort(snakemake, painted, tiny_member):
    folder, results = snakemake.folder, snakemake.folder / "results"
    (folder / "slides").mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        shutil.copy(painted / f"{seed}.tiff", folder / "slides" / f"{name}.tiff")
    settings = {"slides": folder / "slides", "members": tiny_member, "viewer": "false"}

    def planned():
        ran = snakemake("-n", **settings)
        return {line.split()[0] for line in ran.stdout.splitlines() if line.endswith(" 1")}

    # A slide cannot be read: tables and report are those of the other, and the report says so.
    whole = (folder / "slides" / "a.tiff").read_bytes()
    (folder / "slides" / "a.tiff").write_bytes(whole[:3000])
    ran = snakemake("check", check=False, **settings)
    assert ran.returncode != 0
    assert "a: cannot be analysed" in ran.text
    assert "1 of 2 slides can be analysed" in ran.text
    assert not list(results.glob("a/*"))

    ran = snakemake("--keep-going", check=False, **settings)
    assert ran.returncode != 0
    assert "the 1 of 2 slides that worked" in ran.text
    assert slides_in(results / "composition.csv") == ["b"]
    page = (results / "report.html").read_text()
    assert page.index("Not analysed: 1 slide") < page.index("nuclei per mm²")
    assert "nucwsi tile: " in page
    assert "results/logs/a/tile.log" in page

    # Repaired, it joins the cohort; the report has no complaint any more.
    (folder / "slides" / "a.tiff").write_bytes(whole)
    snakemake(**settings)
    assert slides_in(results / "composition.csv") == ["a", "b"]
    assert "Not analysed" not in (results / "report.html").read_text()
    before = (results / "a" / "composition.csv").read_text()

    # To touch a slide is free; a slide replaced under its name is analysed anew.
    os.utime(folder / "slides" / "a.tiff")
    assert planned() == set()
    shutil.copy2(painted / "3.tiff", folder / "slides" / "a.tiff")
    assert {"tile", "predict", "segment", "stitch", "compose", "assess", "report"} <= planned()
    snakemake(**settings)
    assert (results / "a" / "composition.csv").read_text() != before

    # Further columns of a sheet, whatever they hold, reach the tables; groups of them are compared.
    sheet = folder / "slides.tsv"
    odd = "{braces} $HOME `x` 'a' <b> é 🔬"
    lines = [f"{name}\t{folder}/slides/{name}.tiff\t{odd}\t{name}" for name in ("a", "b")]
    sheet.write_text("\n".join(["slide\tpath\tstain batch\tgroup", *lines]) + "\n", "utf-8")
    settings |= {"slides": sheet, "report": "{compare: group}"}
    counted = re.findall(r"^(\w+) +\d+$", snakemake("-n", **settings).stdout, re.MULTILINE)
    cheap = {"compose", "assess", "provenance", "summary", "report", "all", "total"}
    assert {"compose", "report"} <= set(counted) <= cheap
    snakemake(**settings)
    for table in ("composition", "morphometry", "neighbours"):
        with (results / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {(row["slide"], row["stain batch"], row["group"]) for row in rows} == {
            ("a", odd, "a"),
            ("b", odd, "b"),
        }
    with (results / "groups.csv").open(encoding="utf-8", newline="") as stream:
        assert {row["note"] for row in csv.DictReader(stream)} == {
            "fewer than 3 patients: not tested"
        }
    assert (results / "patients.csv").exists()
    assert_captions(snakemake, settings)
    assert (results / "nucwsi_slides_mqc.json").exists()
    assert planned() == set()

    # Results of a slide that is archived stop nothing, if the sheet still names it.
    (folder / "slides" / "a.tiff").unlink()
    assert planned() == set()

"""Every command of the pages on review and on teaching runs, on a slide whose nuclei are known."""

import json
import re
import shlex

import geopandas
from commands import succeeded
from conftest import ROOT
from reviewed import exported, nuclei_in, set_class
from shown import phantom_nuclei, write_results

from nucwsi.io.nuclei.parquet import read_facts


def commands_of(page, least):
    """List the commands of a page that name all their files, in blocks and in its text."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    found = re.findall(r"^ *`?(nucwsi \w+ [^`\n]+)|`(nucwsi \w+ [^`\n]+)`", text, re.MULTILINE)
    lines = dict.fromkeys(one or other for one, other in found)
    # `nucwsi view results` serves until it is stopped; tests/steps/test_view.py asks it.
    lines = [line for line in lines if not line.startswith("nucwsi view")]
    assert len(lines) >= least, lines
    return lines


def run(line):
    program, *words = shlex.split(line)
    assert program == "nucwsi"
    succeeded(*words)


def results(folder, slide):
    """Write the results of a slide at the places that the pages name."""
    write_results(slide, folder / "results" / "phantom", phantom_nuclei())
    told = {"slide": {"path": str(slide)}}
    (folder / "results" / "phantom" / "provenance.json").write_text(json.dumps(told))


def test_the_commands_on_review_run(tmp_path, small_slide, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results(tmp_path, small_slide)
    for line in commands_of("review.md", 3):
        # The draw has another key than that of the page.
        run(re.sub(r"answers\.phantom\S+", "answers.geojson", line))
        if line.startswith("nucwsi review"):
            drawn = json.loads((tmp_path / "worklist.geojson").read_text())
            exported(tmp_path / "answers.geojson", drawn)
    assert (tmp_path / "results" / "phantom" / "corrected.json").exists()


def test_the_commands_on_teaching_run(tmp_path, small_slide, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results(tmp_path, small_slide)
    nuclei = geopandas.read_parquet("results/phantom/nuclei.parquet")
    small = dict(zip(nuclei["id"], nuclei["area_um2"] < nuclei["area_um2"].median(), strict=True))
    named = f"{small_slide} results/phantom/nuclei.parquet"
    for line in commands_of("teach.md", 3):
        run(line.replace("SLIDE nuclei.parquet", named))
        if line.startswith("nucwsi review"):
            drawn = json.loads((tmp_path / "worklist.geojson").read_text())
            for one in nuclei_in(drawn):
                set_class(one, "Mitosis" if small[one["properties"]["nucleus_id"]] else "Giant")
            exported(tmp_path / "answers.geojson", drawn)
    assert set(read_facts(tmp_path / "classified.parquet").classes) == {"Mitosis", "Giant"}

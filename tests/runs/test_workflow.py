"""The workflow, run by the real Snakemake as a user runs it."""

import csv
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import geopandas
import pytest
from click.testing import CliRunner
from conftest import ROOT

from nucwsi.cli.commands import main
from nucwsi.config import Config, Section


def jobs(ran):
    """Read the table of planned jobs."""
    return {
        name: int(count)
        for name, count in re.findall(r"^(\w+) +(\d+)$", ran.text, re.MULTILINE)
        if name != "total"
    }


ONE_SLIDE = {
    **dict.fromkeys(("tile", "predict", "segment", "stitch", "compose", "export"), 1),
    "summary": 3,
    **dict.fromkeys(("assess", "render", "report", "provenance", "all"), 1),
}


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_fresh_clone_plans_the_demo(snakemake, snakefile):
    assert jobs(snakemake("-n", snakefile=snakefile)) == {**ONE_SLIDE, "phantom": 1}


def test_the_profile_of_one_computer(snakemake):
    profile = ROOT / "workflow" / "profiles" / "local"
    assert jobs(snakemake("-n", "--workflow-profile", profile, cores=None))["predict"] == 1


def test_a_slide_named_on_the_command_line(snakemake, small_slide):
    assert jobs(snakemake("-n", slides=small_slide)) == ONE_SLIDE
    assert jobs(snakemake("-n", slides=small_slide.parent)) == ONE_SLIDE


def test_parts_scatter_predict_and_segment(snakemake, small_slide):
    planned = jobs(snakemake("-n", slides=small_slide, parts=3))
    assert planned == {**ONE_SLIDE, "predict": 3, "segment": 3}


def test_region_files_reach_compose(snakemake, small_slide):
    """The files of the sheet, whatever their names, or those beside the slide."""
    folder = snakemake.folder / "it's here"
    folder.mkdir()
    slide = folder / "a.tiff"
    slide.symlink_to(small_slide)
    for name in ("a.geojson", "drawn; no.xml", "two words.xml"):
        (folder / name).write_text("{}")
    sheet = snakemake.folder / "my.tsv"
    sheet.write_text(
        f"slide\tpath\tregions\nx\t{slide}\t{folder}/two words.xml;{folder}/a.geojson\n"
    )
    for slides, wanted in ((sheet, ["two words.xml", "a.geojson"]), (slide, ["a.geojson"])):
        planned = snakemake("-n", "--printshellcmds", slides=f'"{slides}"').text
        [command] = re.findall(r"nucwsi compose .*", planned)
        words = shlex.split(command.partition(" 2> ")[0])
        given = [after for word, after in pairwise(words) if word == "--regions"]
        assert given == [str(folder / name) for name in wanted]
    alone = snakemake("-n", "--printshellcmds", slides=f'"{slide}"', regions_beside="false").text
    assert "--regions" not in alone


def test_one_name_a_step(snakemake):
    """Rule, subcommand, function of the step, section, log and benchmark share one name."""
    planned = snakemake("-n", "--forceall", "--printshellcmds").text
    rules = {}
    for block in re.split(r"^(?:local)?rule ", planned, flags=re.MULTILINE)[1:]:
        name = block.split(":")[0]
        facts = dict(re.findall(r"^    (log|benchmark): (\S+)$", block, re.MULTILINE))
        rules[name] = (facts, re.findall(r"^Shell command: nucwsi (\S+) ", block, re.MULTILINE))
    rules.pop("all")
    for name, (facts, commands) in rules.items():
        assert commands == [name]
        assert name in main.commands
        log, benchmark = Path(facts["log"]), Path(facts["benchmark"])
        assert log.name.split(".")[0] == name
        assert benchmark == Path("results/benchmarks") / log.relative_to(
            "results/logs"
        ).with_suffix(".tsv")
    sections = {
        name for name, field in Config.model_fields.items() if isinstance(field.default, Section)
    }
    bare = {"summary", "phantom", "provenance"}
    assert sections == set(rules) - bare, "these have no settings"
    for name in set(rules) - {"phantom"}:
        assert callable(getattr(importlib.import_module(f"nucwsi.steps.{name}"), name))


def test_the_workflow_runs_on_an_installed_package(snakemake, small_slide, monkeypatch):
    """The wheel, not an editable install, holds everything that the workflow needs."""
    target, clone = snakemake.folder / "installed", snakemake.folder / "clone"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run([*pip, "--no-build-isolation", "--target", str(target), str(ROOT)], check=True)
    for name in ("workflow", "envs"):
        shutil.copytree(ROOT / name, clone / name)
    monkeypatch.setenv("PYTHONPATH", str(target))
    probe = [sys.executable, "-c", "import nucwsi; print(nucwsi.__file__)"]
    found = subprocess.run(probe, capture_output=True, text=True, check=True, cwd=clone).stdout
    assert Path(found).is_relative_to(target)
    snakemake(
        "results/small/tissue.geojson",
        snakefile=clone / "workflow" / "Snakefile",
        slides=small_slide,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"slides": "none.tsv"}, "none.tsv: does not exist; name your slide sheet"),
        ({"tile": "{core: 5}"}, "unknown setting `tile.core`; known here: core_px"),
        ({"colour": "red"}, "unknown setting `colour`"),
        ({"members": "[nothing]"}, "'nothing': no such file, and not bundled"),
    ],
)
def test_a_wrong_configuration_stops_before_any_work(snakemake, settings, message):
    ran = snakemake("-n", check=False, **settings)
    assert ran.returncode != 0
    assert message in ran.text
    assert "Traceback" not in ran.text


@pytest.fixture
def finished(snakemake, small_slide, tiny_member):
    """A finished run with a random network, and a function that plans it again."""
    settings = {"slides": small_slide, "members": f"[{tiny_member}]"}
    # A random network finds nuclei everywhere or nowhere; this threshold gives some.
    snakemake(**settings, segment="{np_threshold: 0.45, min_area_um2: 1}")

    def again(*words, **changed):
        every = {**settings, "segment": "{np_threshold: 0.45, min_area_um2: 1}", **changed}
        return jobs(snakemake("-n", *words, **every))

    again.folder = snakemake.folder
    return again


def test_a_run_from_slide_to_results(finished):
    """All results are there, agree with each other, and only what has changed is made anew."""
    results = finished.folder / "results" / "small"
    table = geopandas.read_parquet(results / "nuclei.parquet")
    assert table.geometry.is_valid.all()
    with (finished.folder / "results" / "composition.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    whole = rows[0]
    assert whole["region_id"] == "slide"
    assert int(whole["n_nuclei"]) == len(table)
    for name, count in table["class"].value_counts().items():
        assert int(whole[f"n_{name}"]) == count
    assert sum(int(row["n_nuclei"]) for row in rows if row["region_source"] == "grid") >= len(table)
    checked = CliRunner().invoke(
        main,
        [
            "check-geojson",
            *map(str, [results / "small.nuclei.qupath.zip", results / "small.regions.geojson"]),
        ],
    )
    assert checked.exit_code == 0, checked.output
    assert f"{len(table)} objects, 0 faults" in checked.output
    assert "density_z" in json.loads((results / "seams.json").read_text())
    assert not (results / "tiles.zarr.zip").exists(), "the canvas is temporary"
    assert list((results / "maps").iterdir()) == [results / "maps" / "1-of-1.zarr.zip"]
    steps = ("tile", "predict.1-of-1", "segment.1-of-1", "stitch", "compose", "export")
    for verb in (*steps, "assess", "render"):
        assert (finished.folder / "results" / "logs" / "small" / f"{verb}.log").exists()
        assert (finished.folder / "results" / "benchmarks" / "small" / f"{verb}.tsv").exists()

    assert finished() == {}, "nothing changed, nothing to do"
    assert finished(predict="{batch_size: 3, device: cpu}") == {}, "speed is no reason"
    shown = dict.fromkeys(("compose", "assess", "render", "report", "provenance", "all"), 1)
    later = shown | dict.fromkeys(("segment", "stitch", "export"), 1) | {"summary": 3}
    assert finished(segment="{np_threshold: 0.6}") == later, "the maps are kept"
    assert finished(compose="{grid_um: 100}") == shown | {"summary": 3}
    assert finished(compose="{neighbours_um: 0}") == shown | {"summary": 2}
    again = {"export": 1, "provenance": 1, "report": 1, "all": 1}
    assert finished(export="{csv: true}") == again, "the report links to what is exported"
    record = json.loads((results / "provenance.json").read_text())
    assert record["counts"]["nuclei"] == record["counts"]["qupath_objects"] == len(table)
    assert {"tile", "predict.1-of-1", "stitch", "compose", "export"} <= set(record["timings"])
    assert finished(render="{quality: 70}") == {"render": 1, "report": 1, "all": 1}
    assert finished(viewer="false") == {"report": 1, "all": 1}, "the slide is read as it is"
    assert finished(members="[default]")["predict"] == 1
    assert finished(predict="{views: 4}")["predict"] == 1


def test_two_slides_do_not_meet_on_the_gpu(snakemake, small_slide, tiny_member):
    """Without a flag one job runs at a time, though there are cores for two."""
    slides = snakemake.folder / "slides"
    slides.mkdir()
    for name in "ab":
        shutil.copy(small_slide, slides / f"{name}.tiff")
    maps = [f"results/{name}/maps/1-of-1.zarr.zip" for name in "ab"]
    alone = ("--set-threads", "tile=1", "predict=1")
    snakemake(*maps, *alone, cores=4, slides=slides, members=f"[{tiny_member}]")
    records = [
        json.loads(path.read_text())
        for path in (snakemake.folder / ".snakemake" / "metadata").iterdir()
    ]
    spans = sorted((r["starttime"], r["endtime"]) for r in records if r["rule"] == "predict")
    assert len(spans) == 2
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans


def test_a_failing_slide_leaves_nothing_half_made(snakemake, tmp_path):
    bad = tmp_path / "bad.svs"
    bad.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    ran = snakemake(check=False, slides=bad)
    assert ran.returncode != 0
    log = (tmp_path / "results" / "logs" / "bad" / "tile.log").read_text()
    assert "run `git lfs pull`" in log
    assert log.count("\n") == 1
    assert not list((tmp_path / "results" / "bad").glob("*"))
    assert f"{log.rstrip()}  [results/logs/bad/tile.log]\n" in ran.text, "and the user sees it"

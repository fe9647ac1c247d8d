"""`nucwsi run` from slides to results: a picture, a second run that adds, a workflow around it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from tables_made import assert_same_nuclei

from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.io.slides.sheet import read_sheet
from nucwsi.io.slides.slide import open_slide
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import Phantom

#: A random network finds nuclei everywhere or nowhere; this threshold gives some.
_SEGMENT = {"np_threshold": 0.45, "min_area_um2": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_member):
    """A scan, the same as a picture in a folder of an odd name, and a configuration."""
    folder = tmp_path_factory.mktemp("it's a folder")
    (folder / "slides" / "deep er").mkdir(parents=True)
    (folder / "elsewhere").mkdir()
    write_phantom(folder / "slides" / "scan.tiff", Phantom((700, 800), seed=5))
    with open_slide(folder / "slides" / "scan.tiff") as slide:
        pixels, _ = slide.read(0, slide.bounds)
    Image.fromarray(pixels).save(folder / "slides" / "deep er" / "a photo.png")
    (folder / "net.safetensors").symlink_to(tiny_member)
    settings = {"members": ["net.safetensors"], "segment": _SEGMENT, "viewer": False}
    (folder / "my.yaml").write_text(yaml.safe_dump(settings))
    return folder


def called(folder, program, *words, code=0):
    """Run a program of the environment as from a shell that does not find it by its name."""
    ran = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran


def run(folder, *words, **more):
    return called(folder, "nucwsi", "run", *map(str, words), **more)


def table_of(path):
    table = NucleusTable.concatenated(list(iter_tables(path)))
    return table.take(np.argsort(table.id))


@pytest.fixture(scope="module")
def first(folder):
    """A run of the picture alone."""
    return run(
        folder,
        *("slides/deep er/a photo.png", "--mpp", "0.25", "-o", "my results"),
        *("--configfile", "my.yaml", "--", "--set-threads", "predict=2"),
    )


def test_a_run_ends_by_naming_results_that_are_there(folder, first):
    assert first.stdout.startswith("Done: 1 slide. Results:\n")
    named = [line.partition("   ")[0].strip() for line in first.stdout.splitlines()[1:]]
    assert len(named) == 5
    assert all(Path(name).exists() for name in named), named
    assert first.stderr.splitlines()[0] == "my results: 1 slide, 1 of them new"
    assert "a_photo: predict" in first.stderr
    assert read_facts(folder / "my results/a_photo/nuclei.parquet").vendor == "png"
    left = {path.name for path in folder.iterdir()}
    assert left == {"slides", "elsewhere", "net.safetensors", "my.yaml", "my results"}


def test_a_second_run_adds_its_slides_and_a_workflow_around_it_finds_the_same(folder, first):
    """Of two slides of the same pixels, one as TIFF and one as PNG, all nuclei are equal."""
    again = run(folder / "elsewhere", "../slides", "-o", "../my results")
    assert again.stderr.splitlines()[0] == "../my results: 2 slides, 1 of them new"
    assert "a_photo: tile" not in again.stderr, "that slide is done"
    results = folder / "my results"
    entries = read_sheet(results / "config" / "slides.tsv")
    assert [(entry.name, entry.mpp) for entry in entries] == [("a_photo", 0.25), ("scan", None)]
    with (results / "composition.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["slide"] for row in rows} == {"a_photo", "scan"}
    photo, scan = (table_of(results / name / "nuclei.parquet") for name in ("a_photo", "scan"))
    assert len(scan) > 0
    assert_same_nuclei(photo, scan)

    outer = folder / "elsewhere"
    (outer / "Snakefile").write_text(
        "rule all:\n    input: 'mine.csv'\n\n"
        f"module nucwsi:\n    snakefile: {str(ROOT / 'nucwsi' / 'Snakefile')!r}\n"
        "    config: config['nuclei']\n\n"
        "use rule * from nucwsi as nucwsi_*\n\n"
        "rule mine:\n    input: 'out/composition.csv', 'out/report.html'\n"
        "    output: 'mine.csv'\n    shell: 'cp {input[0]} {output}'\n"
    )
    inner = yaml.safe_load((folder / "my.yaml").read_text())
    inner |= {"members": ["../net.safetensors"], "slides": "../slides/scan.tiff", "output": "out"}
    (outer / "c.yaml").write_text(yaml.safe_dump({"mine": 1, "nuclei": inner}))
    called(outer, "snakemake", "--cores", "2", "--configfile", "c.yaml")
    assert_same_nuclei(table_of(outer / "out" / "scan" / "nuclei.parquet"), scan)
    with (outer / "mine.csv").open() as stream:
        assert [row["n_nuclei"] for row in csv.DictReader(stream)] == [
            row["n_nuclei"] for row in rows if row["slide"] == "scan"
        ]


def test_one_bad_slide_does_not_cost_the_others(folder, first):
    (folder / "bad.svs").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    ran = run(folder, "bad.svs", "-o", "my results", code=1)
    log = folder / "my results/logs/bad/tile.log"
    assert f"run `git lfs pull`  [{log}]\n" in ran.stdout
    assert "Tables and report are those of the" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


def test_outside_of_a_clone_the_snakefile_plans_the_demo(tmp_path):
    shown = called(tmp_path, "nucwsi", "run", "--snakefile").stdout.strip()
    planned = called(tmp_path, "snakemake", "--snakefile", shown, "--cores", "1", "-n").stdout
    assert "results/phantom/phantom.nuclei.qupath.zip" in planned

"""Slides in a batch: killed, resumed, one of them damaged; the results are those of jobs alone."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

#: What the results of a slide are, but for the costs in provenance.json.
SAME = (
    *("maps/1-of-1.zarr.zip", "nuclei.parquet", "seams.json", "tissue.geojson"),
    *("composition.csv", "morphometry.csv", "neighbours.csv", "assessment.json"),
    *("{slide}.nuclei.qupath.zip", "{slide}.regions.geojson"),
)


@pytest.fixture
def slides(tmp_path):
    """A folder of three slides, whose second is damaged."""
    folder = tmp_path / "my slides"
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        write_phantom(folder / f"{name}.tiff", Phantom((500, 520), seed=seed))
        (folder / f"{name}.truth.geojson").unlink()
    shutil.move(folder / "b.tiff", tmp_path / "whole.tiff")
    (folder / "b.tiff").write_bytes((tmp_path / "whole.tiff").read_bytes()[:3000])
    return folder


def killed(folder, settings, until):
    """Start a run and kill it with all its jobs as soon as a file is there."""
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--cores", "2", "--config"),
        *(f"{key}={value}" for key, value in settings.items()),
    ]
    with (folder / "killed.log").open("wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    while not until.exists():
        assert run.poll() is None, (folder / "killed.log").read_text()
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_a_batch_of_three_of_which_one_is_broken(snakemake, slides, tiny_member):
    folder, results = snakemake.folder, snakemake.folder / "results"
    alone = {"slides": slides, "members": f"[{tiny_member}]", "viewer": "false"}
    settings = alone | {"batch": 3}
    maps = results / "a" / "maps" / "1-of-1.zarr.zip"
    killed(folder, settings, results / "logs" / "a" / "segment.1-of-1.log")
    before = maps.stat().st_mtime_ns
    again = ("--nolock", "--rerun-incomplete")

    # What was done is kept; the damaged slide costs the others nothing.
    ran = snakemake("--keep-going", *again, check=False, **settings)
    assert ran.returncode != 0
    assert maps.stat().st_mtime_ns == before
    assert "the 2 of 3 slides that worked" in ran.text
    assert sum(line.startswith("nucwsi tile: ") for line in ran.stdout.splitlines()) == 1
    assert not any(line.startswith("nucwsi batch: ") for line in ran.stdout.splitlines())
    page = (results / "report.html").read_text()
    assert "Not analysed: 1 slide" in page
    assert "results/logs/b/tile.log" in page
    with (results / "composition.csv").open() as stream:
        assert {row["slide"] for row in csv.DictReader(stream)} == {"a", "c"}

    # Repaired, it is the only one that is analysed.
    files = [path for name in "ac" for path in (results / name).iterdir() if path.is_file()]
    made = {path: path.stat().st_mtime_ns for path in files}
    shutil.copy(folder / "whole.tiff", slides / "b.tiff")
    snakemake(*again, **settings)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert "Nothing to be done" in snakemake("-n", *again, **settings).text
    with (results / "composition.csv").open() as stream:
        assert {row["slide"] for row in csv.DictReader(stream)} == {"a", "b", "c"}
    assert not (results / ".batches").exists()

    # A result that is lost is made again; with jobs alone, nothing of all this is.
    (results / "c" / "neighbours.csv").unlink()
    assert "batched" in snakemake("-n", *again, **settings).text
    batched = {name: (results / "a" / name.format(slide="a")).read_bytes() for name in SAME}
    shutil.rmtree(results / "a")
    snakemake("slides", *again, **alone)
    for name, content in batched.items():
        assert (results / "a" / name.format(slide="a")).read_bytes() == content, name

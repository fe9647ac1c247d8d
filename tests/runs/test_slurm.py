"""The SLURM profile on a real SLURM of one node: a whole run, its prediction cancelled half-way."""

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

PROFILE = ROOT / "workflow" / "profiles" / "slurm"
CONFIGURATION = [Path("/etc/slurm") / f"{name}.conf" for name in ("slurm", "gres", "cgroup")]


def said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def slurm(shared, tmp_path_factory):
    """A SLURM on this machine, with two devices that stand in for GPUs."""
    script = shared / "slurm_loopback.sh"
    if not shutil.which("sinfo"):
        pytest.skip("no SLURM: sinfo is not installed")
    if not script.exists():
        pytest.skip(f"no SLURM: {script} does not exist")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no snakemake-executor-plugin-slurm")
    if os.geteuid() != 0:
        pytest.skip("only root can start a SLURM")
    if any(path.exists() for path in CONFIGURATION):
        pytest.skip(f"{CONFIGURATION[0].parent} is configured: that SLURM stays as it is")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run(
        ["bash", str(script), "start", str(folder), "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert "idle" in said("sinfo", "--noheader"), started.stdout + started.stderr
        yield
    finally:
        subprocess.run(["bash", str(script), "stop", str(folder)], check=True)
        # With these but no daemon, Snakemake's plugin waits for seconds whenever it is loaded.
        for path in CONFIGURATION:
            path.unlink(missing_ok=True)


class Canceller(threading.Thread):
    """Cancels the first job of `predict` once some of its tiles are done."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.done = folder / "maps" / ".1-of-1.zarr.zip.work" / "done"
        self.tiles = 0
        self.asked = ""

    def run(self):
        while not self.done.exists() or self.done.read_text().count("\n") < 3:
            time.sleep(0.05)
        job = said("squeue", "--noheader", "--states=RUNNING", "--format=%i").strip()
        self.asked = said("scontrol", "show", "job", job)
        said("scancel", job)
        while "JobState=CANCELLED" not in said("scontrol", "show", "job", job):
            time.sleep(0.05)
        self.tiles = self.done.read_text().count("\n")


def test_a_cancelled_job_is_resubmitted_and_goes_on(slurm, snakemake, tmp_path_factory):
    slide = tmp_path_factory.mktemp("slide") / "small.tiff"
    write_phantom(slide, Phantom((2200, 2600), seed=1))
    results = snakemake.folder / "results"
    canceller = Canceller(results / "small")
    canceller.start()
    ran = snakemake(
        *("--workflow-profile", PROFILE),
        # What this SLURM lacks: an accounting database, and more than a core or two.
        *("--slurm-status-command", "squeue", "--set-threads", "tile=1", "predict=1", "segment=1"),
        *("--slurm-init-seconds-before-status-checks", 3),
        cores=None,
        slides=slide,
        tile="{core_px: 256}",
    )
    assert canceller.tiles >= 3
    assert "Partition=gpu" in canceller.asked
    assert re.search(r"TresPerJob=gres:gpu:1\n", canceller.asked), canceller.asked
    assert "MinMemoryNode=8000M" in canceller.asked
    assert "TimeLimit=02:00:00" in canceller.asked
    assert "SLURM status is: 'CANCELLED'" in ran.text
    log = (results / "logs" / "small" / "predict.1-of-1.log").read_text()
    resumed = re.search(r"resuming: (\d+) of (\d+) tiles are done", log)
    assert resumed, log
    assert int(resumed[1]) == canceller.tiles < int(resumed[2])
    with (results / "composition.csv").open() as stream:
        assert int(next(csv.DictReader(stream))["n_nuclei"]) > 500
    assert (results / "small" / "small.nuclei.qupath.zip").exists()

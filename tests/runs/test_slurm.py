"""The SLURM profile on a real SLURM of one node, which has no accounting.

One run of four parts: one is cancelled half-way, one has too little memory, and a slide is damaged.
One run in batches: the job of one is cancelled half-way, and a slide of the other is damaged.
"""

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

PROFILE = ROOT / "workflow" / "profiles" / "slurm" / "profile.yaml"
CONFIGURATION = [Path("/etc/slurm") / f"{name}.conf" for name in ("slurm", "gres", "cgroup")]

#: SLURM looks every second whether a job has more memory than it requested, and ends it.
MEMORY_LIMITS = "JobAcctGatherParams=OverMemoryKill\nJobAcctGatherFrequency=task=1\n"

#: MB of the part that has too little at first; Snakemake itself takes half of it, twice.
LITTLE = 350


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
        # `nproc` counts no more processors than this says, and jobs for more would wait for ever.
        env={name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
        check=False,
    )
    try:
        assert "idle" in said("sinfo", "--noheader"), started.stdout + started.stderr
        assert int(said("sinfo", "--noheader", "--format=%c")) >= 2, "jobs ask for two processors"
        text = CONFIGURATION[0].read_text()
        # On a busy machine a test takes longer than jobs are remembered.
        text = re.sub("(?m)^MinJobAge=.*", "MinJobAge=7200", text)
        CONFIGURATION[0].write_text(text + MEMORY_LIMITS)
        subprocess.run(["scontrol", "reconfigure"], check=True)
        yield
    finally:
        subprocess.run(["bash", str(script), "stop", str(folder)], check=True)
        # With these but no daemon, Snakemake's plugin waits for seconds whenever it is loaded.
        for path in CONFIGURATION:
            path.unlink(missing_ok=True)


def jobs_of(rule):
    """List the jobs of a rule that SLURM remembers: number, state, wildcards and memory of each."""
    listed = said("squeue", "--noheader", "--states=all", "--sort=i", "--format=%A %T %m %k")
    rows = [line.split(maxsplit=3) for line in listed.splitlines()]
    start = f"rule_{rule}_wildcards_"
    return [
        (number, state, name.removeprefix(start), memory)
        for number, state, memory, name in rows
        if name.startswith(start)
    ]


class Canceller(threading.Thread):
    """Cancels the job of the second part, the largest, once some of its tiles are done."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.done = folder / "maps" / ".2-of-4.zarr.zip.work" / "done"
        self.tiles = 0
        self.asked = ""

    def run(self):
        while not self.done.exists() or self.done.read_text().count("\n") < 3:
            time.sleep(0.05)
        (job,) = (number for number, _, name, _ in jobs_of("predict") if name.endswith("2-of-4"))
        self.asked = said("scontrol", "show", "job", job)
        said("scancel", job)
        while "JobState=CANCELLED" not in said("scontrol", "show", "job", job):
            time.sleep(0.05)
        self.tiles = self.done.read_text().count("\n")


def test_what_a_run_of_four_parts_survives(slurm, snakemake):
    folder, results = snakemake.folder, snakemake.folder / "results"
    slides = folder / "slides"
    slides.mkdir()
    write_phantom(slides / "small.tiff", Phantom((2200, 2600), seed=1))
    (slides / "broken.tiff").write_bytes((slides / "small.tiff").read_bytes()[:3000])
    profile = PROFILE.read_text()
    enough = '"8000 * attempt"'
    assert enough in profile
    little = f"\"{LITTLE} if attempt == 1 and wildcards.part == '3-of-4' else 8000 * attempt\""
    (folder / "profile.yaml").write_text(profile.replace(enough, little))
    canceller = Canceller(results / "small")
    canceller.start()
    ran = snakemake(
        *("--workflow-profile", folder / "profile.yaml"),
        # What this SLURM lacks: more than a core or two, and patience.
        *("--set-threads", "tile=1", "predict=1", "segment=1"),
        *("--slurm-init-seconds-before-status-checks", 3),
        cores=None,
        check=False,
        slides=slides,
        parts=4,
        tile="{core_px: 256}",
        # Then a part has several windows, of a second each.
        predict="{views: 8}",
    )
    # Without accounting, `sacct` is no use: another program is asked, or the run would never end.
    assert "`sacct` does not answer (Slurm accounting storage is disabled)" in ran.text
    assert "slurm-status-command: squeue" in ran.text

    # The cancelled part has gone on where it was.
    assert canceller.tiles >= 3
    assert "Partition=gpu" in canceller.asked
    assert re.search(r"TresPerJob=gres:gpu:1\n", canceller.asked), canceller.asked
    assert "MinMemoryNode=8000M" in canceller.asked
    assert "TimeLimit=02:00:00" in canceller.asked
    assert "SLURM status is: 'CANCELLED'" in ran.text
    log = (results / "logs" / "small" / "predict.2-of-4.log").read_text()
    resumed = re.search(r"resuming: (\d+) tiles are done(?s:.*) (\d+) tiles in ", log)
    assert resumed, log
    # A window that was computed is still written.
    assert int(resumed[1]) >= canceller.tiles
    assert int(resumed[2]) > 0

    # The part that was over its memory was submitted again with more; what is hopeless was not.
    attempts = {}
    for _, state, name, memory in jobs_of("predict"):
        attempts.setdefault(name, []).append((state, memory))
    assert attempts == {
        "small_1-of-4": [("COMPLETED", "8000M")],
        "small_2-of-4": [("CANCELLED", "8000M"), ("COMPLETED", "16000M")],
        "small_3-of-4": [("FAILED", f"{LITTLE}M"), ("COMPLETED", "16000M")],
        "small_4-of-4": [("COMPLETED", "8000M")],
    }
    killed = next((results / "logs" / "slurm" / "rule_predict").rglob("*3-of-4*/*.log"))
    assert "exceeded memory limit" in killed.read_text()
    # Which slide is first is chance.
    assert sorted((state, name) for _, state, name, _ in jobs_of("tile")) == [
        ("COMPLETED", "small"),
        ("FAILED", "broken"),
    ]

    # The damaged slide has not cost the good one its tables and its place in the report.
    assert ran.returncode != 0
    with (results / "composition.csv").open() as stream:
        (row,) = (row for row in csv.DictReader(stream) if row["region_id"] == "slide")
    assert row["slide"] == "small"
    assert int(row["n_nuclei"]) > 500
    assert (results / "small" / "small.nuclei.qupath.zip").exists()
    page = (results / "report.html").read_text()
    assert "Not analysed: 1 slide" in page
    assert "results/logs/broken/tile.log" in page
    assert f"nucwsi tile: {slides / 'broken.tiff'}: " in ran.text


def cancel_second_batch(results):
    """Cancel the job of slides c and d once one of them is being counted; return its nuclei."""
    until = time.monotonic() + 300
    while not (counted := [*results.glob("logs/[cd]/compose.log")]):
        assert time.monotonic() < until, "the second batch has made nothing"
        time.sleep(0.02)
    (job,) = (number for number, _, name, _ in jobs_of("batch") if name == "2")
    said("scancel", job)
    made = [results / log.parent.name / "nuclei.parquet" for log in counted]
    return {path: path.stat().st_mtime_ns for path in made}


def test_batches_of_which_one_is_cancelled(slurm, snakemake, tiny_member):
    folder, results = snakemake.folder, snakemake.folder / "results"
    slides = folder / "slides"
    slides.mkdir()
    for seed, name in enumerate("abcd", start=1):
        write_phantom(slides / f"{name}.tiff", Phantom((500, 520), seed=seed))
    (slides / "b.tiff").write_bytes((slides / "a.tiff").read_bytes()[:3000])
    with ThreadPoolExecutor(1) as pool:
        cancelled = pool.submit(cancel_second_batch, results)
        ran = snakemake(
            *("--workflow-profile", PROFILE.parent, "--set-threads", "batch=1"),
            *("--slurm-init-seconds-before-status-checks", 3),
            cores=None,
            check=False,
            slides=slides,
            members=f"[{tiny_member}]",
            viewer="false",
            batch=2,
        )
    jobs = [(name, state, memory) for _, state, name, memory in jobs_of("batch")]
    assert sorted(jobs) == [
        ("1", "FAILED", "6500M"),
        ("2", "CANCELLED", "6500M"),
        ("2", "COMPLETED", "12500M"),
    ]
    # What was made before the job was cancelled is kept.
    for path, time_ns in cancelled.result().items():
        assert path.stat().st_mtime_ns == time_ns, path
    assert ran.returncode != 0
    assert f"nucwsi tile: {slides / 'b.tiff'}: " in ran.text
    page = (results / "report.html").read_text()
    assert "Not analysed: 1 slide" in page
    assert "results/logs/b/tile.log" in page
    with (results / "composition.csv").open() as stream:
        assert {row["slide"] for row in csv.DictReader(stream)} == {"a", "c", "d"}

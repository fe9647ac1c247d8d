"""The SLURM profile on a pretend cluster: what jobs request, and which failed ones come again."""

import csv
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

HERE = Path(__file__).resolve().parent
PROFILE = HERE.parent.parent / "workflow" / "profiles" / "slurm"

#: That of the operating system, for which Debian has a binding of FUSE.
SYSTEM_PYTHON = "/usr/bin/python3"

#: Threads, MB, minutes and GPUs of each rule's first attempt.
ASKED = {
    "tile": (4, 2000, 60, 0),
    "predict": (4, 8000, 120, 1),
    "segment": (2, 2000, 120, 0),
    "stitch": (1, 2000, 60, 0),
    "compose": (1, 3000, 30, 0),
    "export": (1, 2000, 60, 0),
    "assess": (2, 3000, 30, 0),
    "render": (2, 3000, 60, 0),
}


def command(script):
    return shlex.join([sys.executable, str(HERE / "cluster" / script)])


@pytest.fixture
def cluster(snakemake, monkeypatch, tmp_path_factory):
    """Run the workflow with its SLURM profile; return what the jobs requested, in order."""
    folder = tmp_path_factory.mktemp("cluster")
    monkeypatch.setenv("PRETEND_CLUSTER", str(folder))

    def run(**settings):
        ran = snakemake(
            *("--workflow-profile", PROFILE, "--executor", "cluster-generic"),
            *("--cluster-generic-submit-cmd", command("submit.py")),
            *("--cluster-generic-status-cmd", command("status.py")),
            *("--seconds-between-status-checks", 1, "--latency-wait", 20),
            cores=None,
            check=False,
            **settings,
        )
        run.text = ran.text
        numbers = sorted(int(path.stem) for path in folder.glob("*.json"))
        return [json.loads((folder / f"{number}.json").read_text()) for number in numbers]

    run.folder = snakemake.folder
    return run


@pytest.fixture
def file_server(tmp_path_factory):
    """Serve a folder, slowly and without locks; return it and what mounts it."""
    binding = "import importlib.util as u; exit(not (u.find_spec('fusepy') or u.find_spec('fuse')))"
    if os.geteuid() != 0 or not Path("/dev/fuse").exists() or not shutil.which("fusermount"):
        pytest.skip("no FUSE, or not root")
    if subprocess.run([SYSTEM_PYTHON, "-c", binding], check=False).returncode:
        pytest.skip(f"{SYSTEM_PYTHON} has no python3-fusepy")
    source, servers = tmp_path_factory.mktemp("served"), []

    def mount(place):
        command = [SYSTEM_PYTHON, HERE / "cluster" / "lockless.py", source, place, "0.002"]
        servers.append((place, subprocess.Popen(list(map(str, command)))))
        while not os.path.ismount(place):
            assert servers[-1][1].poll() is None, "the mount has failed"
            time.sleep(0.05)

    yield source, mount
    for place, server in servers:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
        server.wait(60)


def wishes(job):
    resources = job["resources"]
    return (job["threads"], resources["mem_mb"], resources["runtime"], resources.get("gpu", 0))


def test_what_may_pass_is_submitted_again_and_what_is_hopeless_is_not(
    cluster, tiny_member, monkeypatch
):
    """Two slides end, although a node is lost and memory runs out; a damaged slide is told of."""
    sheet = ["slide\tpath\n"]
    for seed in (1, 2):
        path = cluster.folder / f"slide {seed}.tiff"
        write_phantom(path, Phantom((1100, 1200), seed=seed))
        sheet.append(f"s{seed}\t{path}\n")
    broken = cluster.folder / "broken.tiff"
    broken.write_bytes(path.read_bytes()[:3000])
    sheet.append(f"broken\t{broken}\n")
    (cluster.folder / "config" / "slides.tsv").write_text("".join(sheet))
    monkeypatch.setenv("PRETEND_LOST_NODE", "stitch")
    monkeypatch.setenv("PRETEND_LITTLE_MEMORY", "predict")
    jobs = cluster(members=f"[{tiny_member}]", parts=2, tile="{core_px: 256}")

    first, again = {}, []
    for job in jobs:
        at = (job["rule"], *sorted(job["wildcards"].items()))
        if at in first:
            again.append(job)
        first.setdefault(at, job)
    # Two slides; two of the steps of a slide run once per part. The third has got no further.
    expected = [*2 * [*ASKED, "predict", "segment"], "tile"]
    assert sorted(rule for rule, *_ in first) == sorted(expected)
    for job in first.values():
        assert wishes(job) == ASKED[job["rule"]], job["rule"]
        assert job["resources"]["slurm_partition"] == ("gpu" if job["rule"] == "predict" else "cpu")
    assert sorted((job["rule"], *wishes(job)) for job in again) == [
        ("predict", 4, 16000, 240, 1),
        ("stitch", 1, 4000, 120, 0),
    ], cluster.text
    with (cluster.folder / "results" / "composition.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["region_id"] == "slide"]
    assert [row["slide"] for row in rows] == ["s1", "s2"]
    page = (cluster.folder / "results" / "report.html").read_text("utf-8")
    assert "Not analysed: 1 slide" in page
    assert "results/logs/broken/tile.log" in page


def test_a_run_whose_jobs_could_not_be_followed_stops_before_the_first(snakemake, small_slide):
    """The SLURM of another site: no accounting, and jobs are forgotten a minute after their end."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    programs = snakemake.folder / "programs"
    programs.mkdir()
    for name, line in {
        "sacct": "echo 'Slurm accounting storage is disabled' >&2; exit 1",
        "scontrol": "echo 'MinJobAge               = 60 sec'",
        "squeue": "exit 0",
        "sbatch": f"touch {shlex.quote(str(programs / 'submitted'))}; echo 1",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    ran = snakemake(
        *("--workflow-profile", PROFILE),
        path=f"{programs}:/usr/bin:/bin",
        cores=None,
        check=False,
        slides=small_slide,
    )
    assert ran.returncode != 0
    assert "`squeue` forgets jobs 60 s after their end" in ran.text
    assert "Traceback" not in ran.text
    assert not (programs / "submitted").exists()


def results_in(folder):
    """Return the results in a folder that tell no times: path -> content."""
    timed = {"report.html", "provenance.json", ".fingerprints.json"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in timed
        and not {"logs", "benchmarks"} & {*path.relative_to(folder).parts}
    }


def test_machines_that_share_a_slow_file_system_without_locks_make_the_same(
    cluster, snakemake, file_server, tiny_member, small_slide, monkeypatch, tmp_path_factory
):
    """Jobs see the folder through a mount of their own, and files of others seconds later."""
    folder, (source, mount) = snakemake.folder, file_server
    settings = {"slides": "s.tiff", "members": tiny_member, "parts": 2, "viewer": "false"}
    shutil.copy(small_slide, folder / "s.tiff")
    snakemake(**settings)
    expected = results_in(folder / "results")
    assert {"composition.csv", "s/nuclei.parquet", "s/maps/2-of-2.zarr.zip"} <= set(expected)

    shutil.copytree(folder / "config", source / "config")
    shutil.copy(small_slide, source / "s.tiff")
    elsewhere = tmp_path_factory.mktemp("node")
    for place in (folder, elsewhere):
        mount(place)
    with (folder / "s.tiff").open() as stream, pytest.raises(OSError, match="No locks available"):
        fcntl.flock(stream, fcntl.LOCK_EX)
    monkeypatch.setenv("PRETEND_MOUNTS", f"{folder} {elsewhere}")
    jobs = cluster(**settings)
    assert len(jobs) == len(ASKED) - len({"render"}) + 2, cluster.text
    assert results_in(folder / "results") == expected

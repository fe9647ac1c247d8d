"""A slide in a bucket is fetched for each job, analysed as if it lay here, and removed."""

import importlib.util
import shutil
import socket
import subprocess
import sys
import time

import pytest
from slides_made import picture, write_aperio

NEEDED = ("moto", "flask", "boto3", "snakemake_storage_plugin_s3", "snakemake_storage_plugin_fs")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"no {', '.join(MISSING)}: pip install 'moto[server]' snakemake-storage-plugin-s3"
    " snakemake-storage-plugin-fs",
)

KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}


@pytest.fixture
def bucket(tmp_path_factory, monkeypatch):
    """Serve S3 on the loopback interface; return its address and a client."""
    import boto3

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    client = boto3.client("s3", endpoint_url=address, **KEYS)
    client.create_bucket(Bucket="slides")
    client.address, client.log = address, log
    for key, value in (("ACCESS", "a"), ("SECRET", "b")):
        monkeypatch.setenv(f"SNAKEMAKE_STORAGE_S3_{key}_KEY", value)
    yield client
    server.terminate()
    server.wait(30)


def downloads(bucket):
    """Count the times that an object was read."""
    lines = bucket.log.read_text().splitlines()
    return sum("GET /slides/" in line and ".svs" in line for line in lines)


def test_a_slide_in_a_bucket_has_the_results_of_its_copy_here(
    bucket, tmp_path, snakemake, tiny_member
):
    local = tmp_path / "it's a.svs"
    write_aperio(local, picture(), mpp=0.25)
    bucket.upload_file(str(local), "slides", "case 1/it's a.svs")
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\nremote\ts3://slides/case 1/it's a.svs\nlocal\t{local}\n")
    settings = {"slides": sheet, "members": f"[{tiny_member}]", "viewer": "false"}
    words = ["--storage-s3-endpoint-url", bucket.address]

    def run(*more):
        return snakemake(*words, *more, **settings)

    run("-n")
    assert downloads(bucket) == 0, "the plan reads no slide"
    run()
    assert downloads(bucket) > 0
    results = tmp_path / "results"
    for table in ("composition.csv", "morphometry.csv", "neighbours.csv"):
        texts = [(results / name / table).read_text() for name in ("remote", "local")]
        assert texts[0].replace("remote", "local") == texts[1]
    assert "s3://slides/case 1/it's a.svs" in (results / "remote/provenance.json").read_text()
    left = [path for path in tmp_path.rglob("*.svs") if path != local and path.is_file()]
    assert left == []

    again = run("-n")
    assert "Nothing to be done" in again.stdout + again.stderr
    # What is put in its place is another slide.
    time.sleep(max(0.0, 1.0 - time.time() % 1))
    write_aperio(tmp_path / "other.svs", picture(seed=5), mpp=0.25)
    bucket.upload_file(str(tmp_path / "other.svs"), "slides", "case 1/it's a.svs")
    replaced = run("-n")
    assert "rule tile" in replaced.stdout + replaced.stderr
    assert local.exists()


def test_the_job_of_a_batch_fetches_its_slides(bucket, tmp_path, snakemake, tiny_member):
    local = tmp_path / "a.svs"
    write_aperio(local, picture(), mpp=0.25)
    bucket.upload_file(str(local), "slides", "case 1/it's a.svs")
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(f"slide\tpath\nremote\ts3://slides/case 1/it's a.svs\nlocal\t{local}\n")
    words = ["--storage-s3-endpoint-url", bucket.address]
    settings = {"slides": sheet, "members": f"[{tiny_member}]", "viewer": "false", "batch": 2}
    snakemake(*words, **settings)
    results = tmp_path / "results"
    texts = [(results / name / "composition.csv").read_text() for name in ("remote", "local")]
    assert texts[0].replace("remote", "local") == texts[1]
    assert [path for path in tmp_path.rglob("*.svs") if path.is_file()] == [local]
    read = downloads(bucket)
    assert "Nothing to be done" in snakemake(*words, "-n", **settings).text
    time.sleep(max(0.0, 1.0 - time.time() % 1))
    bucket.upload_file(str(local), "slides", "case 1/it's a.svs")
    assert "rule batch:" in snakemake(*words, "-n", **settings).text
    assert downloads(bucket) == read, "no plan reads a slide"


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync: apt-get install rsync")
def test_a_slide_of_a_slow_disk_is_copied_and_the_copy_removed(tmp_path, snakemake, tiny_member):
    slow = tmp_path / "slow disk"
    slow.mkdir()
    write_aperio(slow / "a.svs", picture(), mpp=0.25)
    settings = {"slides": slow, "members": f"[{tiny_member}]", "stage": "true"}
    ran = snakemake("results/a/provenance.json", "--printshellcmds", **settings)
    assert f"nucwsi tile '{slow}" not in ran.text
    assert "storage/fs/" in ran.text
    assert str(slow / "a.svs") in (tmp_path / "results/a/provenance.json").read_text()
    left = [path for path in tmp_path.rglob("*.svs") if path.is_file()]
    assert left == [slow / "a.svs"]

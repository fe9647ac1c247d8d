"""Checkpoints from the network: verified, cached, resumed, and a way out where there is none."""

import errno
import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stores import write_member

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.download import fetch
from nucwsi.runtime import lock


class Server:
    """Serves one file, and breaks the connection after `breaks_after` bytes of a body."""

    def __init__(self, content):
        self.content, self.ranges, self.breaks_after = content, True, None
        self.asked = []  # the range of each request

    @contextmanager
    def running(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                wanted = self.headers.get("Range") if server.ranges else None
                server.asked.append(wanted)
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
                body = server.content[start:]
                if self.path.split("?")[0] != "/m.safetensors":
                    self.send_error(404)
                    return
                if wanted and not body:
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.breaks_after])

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
            thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
            thread.start()
            self.url = f"http://127.0.0.1:{listening.server_port}/m.safetensors"
            try:
                yield
            finally:
                listening.shutdown()
                thread.join()

    def named(self, checksum=None):
        """Name the file as a member of an ensemble."""
        return f"{self.url}#sha256={checksum or hashlib.sha256(self.content).hexdigest()}"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path, cache):
    serving = Server(
        write_member(tmp_path / "origin.safetensors", widths=(32, 64, 64)).read_bytes()
    )
    with serving.running():
        yield serving


def files(cache):
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def test_a_url_is_a_member(server, cache):
    card = read_card(server.named())
    assert card.path.read_bytes() == server.content
    assert card.path.is_relative_to(cache)
    assert files(cache) == ["m.safetensors"]


def test_what_is_cached_needs_no_network(server):
    first = fetch(server.named())
    checksum = hashlib.sha256(server.content).hexdigest()
    assert fetch(server.named(checksum.upper())) == first
    assert server.asked == [None]


def test_a_damaged_cache_is_mended(server):
    path = fetch(server.named())
    path.write_bytes(b"damaged")
    assert fetch(server.named()).read_bytes() == server.content


def test_a_broken_download_goes_on_where_it_broke(server, cache):
    server.breaks_after = 200_000
    with pytest.raises(CheckpointError, match="the connection broke; start again to go on"):
        fetch(server.named())
    assert files(cache) == ["part"], "nothing half-made passes for a checkpoint"
    kept = next(cache.rglob("part")).stat().st_size
    assert 100_000 < kept <= 200_000
    server.breaks_after = None
    assert fetch(server.named()).read_bytes() == server.content
    assert server.asked == [None, f"bytes={kept}-"]
    assert files(cache) == ["m.safetensors"]


def test_a_server_without_ranges_sends_all_anew(server):
    server.breaks_after = 200_000
    with pytest.raises(CheckpointError):
        fetch(server.named())
    server.breaks_after, server.ranges = None, False
    assert fetch(server.named()).read_bytes() == server.content


def test_a_complete_part_is_only_verified(server, cache):
    checksum = hashlib.sha256(server.content).hexdigest()
    part = cache / "nucwsi" / "checkpoints" / checksum / "part"
    part.parent.mkdir(parents=True)
    part.write_bytes(server.content)
    assert fetch(server.named()).read_bytes() == server.content
    assert server.asked == [f"bytes={len(server.content)}-"]


def test_a_file_with_another_checksum_is_deleted(server, cache):
    with pytest.raises(CheckpointError, match=r"does not have the SHA-256 0000.*was deleted"):
        fetch(server.named("0" * 64))
    assert files(cache) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_without_a_network_the_error_holds_the_command(server, tmp_path):
    """The command is run as it stands; after it the member is there, network or not."""
    offline = "http://127.0.0.1:9/m.safetensors"
    member = server.named().replace(server.url, offline)
    with pytest.raises(CheckpointError, match="no connection to the server") as caught:
        read_card(member)
    assert "\n" not in str(caught.value)
    command = re.search(r"`(curl .*?)`", str(caught.value))[1]
    subprocess.run(command.replace(offline, server.url), shell=True, check=True)  # noqa: S602
    assert read_card(member).name == "origin"


def test_a_file_that_is_not_there(server):
    absent = server.named().replace("m.safetensors", "other.safetensors")
    with pytest.raises(CheckpointError, match="the server answers 404 Not Found"):
        fetch(absent)


class Slow(bytes):
    """Content whose sending begins when `go_on` is set."""

    def __new__(cls, content):
        self = super().__new__(cls, content)
        self.started, self.go_on = threading.Event(), threading.Event()
        return self

    def __getitem__(self, key):
        self.started.set()
        self.go_on.wait(10)
        return bytes(self)[key]


@pytest.mark.parametrize("system", ["locks", "lockless"])
def test_several_wait_for_the_one_that_downloads(server, cache, monkeypatch, caplog, system):
    if system == "lockless":

        def flock(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
        monkeypatch.setattr(lock, "_BEAT_S", 0.05)
    caplog.set_level("INFO")
    server.content = slow = Slow(server.content)
    found = []
    member = server.named()
    threads = [threading.Thread(target=lambda: found.append(fetch(member))) for _ in range(4)]
    threads[0].start()
    slow.started.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.3)
    assert files(cache)[-1] == "part", "nothing half-made bears the name of a checkpoint"
    slow.go_on.set()
    for thread in threads:
        thread.join(20)
    assert [path.read_bytes() for path in found] == [bytes(slow)] * 4
    assert server.asked == [None], "it was downloaded once"
    assert files(cache) == ["m.safetensors"]
    assert sum("is being downloaded" in line for line in caplog.messages) == 3


#: A process that downloads, and says so.
FETCHING = "import sys; from nucwsi.models.download import fetch; print(fetch(sys.argv[1]))"


def test_processes_wait_and_the_death_of_one_is_another_ones_turn(server, cache):
    slow = server.content = Slow(server.content)
    command = [sys.executable, "-c", FETCHING, server.named()]
    first = subprocess.Popen(command)
    assert slow.started.wait(20)
    second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    first.kill()
    first.wait()
    slow.go_on.set()
    assert second.communicate(timeout=30)[0].strip() == str(next(cache.rglob("m.safetensors")))
    assert second.returncode == 0
    assert next(cache.rglob("m.safetensors")).read_bytes() == bytes(slow)
    assert files(cache) == ["m.safetensors"]


def test_a_damaged_part_is_thrown_away(server, cache):
    """The beginning is that of another file: what it is completed to has another checksum."""
    part = cache / "nucwsi" / "checkpoints" / server.named()[-64:] / "part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1000))
    assert fetch(server.named()).read_bytes() == server.content
    assert server.asked == ["bytes=1000-", None]
    assert files(cache) == ["m.safetensors"]


def test_a_cache_that_cannot_be_written_is_named(server, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=r"cannot be kept in .*set XDG_CACHE_HOME"):
        fetch(server.named())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://host/a.safetensors", "has no checksum, expected"),
        ("https://host/a.safetensors#sha256=12", "has no checksum, expected"),
        ("https://host/a.safetensors#md5=" + "0" * 64, "has no checksum, expected"),
        ("ftp://host/a.safetensors#sha256=" + "0" * 64, "expected the http or https URL"),
        ("https://host/#sha256=" + "0" * 64, "expected the http or https URL"),
    ],
)
def test_a_url_that_cannot_be_verified_is_refused(url, message):
    with pytest.raises(CheckpointError, match=message):
        read_card(url)

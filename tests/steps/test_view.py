"""The server that shows results in a browser."""

import http.client
import json
import os
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from commands import refused, run
from draws_made import made as made_draw
from shown import chromium, served

from nucwsi.errors import ConfigError
from nucwsi.io.review.worklist import write_draw
from nucwsi.runtime import computer
from nucwsi.steps import view as module
from nucwsi.steps.view import view


@pytest.fixture
def results(tmp_path):
    """A folder of results with a viewer."""
    folder = tmp_path / "results"
    (folder / "small" / "viewer").mkdir(parents=True)
    (folder / "small" / "viewer" / "index.html").write_text("<!doctype html>")
    return folder


def status(address, host=None):
    parts = urlsplit(address)
    server = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    with closing(server):
        server.request("GET", parts.path, headers={"Host": host} if host else {})
        return server.getresponse().status


def test_the_server_is_for_this_computer_and_this_folder(results):
    (results.parent / "secret.txt").write_text("x")
    with served(results) as address:
        assert address.endswith("/small/viewer/index.html")
        base = address.removesuffix("small/viewer/index.html")
        assert status(address) == 200
        port = urlsplit(address).port
        assert status(address, f"localhost:{port}") == 200
        assert status(address, f"evil.example:{port}") == 403, "a name that was pointed at us"
        assert status(f"{base}../secret.txt") == 404
        assert status(f"{base}%2e%2e/secret.txt") == 404
        with pytest.raises(ConfigError, match=f"port {port} cannot be used .* name another"):
            view(results, port=port, ready=print)


def test_the_report_comes_first(results, tmp_path):
    (tmp_path / "report.html").write_text("<!doctype html>")
    with served(tmp_path) as address:
        assert address.endswith("/report.html")
    with served(results / "small") as address:
        assert address.endswith("/viewer/index.html")


def test_nothing_to_view_is_told(tmp_path):
    assert "holds neither report.html nor a viewer" in refused("view", tmp_path)
    assert run("view", tmp_path / "none").exit_code == 2


def answer(address, **headers):
    """Ask once, and follow nothing; the path may be any text, the query included."""
    host, _, path = address.removeprefix("http://").partition("/")
    server = http.client.HTTPConnection(host, timeout=10)
    with closing(server):
        server.putrequest("GET", "/", skip_host=True)
        server._buffer[0] = b"GET /" + path.encode("latin-1") + b" HTTP/1.1"
        server.putheader("Host", host)
        for name, value in headers.items():
            server.putheader(name.replace("_", "-"), value)
        server.endheaders()
        found = server.getresponse()
        return found.status, found.read(), found.headers


@pytest.fixture
def base(results):
    """The address of the folder, with a secret beside it that links lead to."""
    (results.parent / "secret.txt").write_text("secret")
    (results.parent / "outside").mkdir()
    (results.parent / "outside" / "index.html").write_text("secret")
    (results / "inside.txt").write_text("0123456789")
    with served(results) as address:
        yield address.removesuffix("small/viewer/index.html")


def test_no_link_leads_out_of_the_folder(base, results):
    (results / "link.txt").symlink_to("../secret.txt")
    (results / "absolute.txt").symlink_to(results.parent / "secret.txt")
    (results / "outside").symlink_to("../outside")
    (results / "page").mkdir()
    (results / "page" / "index.html").symlink_to("../../outside/index.html")
    (results / "chain.txt").symlink_to("link.txt")
    (results / "circle.txt").symlink_to("circle.txt")
    (results / "good.txt").symlink_to("inside.txt")
    names = ("link.txt", "absolute.txt", "outside", "outside/", "outside/index.html", "page/")
    for name in (*names, "chain.txt", "circle.txt", "small/../link.txt"):
        code, body, _ = answer(base + name)
        assert code == 404, name
        assert b"secret" not in body
    assert answer(base + "good.txt")[:2] == (200, b"0123456789")


def test_a_folder_that_is_reached_through_a_link_is_shown(results, tmp_path):
    (tmp_path / "link").symlink_to(results)
    with served(tmp_path / "link") as address:
        assert status(address) == 200


@pytest.mark.parametrize(
    "path",
    [
        *("%00", "inside.txt%00.html", "small/%00/index.html", "../secret.txt", "..%2fsecret.txt"),
        *("%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "//etc/passwd", "x" * 5000, "a/" * 2000),
        *("%ff%fe", "%ED%A0%80", "%ED%B3%BF", "\xff\xfe", "inside.txt/", "inside.txt/x", "%"),
        *("pipe", "?" * 100 + "/..", "%0d%0aSet-Cookie:%20a=b", ";../secret.txt", "~root/.bashrc"),
    ],
)
def test_a_hostile_path_is_no_file_and_the_server_lives_on(base, results, path):
    os.mkfifo(results / "pipe")
    code, body, headers = answer(base + path)
    assert code in {400, 404} or (path.startswith("?") and code == 200), path
    assert b"secret" not in body
    assert b"root:" not in body
    assert "Set-Cookie" not in headers
    assert answer(base + "inside.txt")[:2] == (200, b"0123456789")


def test_a_path_that_is_longer_than_any_is_refused(base):
    assert answer(base + "x" * 70_000)[0] == 414
    assert answer(base + "inside.txt")[0] == 200


@pytest.mark.parametrize(
    "wanted",
    [
        *("bytes=0-3", "bytes=5-2", "bytes=-", "bytes=99-", "bytes=-0", "bytes=0-3,2-5", "bytes"),
        *("lines=1-2", "bytes=a-b", "bytes=0-99999999999999999999", "", "bytes=--5", "\xb5"),
    ],
)
def test_a_wrong_range_is_answered_with_the_whole_file(base, wanted):
    code, body, _ = answer(base + "inside.txt", Range=wanted, If_Modified_Since="never")
    assert (code, body) == (200, b"0123456789")


def test_names_of_any_encoding_are_shown(tmp_path):
    folder = tmp_path / os.fsdecode(b"Pr\xe4parat 1 #?") / "viewer"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("found")
    with served(tmp_path) as address:
        assert answer(address)[:2] == (200, b"found")
        assert answer(address.split("Pr")[0])[0] == 200, "the list of files"


def test_what_is_no_request_does_not_end_the_server(base, capfd):
    port = urlsplit(base).port
    for junk in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b""):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(junk)
    assert answer(base + "inside.txt")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_browser_that_goes_away_is_no_fault(base, results, capfd):
    (results / "large.bin").write_bytes(bytes(30 << 20))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", urlsplit(base).port), 10) as client:
            client.sendall(b"GET /large.bin HTTP/1.0\r\nHost: localhost\r\n\r\n")
            client.recv(10)
    assert answer(base + "inside.txt")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_with_a_token_only_who_knows_it_is_served(results):
    with served(results, token=True) as address:
        plain, _, query = address.partition("?")
        base, token = plain.removesuffix("small/viewer/index.html"), query.removeprefix("token=")
        assert len(token) >= 32
        wrong = [
            "",
            "?token=",
            "?token=x",
            f"?token={token}x",
            f"?token={token[:-1]}",
            "?token=%ff",
        ]
        for tail in wrong:
            code, body, headers = answer(plain + tail)
            assert code == 403, tail
            assert b"with its token" in body
            assert "Set-Cookie" not in headers
        assert answer(base + "inside/../absent")[0] == 403, "not even what is there is told"
        code, _, headers = answer(address)
        assert (code, headers["Location"]) == (303, "/small/viewer/index.html")
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        cookie = cookie.partition(";")[0]
        assert answer(plain, Cookie=cookie)[0] == 200
        assert answer(plain, Cookie=f"other=1; {cookie}")[0] == 200
        assert answer(plain, Cookie=cookie[:-1])[0] == 403
        assert answer(plain, Cookie=f"{cookie}x")[0] == 403
        assert answer(base + "none", Cookie=cookie)[0] == 404
        elsewhere = f"http://localhost:{urlsplit(base).port}//evil.example/?token={token}"
        assert answer(elsewhere)[2]["Location"] == "/evil.example/"


def test_a_browser_shows_the_viewer_behind_a_token(assessment_file):
    (assessment_file.parent / "small.html").write_text("<script src=small.js></script>")
    (assessment_file.parent / "small.js").write_text("document.title = 'shown'")
    (assessment_file.parent / "viewer").mkdir(exist_ok=True)
    (assessment_file.parent / "viewer" / "index.html").touch()
    with served(assessment_file.parent, token=True) as address, chromium() as page:
        page.get(address.replace("viewer/index.html", "small.html"))
        assert page.title == "shown"
        assert "token" not in page.current_url


@pytest.mark.parametrize(
    ("option", "shared", "asked"),
    [
        ((), True, True),
        ((), False, False),
        (("--no-token",), True, False),
        (("--token",), False, True),
    ],
)
def test_the_command_asks_for_a_token_on_a_shared_computer(
    results, monkeypatch, option, shared, asked
):
    opened = []
    monkeypatch.setattr(computer, "is_shared_computer", lambda: shared)
    monkeypatch.setattr("click.launch", opened.append)

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Server, "serve_forever", interrupted)
    ran = run("view", results, *option)
    assert ran.exit_code == 0
    assert ("?token=" in ran.output) is asked
    assert bool(opened) is not asked, "the command line of a browser is no secret"


DRAW = made_draw()
KEPT = f"small/review/answers/{DRAW.key}.json"


def put(base, path, body=None, **headers):
    """Send answers as the viewer's page does; `headers` replace its own, None leaves one out."""
    said = {"kind": "answers", "version": 1, "slide": "s", "draw": DRAW.key}
    body = json.dumps({**said, "answers": [], "frames": []}).encode() if body is None else body
    host = urlsplit(base).netloc
    sent = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    server = http.client.HTTPConnection(host, timeout=10)
    with closing(server):
        server.putrequest("PUT", "/" + path, skip_host=True)
        for name, value in {"Content-Length": str(len(body)), **sent}.items():
            if value is not None:
                server.putheader(name, value)
        server.endheaders(body)
        found = server.getresponse()
        return found.status, json.loads(found.read())


def test_answers_of_a_viewer_are_kept_and_given_back(base, results):
    write_draw(results / "small", DRAW)
    code, body, headers = answer(base + KEPT)
    assert (code, body, headers["Allow"]) == (204, b"", "GET, HEAD, PUT")
    code, said = put(base, KEPT)
    assert (code, said) == (200, {"path": str(results / KEPT)})
    assert json.loads((results / KEPT).read_text())["draw"] == DRAW.key
    code, body, headers = answer(base + KEPT)
    assert (code, json.loads(body)["draw"], headers["Allow"]) == (200, DRAW.key, "GET, HEAD, PUT")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Content-Type": "text/plain"},
        {"Content-Type": None},
    ],
)
def test_a_foreign_page_writes_nothing(base, results, headers):
    write_draw(results / "small", DRAW)
    assert put(base, KEPT, **headers)[0] == 403
    assert not (results / KEPT).exists()


@pytest.mark.parametrize(
    "path",
    [
        *("small/viewer/index.html", "inside.txt", "new.json", "../secret.txt", ""),
        *("small/review/answers/../../viewer/index.html", "%2e%2e/results/" + KEPT + "%00"),
        *(f"small/review/{DRAW.key}.json", "small/review/answers/00000000.json", "x" * 5000),
    ],
)
def test_nothing_but_answers_is_written(base, results, path):
    write_draw(results / "small", DRAW)
    before = {item: item.stat().st_mtime_ns for item in results.rglob("*")}
    assert put(base, path)[0] == 403
    assert {item: item.stat().st_mtime_ns for item in results.rglob("*")} == before


def test_what_are_no_answers_is_refused_and_the_old_ones_stay(base, results):
    write_draw(results / "small", DRAW)
    assert put(base, KEPT)[0] == 200
    before = (results / KEPT).read_bytes()
    code, said = put(base, KEPT, b"<script>alert(1)</script>")
    assert code == 400
    assert "no answers" in said["error"]
    assert put(base, KEPT, Content_Length="99999999999")[0] == 413
    assert put(base, KEPT, Content_Length=None)[0] == 413
    assert (results / KEPT).read_bytes() == before
    assert [item.name for item in (results / KEPT).parent.iterdir()] == [f"{DRAW.key}.json"]


def test_with_a_token_only_who_knows_it_writes(results):
    write_draw(results / "small", DRAW)
    with served(results, token=True) as address:
        base = address.partition("small/")[0]
        token = address.partition("token=")[2]
        assert put(base, KEPT)[0] == 403
        assert put(base, f"{KEPT}?token={token}")[0] == 403, "a token in an address is no cookie"
        cookie = answer(address)[2]["Set-Cookie"].partition(";")[0]
        assert put(base, KEPT, Cookie=cookie[:-1])[0] == 403
        assert not (results / KEPT).exists()
        assert put(base, KEPT, Cookie=cookie)[0] == 200


def test_without_a_token_nobody_writes_where_others_could(results):
    write_draw(results / "small", DRAW)
    with served(results, writable=False) as address:
        base = address.partition("small/")[0]
        assert put(base, KEPT)[0] == 403
        assert answer(base + KEPT)[0] == 404


@pytest.mark.parametrize(
    ("option", "shared", "writes"),
    [("--no-token", True, False), ("--token", True, True), ("--no-token", False, True)],
)
def test_the_command_lets_write_with_a_token_or_alone(results, monkeypatch, option, shared, writes):
    asked = []
    monkeypatch.setattr(computer, "is_shared_computer", lambda: shared)
    monkeypatch.setattr(module, "view", lambda *_, **how: asked.append(how["writable"]))
    assert run("view", results, option, "--no-browser").exit_code == 0
    assert asked == [writes]

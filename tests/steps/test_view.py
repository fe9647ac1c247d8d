"""The server that shows results in a browser."""

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from commands import refused, run
from shown import served

from nucwsi.errors import ConfigError
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

"""`view`: show the report and the viewers of a run with a web server for this computer alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nucwsi.errors import ConfigError, StoreError

#: The loopback address: other computers cannot reach it.
_HERE = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder to browsers on this computer."""

    def send_head(self) -> Any:
        # A foreign web page can make its own name resolve to this computer (DNS rebinding), so only
        # requests for localhost are answered.
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in {_HERE, "localhost"}:
            self.send_error(HTTPStatus.FORBIDDEN, "this server is for localhost only")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        # A new viewer has the same addresses as the old one, so browsers must ask again each time.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Log nothing: a page requests hundreds of tiles."""


def _first_page(results: Path) -> str:
    """Return the page to open first, relative to the folder; empty to list the folder."""
    for page in ("report.html", "index.html", "viewer/index.html"):
        if (results / page).exists():
            return page
    viewers = sorted(results.glob("*/viewer/index.html"))
    if len(viewers) == 1:
        return viewers[0].relative_to(results).as_posix()
    if viewers:
        return ""
    raise StoreError(
        f"{results}: holds neither report.html nor a viewer; name a folder of results, or run"
        " `nucwsi report` or `nucwsi render`"
    )


def view(results: Path, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve a folder of results until the process is interrupted.

    Parameters
    ----------
    results : pathlib.Path
        Results of a run or of a slide, or the folder of a viewer.
    port : int
        Port of the server; 0 chooses a free one.
    ready : callable
        Called with the address of the page to open once the server listens.

    Raises
    ------
    StoreError
        If the folder holds neither a report nor a viewer.
    ConfigError
        If the port is taken or not allowed.
    """
    page = _first_page(results)
    handler = functools.partial(_Handler, directory=str(results))
    try:
        server = ThreadingHTTPServer((_HERE, port), handler)
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror}); name another") from None
    with server:
        ready(f"http://{_HERE}:{server.server_port}/{quote(page)}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return

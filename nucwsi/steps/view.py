"""`view`: the report and the viewers of a run, shown by a web server for this computer alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nucwsi.errors import ConfigError, StoreError

#: Nobody else can reach this address.
_HERE = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Serves files of a folder to this computer's browser."""

    def send_head(self) -> Any:
        # A page elsewhere may point a name of its own at this computer; such a name is not ours.
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in {_HERE, "localhost"}:
            self.send_error(HTTPStatus.FORBIDDEN, "this server is for localhost only")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        # A viewer that is made anew has the same addresses: ask each time.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Say nothing: a page asks for hundreds of tiles."""


def _first_page(results: Path) -> str:
    """Return what to show first, as an address in the folder."""
    for page in ("report.html", "index.html", "viewer/index.html"):
        if (results / page).exists():
            return page
    viewers = sorted(results.glob("*/viewer/index.html"))
    if len(viewers) == 1:
        return viewers[0].relative_to(results).as_posix()
    if viewers:
        return ""
    raise StoreError(
        f"{results}: holds neither report.html nor a viewer; name the folder of results, or run"
        " `nucwsi report` or `nucwsi render`"
    )


def view(results: Path, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve a folder of results until the process is interrupted.

    Parameters
    ----------
    results : pathlib.Path
        Of a run, of a slide, or a viewer's folder.
    port : int
        0 takes any that is free.
    ready : callable
        Is given the address when the server listens.

    Raises
    ------
    StoreError
        If there is nothing to show.
    ConfigError
        If the port is taken.
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

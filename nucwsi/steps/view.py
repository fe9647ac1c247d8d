"""`view`: show the report and the viewers of a run with a web server for this computer alone."""

from __future__ import annotations

import functools
import hmac
import json
import logging
import re
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from nucwsi.errors import AnswerError, ConfigError, StoreError
from nucwsi.io.review.saved import MAX_BYTES, answers_place, save_answers
from nucwsi.review.draw import Draw

log = logging.getLogger(__name__)

#: The loopback address: other computers cannot reach it, but every user of this one can.
_HERE = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder to browsers on this computer.

    Parameters
    ----------
    *args : Any
        As for the base.
    directory : str
        The folder, without symbolic links.
    token : str
        The secret that a browser must show, in the address or as a cookie; empty: none.
    shown : pathlib.Path or None
        The folder as the user names it; None if nothing may be written.
    **kwargs : Any
        As for the base.
    """

    def __init__(
        self, *args: Any, directory: str, token: str, shown: Path | None, **kwargs: Any
    ) -> None:
        self._token, self._shown = token, shown
        self._allowed = ""
        super().__init__(*args, directory=directory, **kwargs)

    def send_head(self) -> Any:
        if not self._is_for_us():
            self.send_error(HTTPStatus.FORBIDDEN, "this server is for localhost only")
            return None
        if self._token and not self._is_known():
            return self._admitted()
        if (place := self._answers_place()) is not None:
            self._allowed = "GET, HEAD, PUT"
            if not place[0].exists():
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()
                return None
        if not self._is_within():
            self.send_error(HTTPStatus.NOT_FOUND, "no such file in this folder")
            return None
        return super().send_head()

    def do_PUT(self) -> None:
        """Keep the answers of a review that the viewer sends, and write nothing else."""
        place = self._answers_place() if self._is_for_us() and self._is_sender_ours() else None
        if place is None or self._shown is None:
            self._reply(HTTPStatus.FORBIDDEN, error="this server keeps answers of its viewers only")
            return
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length) or int(length) > MAX_BYTES:
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error="expected 16 MB at most")
            return
        path, draw = place
        try:
            save_answers(path, draw, self.rfile.read(int(length)))
        except AnswerError as error:
            self._reply(HTTPStatus.BAD_REQUEST, error=str(error))
        except OSError as error:
            self._reply(HTTPStatus.CONFLICT, error=str(error))
        else:
            self._reply(HTTPStatus.OK, path=str(self._shown / path.relative_to(self.directory)))

    def _reply(self, status: HTTPStatus, **said: str) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _is_for_us(self) -> bool:
        # A foreign web page can make its own name resolve to this computer (DNS rebinding), so only
        # requests for localhost are answered.
        host = re.sub(r":\d*$", "", self.headers.get("Host", "")).lower()
        return host in {_HERE, "localhost"}

    def _is_sender_ours(self) -> bool:
        """Tell whether a page of this server sends, and a browser that knows its token."""
        # Pages of other servers can send as well, but not under our origin, which the browser adds.
        ours = self.headers.get("Origin") == f"http://{self.headers.get('Host')}"
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        return ours and is_json and (not self._token or self._is_known())

    def _answers_place(self) -> tuple[Path, Draw] | None:
        """Return the file of answers that the path means, if they may be written."""
        if self._shown is None:
            return None
        try:
            return answers_place(Path(self.directory), Path(self.translate_path(self.path)))
        except ValueError:
            return None

    @property
    def _cookie(self) -> str:
        # Cookies do not distinguish ports: each server needs a name of its own.
        return f"nucwsi-{self.connection.getsockname()[1]}"

    def _is_known(self) -> bool:
        """Tell whether the browser shows the cookie that it got for the token."""
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie and _same(value, self._token):
                return True
        return False

    def _admitted(self) -> None:
        """Exchange the token for a cookie, so that it leaves the address; refuse any other."""
        address = urlsplit(self.path)
        given = parse_qs(address.query, errors="replace").get("token", [""])
        if not _same(given[0], self._token):
            self.send_error(
                HTTPStatus.FORBIDDEN,
                "this server asks for its token",
                "Open the address that nucwsi view has printed, with its token.",
            )
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/" + address.path.lstrip("/"))
        self.send_header(
            "Set-Cookie", f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
        )
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _is_within(self) -> bool:
        """Tell whether the path is a file or folder whose links all end within the served folder.

        Anything else, such as a pipe, might be waited for.
        """
        root = Path(self.directory)
        try:
            place = Path(self.translate_path(self.path)).resolve(strict=True)
            # Of a folder, the base shows its first page, if there is one.
            pages = [place / name for name in ("index.html", "index.htm") if place.is_dir()]
            shown = [place, *(page.resolve() for page in pages if page.is_file())]
            sound = place.is_file() or place.is_dir()
        # Names that are too long, hold a null byte or no file system can encode.
        except (OSError, ValueError, RuntimeError):
            return False
        return sound and all(path == root or root in path.parents for path in shown)

    def end_headers(self) -> None:
        # A new viewer has the same addresses as the old one, so browsers must ask again each time.
        self.send_header("Cache-Control", "no-cache")
        if self._allowed:
            self.send_header("Allow", self._allowed)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Log nothing: a page requests hundreds of tiles."""


class _Server(ThreadingHTTPServer):
    """Answers each request in a thread, and survives all of them."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the base's)
        """Log what went wrong in one line; a browser that ends a connection is in its right."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.warning("a request failed: %r", error)


def _same(given: str, secret: str) -> bool:
    """Compare in a time that does not tell how much of the secret was guessed."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _first_page(results: Path) -> str:
    """Return the page to open first, relative to the folder; empty to list the folder."""
    for page in ("report.html", "index.html", "viewer/index.html"):
        if (results / page).is_file():
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


def view(
    results: Path,
    *,
    port: int = 0,
    token: bool = False,
    writable: bool = True,
    ready: Callable[[str], None],
) -> None:
    """Serve a folder of results until the process is interrupted.

    Parameters
    ----------
    results : pathlib.Path
        Results of a run or of a slide, or the folder of a viewer.
    port : int
        Port of the server; 0 chooses a free one.
    token : bool
        Whether a browser must show a secret, which is part of the address: without it, all users of
        this computer can read the folder.
    writable : bool
        Whether answers to a worklist that pages of viewers send are kept, in ``review/answers`` of
        the folder of a slide.
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
    secret = secrets.token_urlsafe(24) if token else ""
    handler = functools.partial(
        _Handler,
        directory=str(results.resolve()),
        token=secret,
        shown=results if writable else None,
    )
    try:
        server = _Server((_HERE, port), handler)
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used ({error.strerror}); name another") from None
    with server:
        # As the server reads them: names of any encoding.
        path = quote(page, errors="surrogatepass")
        query = f"?token={secret}" if token else ""
        ready(f"http://{_HERE}:{server.server_port}/{path}{query}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return

"""Checkpoints from a URL: verified, cached, and resumed where a download broke off.

Processes that need the same file wait for the one that downloads it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

import pooch
import requests
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from nucwsi.errors import CheckpointError
from nucwsi.runtime.lock import locked

log = logging.getLogger(__name__)

_TIMEOUT_S = 30

#: Bytes that are written at once; when the connection breaks, an incomplete chunk is lost.
_CHUNK_BYTES = 1 << 16


def fetch(url: str) -> Path:
    """Return a checkpoint from the user's cache, downloading it if it is not there.

    Parameters
    ----------
    url : str
        An http or https URL that ends in ``#sha256=`` and 64 hexadecimal digits.

    Returns
    -------
    pathlib.Path
        ``nucwsi/checkpoints/{sha256}/{name}`` in the user's cache folder (``XDG_CACHE_HOME``).

    Raises
    ------
    CheckpointError
        If the URL has no checksum, the file cannot be downloaded or cached, or has another
        checksum.
    """
    try:
        address, fragment = urldefrag(url)
        scheme, name = urlsplit(address).scheme, Path(urlsplit(address).path).name
    except ValueError:
        scheme = name = address = fragment = ""
    if scheme not in ("http", "https") or not name:
        raise CheckpointError(f"checkpoint {url!r}: expected the http or https URL of a file")
    named = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if named is None:
        raise CheckpointError(
            f"checkpoint {url!r}: has no checksum, expected a URL that ends in `#sha256=` and 64"
            " hexadecimal digits; `sha256sum` prints those of a file"
        )
    checksum = named[1].lower()
    folder = Path(pooch.os_cache("nucwsi")) / "checkpoints" / checksum
    target = folder / name
    try:
        if not _has_checksum(target, checksum):
            with locked(folder / "lock", lambda: log.info("%s: is being downloaded", address)):
                # Those who waited find it.
                if not _has_checksum(target, checksum):
                    _download(address, folder / "part", checksum)
                    (folder / "part").replace(target)
    except requests.RequestException as error:
        command = shlex.join(["curl", "-fL", "--create-dirs", "-o", str(folder / name), address])
        raise CheckpointError(
            f"{address}: {_reason(error)}; or run `{command}` where there is a network, and bring"
            " the file to that place here"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{address}: cannot be kept in {folder}: {error.strerror or error}; make room there or"
            " set XDG_CACHE_HOME to another folder"
        ) from None
    return target


def _has_checksum(path: Path, checksum: str) -> bool:
    """Tell whether a file is there and whole."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == checksum
    except FileNotFoundError:
        return False


def _reason(error: requests.RequestException) -> str:
    """Say why a download failed, and what to do."""
    answer = error.response
    if answer is not None:
        return f"the server answers {answer.status_code} {answer.reason}; check the URL"
    if isinstance(error, requests.Timeout):
        return f"the server does not answer within {_TIMEOUT_S} s; try again later"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server; start again with one"
    return "the connection broke; start again to go on from there"


def _download(address: str, part: Path, checksum: str) -> None:
    """Download, going on where an earlier attempt broke off, and verify."""
    while True:
        resumed = part.exists()
        _go_on(address, part)
        if _has_checksum(part, checksum):
            return
        part.unlink()
        # What lay there may have been damaged, or of a file that has changed since.
        if not resumed:
            raise CheckpointError(
                f"{address}: what was downloaded does not have the SHA-256 {checksum}, and was"
                " deleted; check the URL and the checksum"
            )


def _go_on(address: str, part: Path) -> None:
    """Request the bytes that are missing."""
    with part.open("ab") as stream:
        have = stream.tell()
        # Ranges count bytes as stored, so the server must not compress them.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            # 416: no byte is missing, the attempt ended before the file was verified.
            if not (have and answer.status_code == requests.codes.requested_range_not_satisfiable):
                answer.raise_for_status()
                if answer.status_code != requests.codes.partial_content:
                    have = stream.truncate(0)
                _receive(answer, stream, have)


def _receive(answer: requests.Response, stream: Any, have: int) -> None:
    """Write the body behind the `have` bytes that are there, with a bar on a terminal."""
    size = int(answer.headers.get("Content-Length", 0))
    log.info(
        "downloading %s, %.1f MB of which %.1f are here",
        answer.url,
        (have + size) / 1e6,
        have / 1e6,
    )
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("download", total=have + size if size else None, completed=have)
        for chunk in answer.iter_content(_CHUNK_BYTES):
            stream.write(chunk)
            bar.update(task, advance=len(chunk))

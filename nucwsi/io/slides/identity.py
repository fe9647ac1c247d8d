"""Whether a file can be a slide at all, and whether it is the one that was analysed.

Light: steps that need no pixels ask this without loading the readers of slides.
"""

from __future__ import annotations

import logging
from pathlib import Path

from nucwsi.errors import SlideError, StoreError
from nucwsi.io.slides.remote import address
from nucwsi.io.stores.publish import file_checksum

log = logging.getLogger(__name__)

#: How files begin that are often mistaken for slides -> what they are and what to do.
_NOT_SLIDES = {
    b"version https://git-lfs": "a Git LFS pointer, not the slide; run `git lfs pull`",
    b"<!doctype html": "a web page, not a slide; download it again",
    b"<html": "a web page, not a slide; download it again",
    b"<?xml": "a web server's answer, not a slide; download it again",
}


def refuse_what_is_no_slide(path: Path) -> None:
    """Refuse a path that cannot be a slide, as the path itself or its first bytes show.

    Parameters
    ----------
    path : pathlib.Path
        What the user named as a slide.

    Raises
    ------
    SlideError
        If there is no such file, it cannot be read, or it is something else.
    """
    where = address(path)
    if where is not None:
        raise SlideError(
            f"{where}: is not on this machine; the workflow fetches the slides of its sheet"
            " (nucwsi run), other commands need a copy"
        )
    if path.is_dir():
        raise SlideError(f"{path}: is a folder; name one slide in it")
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except FileNotFoundError:
        raise SlideError(f"{path}: does not exist; check the path in the slide sheet") from None
    except OSError as error:
        raise SlideError(f"{path}: cannot be read: {error.strerror}") from None
    if not start:
        raise SlideError(f"{path}: is empty; copy it again")
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, meaning in _NOT_SLIDES.items():
        if text.startswith(mark):
            raise SlideError(f"{path}: is {meaning}")


def check_slide(path: Path, checksum: str, nuclei: Path, *, may_be_absent: bool = False) -> None:
    """Make sure that a file is the slide from which a table of nuclei was made.

    Parameters
    ----------
    path : pathlib.Path
        The slide.
    checksum : str
        `nucwsi.io.stores.publish.file_checksum` of the slide that was analysed.
    nuclei : pathlib.Path
        The table, quoted in the error.
    may_be_absent : bool
        Whether a slide that is not there is no error, because only its nuclei are needed. Then
        nothing is compared, and a warning says so.

    Raises
    ------
    SlideError
        If the file is missing or is not a slide.
    StoreError
        If the file is another slide, or has changed.
    """
    if may_be_absent and not path.exists():
        log.warning("%s: is not there, so that it cannot be compared with %s", path, nuclei)
        return
    refuse_what_is_no_slide(path)
    if file_checksum(path) != checksum:
        raise StoreError(
            f"{nuclei}: was not made from {path}, or that slide has changed since; name the slide"
            " it was made from, or analyse this one"
        )

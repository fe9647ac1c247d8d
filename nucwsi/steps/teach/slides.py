"""Where the slide of some results lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nucwsi.io.stores.publish import file_checksum
from nucwsi.steps.teach.labels import SlideLabels


def slide_of(one: SlideLabels, slides: Sequence[Path]) -> Path | None:
    """Find the file of a slide.

    Parameters
    ----------
    one : SlideLabels
        Of the slide's results.
    slides : sequence of pathlib.Path
        Files that the user has named.

    Returns
    -------
    pathlib.Path or None
        One that was named and is that slide, or where ``provenance.json`` beside the results says
        that it is; None if it is at neither place.
    """
    for path in slides:
        if path.is_file() and file_checksum(path) == one.facts.slide_checksum:
            return path
    try:
        noted = json.loads(one.nuclei.with_name("provenance.json").read_text("utf-8"))
        path = Path(noted["slide"]["path"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return path if path.is_file() else None

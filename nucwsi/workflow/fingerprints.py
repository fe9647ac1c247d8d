"""Whether a slide is still the file that was analysed, known when the workflow is planned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from nucwsi.io.slides.remote import address
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.io.stores.publish import file_checksum, published

#: Bytes at either end of a slide that are read for a plan; a plan of thousands must stay quick.
_SPAN = 1 << 18


def slide_fingerprints(
    slides: Mapping[str, SlideEntry], output: Path, made: frozenset[Path], stage: bool = False
) -> dict[str, str]:
    """Return a fingerprint of each slide's file; as a parameter of `tile` it makes jobs rerun.

    A file is read again only if its size, its time or its place on the disk has changed. A slide
    that is only touched keeps its fingerprint, and so does one that has been archived. That of a
    remote slide is its address: whether what is there has changed, Snakemake asks the storage.

    Parameters
    ----------
    slides : mapping
        Name of each slide -> its entry.
    output : pathlib.Path
        Folder of all results, where the fingerprints are kept.
    made : frozenset of pathlib.Path
        Slides that the workflow itself makes; their fingerprint is empty.
    stage : bool
        Whether slides lie on a slow disk and are not to be read: the fingerprint of one that was
        never read is its size and time.

    Returns
    -------
    dict
        Name of each slide -> 32 hexadecimal digits, or as above; empty for a file that was never
        seen.
    """
    kept_in = output / ".fingerprints.json"
    try:
        known: dict[str, list[int | str]] = {
            str(key): list(row) for key, row in json.loads(kept_in.read_text("utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        # Nothing is lost: the files are read again.
        known = {}
    seen = dict(known)
    fingerprints = {}
    for name, entry in slides.items():
        key = str(entry.path)
        if entry.path in made:
            fingerprints[name] = ""
            continue
        where = address(entry.path)
        if where is not None:
            fingerprints[name] = where
            continue
        if entry.path.is_file():
            status = entry.path.stat()
            state = [status.st_size, status.st_mtime_ns, status.st_ino]
            if seen.get(key, [])[:3] != state:
                unread = f"{state[0]}-{state[1]}"
                seen[key] = [
                    *state,
                    unread if stage else file_checksum(entry.path, span=_SPAN),
                ]
        fingerprints[name] = str(seen.get(key, [""])[-1])
    if seen != known:
        with published(kept_in) as aside:
            aside.write_text(json.dumps(seen, indent=0), "utf-8")
    return fingerprints


def has_moved(output: Path, old: Path, new: Path) -> bool:
    """Return whether a slide that is gone is now another file.

    Parameters
    ----------
    output : pathlib.Path
        Folder of all results, where the fingerprints are kept.
    old : pathlib.Path
        Path of the slide in an earlier run.
    new : pathlib.Path
        Path of an existing file.

    Returns
    -------
    bool
        True if nothing is left at `old`, and `new` has the content that was analysed.
    """
    if old.exists():
        return False
    try:
        known = json.loads((output / ".fingerprints.json").read_text("utf-8"))
        return bool(known[str(old)][-1] == file_checksum(new, span=_SPAN))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False

"""Parts of a folder that is made anew, taken over from the old one where they would be the same."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from nucwsi.io.stores.publish import fingerprint

log = logging.getLogger(__name__)

#: What the parts of the folder were made from.
_MADE = "made.json"


class Parts:
    """The parts of a folder.

    Parameters
    ----------
    old : pathlib.Path
        The folder that will be replaced; need not exist, nor be whole.
    new : pathlib.Path
        The folder that is made.
    """

    def __init__(self, old: Path, new: Path) -> None:
        self._old, self._new = old, new
        self._made: dict[str, Any] = {}
        try:
            kept = json.loads((old / _MADE).read_bytes())
        except (OSError, ValueError, RecursionError):
            kept = None
        self._kept: dict[str, Any] = kept if isinstance(kept, dict) else {}

    def part(self, name: str, of: dict[str, Any], make: Callable[[Path], Any]) -> Any:
        """Make a part, or link the files of the old one.

        Parameters
        ----------
        name : str
            Of the part, and of its folder.
        of : dict
            Everything that decides the result, as plain JSON types.
        make : callable
            Takes the path of the part's folder, makes it, and returns plain JSON types.

        Returns
        -------
        object
            What `make` returned, now or when the old part was made.
        """
        mark, place, kept = fingerprint(of), self._new / name, self._kept.get(name)
        if isinstance(kept, dict) and kept.get("of") == mark and self._is_whole(name, kept):
            shutil.copytree(self._old / name, place, copy_function=_linked)
            log.info("%s: as before", name)
        else:
            kept = {"of": mark, "says": make(place), "n_files": _n_files(place)}
        self._made[name] = kept
        (self._new / _MADE).write_bytes(orjson.dumps(self._made))
        return kept["says"]

    def _is_whole(self, name: str, kept: dict[str, Any]) -> bool:
        return "says" in kept and kept.get("n_files") == _n_files(self._old / name)


def _n_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _linked(source: str, target: str) -> None:
    """Give a file a second name; not every file system can, and some need a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

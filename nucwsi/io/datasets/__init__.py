"""Readers of labelled images in their published layouts: one module a layout, one signature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nucwsi.io.datasets import conic, consep, lizard, manifest, monusac, monuseg, pannuke
from nucwsi.io.datasets.source import Entry, Source

#: Layout -> reader of its folder.
READERS: dict[str, Callable[[Path], Source]] = {
    "conic": conic.read,
    "consep": consep.read,
    "lizard": lizard.read,
    "manifest": manifest.read,
    "monusac": monusac.read,
    "monuseg": monuseg.read,
    "pannuke": pannuke.read,
}

__all__ = ["READERS", "Entry", "Source"]

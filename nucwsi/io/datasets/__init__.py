"""Labelled images in their published layouts: one module a layout, each with the same `read`.

A new data set is one module with ``read(folder) -> Dataset``, one line in `READERS`, and one name
in `nucwsi.cli.training.LAYOUTS`. What its classes mean is written down in `nucwsi.labels.taxonomy`;
splits are drawn in `nucwsi.labels`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nucwsi.io.datasets import conic, consep, lizard, manifest, monusac, monuseg, pannuke
from nucwsi.io.datasets.dataset import Dataset, Entry

#: Layout -> function that lists the images of a folder in that layout.
READERS: dict[str, Callable[[Path], Dataset]] = {
    "conic": conic.read,
    "consep": consep.read,
    "lizard": lizard.read,
    "manifest": manifest.read,
    "monusac": monusac.read,
    "monuseg": monuseg.read,
    "pannuke": pannuke.read,
}

__all__ = ["READERS", "Dataset", "Entry"]

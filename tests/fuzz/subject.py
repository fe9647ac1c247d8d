"""A file that is damaged, what reads it, and what is compared."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from fuzz.mutators import Mutator
from nucwsi.io.stores.reader import opened

Kit = Callable[[Path], None]

#: From this mean colour on, 0 to 255, a field of the slides is glass.
_GLASS = 240.0


def contents(out: Path) -> Any:
    """Condense all results, byte by byte."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def viewed(out: Path) -> Any:
    """Condense a viewer, but for the fingerprints of what it was made of."""
    return {name: mark for name, mark in contents(out).items() if not name.endswith("made.json")}


def _unmarked(value: Any) -> Any:
    """Leave fingerprints of other files out of facts: they differ for any damage."""
    if isinstance(value, dict):
        return {key: _unmarked(one) for key, one in value.items() if key != "checksum"}
    return [_unmarked(one) for one in value] if isinstance(value, list) else value


def nuclei(out: Path) -> Any:
    """Condense a table of nuclei column by column, and its facts but for fingerprints."""
    table = pq.read_table(out / "nuclei.parquet", use_threads=False)
    columns = {
        name: hashlib.sha256(repr(table[name].to_pylist()).encode()).hexdigest()
        for name in table.column_names
    }
    facts = pq.read_metadata(out / "nuclei.parquet").metadata[b"nucwsi"]
    return {**columns, "facts": _unmarked(json.loads(facts))}


def corrected(out: Path) -> Any:
    """Condense corrected tables; the record beside them holds the fingerprint of the answers."""
    return {name: mark for name, mark in contents(out).items() if "corrected.json" not in name}


def cards(out: Path) -> Any:
    """Return the cards beside networks, which `adopt` writes."""
    return {path.name: path.read_text() for path in (out.parent / "in").glob("*.json")}


def answer(out: Path) -> Any:
    """Return what a command has printed."""
    return (out.parent / "stdout").read_text("utf-8")


def canvas(out: Path) -> Any:
    """Tell what `tile` made of a slide: its size, its tissue, and the mean colours of 16 fields."""
    with opened(out / "tiles.zarr.zip", "tiles") as store:
        facts = store.facts
        height, width = (min(side, 512) for side in facts.frame.shape)
        rgb = store.chunk("0", 0, 0)[:, :height, :width]
    blocks = [block for rows in np.array_split(rgb, 4, 1) for block in np.array_split(rows, 4, 2)]
    return {
        "sides": [float(side) for side in facts.frame.level0_shape],
        "mpp": list(facts.frame.level0_mpp),
        "tissue": facts.tissue_um2,
        # Glass may as well be white: a tile of it may be missing.
        "colours": [min(float(block.mean()), _GLASS) for block in blocks if block.size],
    }


def maps(out: Path) -> Any:
    """Tell what `predict` made: its arrays, and their facts but for the checkpoint's checksum."""
    with opened(out / "maps.zarr.zip", "maps") as store:
        facts = store.facts.with_(members=()).to_json()
    with zipfile.ZipFile(out / "maps.zarr.zip") as archive:
        arrays = {item.filename: item.CRC for item in archive.infolist()}
    return {**facts, **{name: crc for name, crc in arrays.items() if name != ".zattrs"}}


@dataclass(frozen=True)
class Subject:
    """A file that is damaged, and what reads it.

    Attributes
    ----------
    name : str
        In the log.
    kit : callable
        Writes the sound file, and what its command needs besides, into a folder.
    file : str
        Name of the file that is damaged; it may lie in a folder.
    mutators : tuple of callable
        Each as likely as the others; one that is listed twice, twice as likely.
    commands : tuple of str
        Run one after the other in a folder with the kit in ``in/`` and results in ``out/``. Once
        the first one has accepted the file, none of the others may refuse it.
    tolerance : float
        By which share numbers of a result may differ and still be the same.
    result : callable
        Reads from the folder of results what is compared.
    judges : bool
        Whether the command answers with its exit code what it thinks of the file.
    before : callable
        Called in the process of the command, to make large things small.
    """

    name: str
    kit: Kit
    file: str
    mutators: tuple[Mutator, ...]
    commands: tuple[str, ...]
    tolerance: float = 0.0
    result: Callable[[Path], Any] = contents
    judges: bool = False
    before: Callable[[], None] = lambda: None

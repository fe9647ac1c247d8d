"""Reads the documented form: a manifest, and for each image a picture and an archive of labels."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import DataError
from nucwsi.io.csv_table import original
from nucwsi.io.datasets.dataset import Dataset, Entry
from nucwsi.io.datasets.read_files import read_image, readable
from nucwsi.io.text import decoded
from nucwsi.labels.labelled_image import LabelledImage, labelled_instances, labelled_points
from nucwsi.labels.splits import SPLITS
from nucwsi.labels.taxonomy import UNTABLED

MANIFEST = "manifest.csv"
LABELS_TABLE = "labels.csv"
LABEL_COLUMNS = ("dataset", "code", "name")
_NEEDED = {"dataset", "name", "split", "mpp"}
_PICTURES = (".png", ".webp")


def read(folder: Path) -> Dataset:
    """List the images of a manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that holds ``manifest.csv``, or that file; docs/data.md describes its columns.

    Returns
    -------
    Dataset
        One entry a row, in the order of the manifest.

    Raises
    ------
    DataError
        If the manifest is missing, lacks a column, or names an image that does not exist.
    """
    path = folder / MANIFEST if folder.is_dir() else folder
    rows = _table(path, _NEEDED)
    table = path.with_name(LABELS_TABLE)
    named = UNTABLED | (_read_labels(table) if table.exists() else {})
    entries = tuple(_entry(path, row, named.get(row["dataset"], {})) for row in rows)
    return Dataset(entries, {name: named.get(name, {}) for name in {e.dataset for e in entries}})


def _table(path: Path, needed: set[str]) -> list[dict[str, str]]:
    try:
        table = csv.DictReader(io.StringIO(decoded(path.read_bytes()), newline=""), restval="")
        columns = table.fieldnames or ()
        rows = list(table)
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist; make it with `nucwsi data import`") from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: is not UTF-8; expected a table with commas, in Excel saved as CSV UTF-8"
        ) from None
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a table with commas") from None
    if not needed <= set(columns):
        shown = ", ".join(map(repr, columns)) or "(none)"
        raise DataError(
            f"{path}: has the columns {shown}; expected at least {', '.join(sorted(needed))},"
            " separated by commas"
        )
    for number, row in enumerate(rows, start=1):
        # The reader keeps cells beyond the last column under the key None.
        if None in row:
            raise DataError(
                f"{path}: row {number} has more cells than the table has columns; put quotes around"
                " a cell that holds a comma"
            )
    return [{name: original(cell) for name, cell in row.items()} for row in rows]


def _read_labels(path: Path) -> dict[str, dict[int, str]]:
    named: dict[str, dict[int, str]] = {}
    for row in _table(path, set(LABEL_COLUMNS)):
        code = row["code"]
        if not (code.isdecimal() and len(code) < 10 and 1 <= int(code) <= 255):
            raise DataError(f"{path}: code {code[:20]!r}; expected 1 to 255")
        named.setdefault(row["dataset"], {})[int(code)] = row["name"].strip().lower()
    return named


def _entry(path: Path, row: dict[str, str], labels: dict[int, str]) -> Entry:
    name = f"{row['dataset']}/{row['name']}"
    if row["split"] not in SPLITS:
        raise DataError(
            f"{path}: {name} is of split {row['split']!r}; expected {', '.join(SPLITS)}"
        )
    try:
        mpp = float(row["mpp"]) if row["mpp"] else None
    except ValueError:
        raise DataError(f"{path}: {name} has mpp {row['mpp']!r}; expected µm, or none") from None
    if mpp is not None and not (math.isfinite(mpp) and mpp > 0):
        raise DataError(f"{path}: {name} has mpp {mpp:g}; expected µm above 0, or none")
    stem = path.parent / row["dataset"] / row["name"]
    pictures = [stem.with_name(stem.name + suffix) for suffix in _PICTURES]
    picture = next((p for p in pictures if p.is_file()), pictures[0])
    archive = stem.with_name(stem.name + ".npz")
    for needed in (picture, archive):
        if not needed.is_file():
            raise DataError(f"{path}: {name}: {needed} does not exist; copy the whole folder")
    return Entry(
        row["dataset"],
        row["name"],
        partial(_image, picture, archive, bool(labels)),
        mpp,
        patient=row.get("patient", ""),
        part=row["split"],
        split=row["split"],
        licence=row.get("licence", ""),
        note=row.get("note", ""),
    )


def _image(picture: Path, archive: Path, named: bool) -> LabelledImage:
    arrays = _arrays(archive)
    where = str(archive)
    codes = arrays.get("classes")
    if codes is not None and codes.any() and not named:
        raise DataError(f"{archive}: has classes, but {LABELS_TABLE} does not name them; add it")
    image = read_image(picture)
    if "points" in arrays and codes is not None:
        return labelled_points(where, image, arrays["points"], codes)
    if "instances" not in arrays or (codes is not None and "ids" not in arrays):
        raise DataError(
            f"{archive}: holds {', '.join(arrays) or 'nothing'}; expected instances, with ids and"
            " classes if they are known, or points and classes"
        )
    classes = None if codes is None else (arrays["ids"], codes)
    return labelled_instances(where, image, arrays["instances"], classes, arrays.get("ignored"))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read an archive of NumPy, which takes memory for what the header of an array states."""
    # NumPy leaves a damaged file open that it opened itself.
    with readable(path, "archive"), path.open("rb") as stream:
        with zipfile.ZipFile(stream) as archive:
            for item in archive.infolist():
                with archive.open(item) as held:
                    version, _ = np.lib.format.read_magic(held)
                    header = getattr(np.lib.format, f"read_array_header_{version}_0")
                    shape, _, dtype = header(held)
                if math.prod(shape) * dtype.itemsize > item.file_size:
                    raise ValueError(f"{item.filename} holds less than {shape}")
        stream.seek(0)
        return dict(np.load(stream, allow_pickle=False))

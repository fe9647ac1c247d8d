"""Writes labelled images in the documented form, which `manifest` reads."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucwsi.io.csv_table import harmless
from nucwsi.io.datasets.dataset import Entry
from nucwsi.io.datasets.manifest import LABEL_COLUMNS, LABELS_TABLE, MANIFEST
from nucwsi.labels.labelled_image import LabelledImage

_COLUMNS = (
    *("dataset", "name", "split", "height", "width", "mpp"),
    *("nuclei", "classified", "patient", "licence", "note"),
)


class Writer:
    """Writes a folder in the documented form, image by image.

    Parameters
    ----------
    folder : pathlib.Path
        An existing, empty folder.
    labels : dict
        Data set -> label code -> name of the label.
    """

    def __init__(self, folder: Path, labels: dict[str, dict[int, str]]) -> None:
        self._folder = folder
        self._rows: list[dict[str, object]] = []
        _write_table(
            folder / LABELS_TABLE,
            LABEL_COLUMNS,
            [
                {"dataset": dataset, "code": code, "name": name}
                for dataset, named in labels.items()
                for code, name in named.items()
            ],
        )

    def add(self, entry: Entry, labelled: LabelledImage) -> None:
        """Write one image with its labels.

        Parameters
        ----------
        entry : Entry
            What the manifest says of the image; its split is chosen.
        labelled : LabelledImage
            The image and its labels, as `entry` read them.
        """
        stem = self._folder / entry.dataset / entry.name
        stem.parent.mkdir(exist_ok=True)
        Image.fromarray(labelled.image).save(stem.with_name(stem.name + ".png"))
        arrays = {
            "instances": labelled.instances,
            "ids": None if labelled.instances is None else labelled.ids,
            "points": labelled.points,
            "classes": labelled.codes,
            "ignored": labelled.ignored,
        }
        held: dict[str, Any] = {k: _narrow(v) for k, v in arrays.items() if v is not None}
        np.savez_compressed(stem.with_name(stem.name + ".npz"), **held)
        classified = "no" if labelled.codes is None else "yes"
        height, width = labelled.image.shape[:2]
        self._rows.append(
            {
                **{key: getattr(entry, key) for key in _COLUMNS if hasattr(entry, key)},
                "mpp": "" if entry.mpp is None else f"{entry.mpp:g}",
                "height": height,
                "width": width,
                "nuclei": len(labelled.ids),
                "classified": classified if labelled.points is None else "points",
            }
        )

    def close(self) -> None:
        """Write the manifest. Nothing may be added afterwards."""
        _write_table(self._folder / MANIFEST, _COLUMNS, self._rows)


def _narrow(values: NDArray[np.generic]) -> NDArray[np.generic]:
    fits = values.dtype == np.int32 and values.max(initial=0) < 2**16
    return values.astype(np.uint16) if fits else values


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {
                column: harmless(value) if isinstance(value, str) else value
                for column, value in row.items()
            }
            for row in rows
        )

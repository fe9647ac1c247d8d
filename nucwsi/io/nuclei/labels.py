"""The nuclei as pixels: an OME-Zarr 0.4 image with labels, for Python and napari.

The image shows the classes in their colours. A pixel of ``labels/nuclei`` holds the number of its
nucleus: the nucleus' row in the table of nuclei, counted from 1. A pixel of ``labels/class`` holds
the number of the class, counted from 1 as well. 0 is background in both.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame, Window
from nucwsi.io.stores.arrays import create_array, create_group, pack
from nucwsi.io.stores.ome import OME_VERSION, multiscales, rgb_display
from nucwsi.io.stores.publish import workspace
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.nuclei.raster import burn_outlines, by_square
from nucwsi.nuclei.table import NucleusTable

if TYPE_CHECKING:
    import zarr

#: Side of a chunk in pixels.
_CHUNK_PX = 1024

#: Colour of the background in the image.
_BACKGROUND = (255, 255, 255)


class _Level(NamedTuple):
    """One resolution of the image and of both label images."""

    rgb: zarr.Array[Any]
    nuclei: zarr.Array[Any]
    classes: zarr.Array[Any]


def _shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    shapes = [shape]
    while max(shapes[-1]) > _CHUNK_PX:
        height, width = shapes[-1]
        shapes.append((-(-height // 2), -(-width // 2)))
    return shapes


def _multiscales(name: str, axes: str, levels: int, frame: Frame) -> dict[str, Any]:
    # The place of the canvas on the slide, so that viewers can overlay them.
    origin_um = np.multiply(frame.origin_px, frame.level0_mpp).tolist()
    return multiscales(name, axes, [frame.mpp * 2**level for level in range(levels)], origin_um)


def _class_label(classes: tuple[str, ...]) -> dict[str, Any]:
    palette = colours(classes)
    named = list(enumerate(classes, start=1))
    shown = [{"label-value": 0, "rgba": [0, 0, 0, 0]}]
    shown += [{"label-value": n, "rgba": [*palette[name], 255]} for n, name in named]
    properties = [{"label-value": 0, "class": ""}]
    properties += [{"label-value": n, "class": display_name(name)} for n, name in named]
    return {"colors": shown, "properties": properties}


def _create(folder: Path, facts: SlideFacts) -> list[_Level]:
    classes, name, frame = facts.classes, facts.slide, facts.frame
    shapes = _shapes(frame.shape)
    label = {"version": OME_VERSION, "source": {"image": "../../"}}
    groups = {
        "": {**_multiscales(name, "cyx", len(shapes), frame), **rgb_display()},
        "labels": {"labels": ["nuclei", "class"]},
        "labels/nuclei": {**_multiscales("nuclei", "yx", len(shapes), frame), "image-label": label},
        "labels/class": {
            **_multiscales("class", "yx", len(shapes), frame),
            "image-label": {**label, **_class_label(classes)},
        },
    }
    made = {path: create_group(folder / path, attributes) for path, attributes in groups.items()}
    chunk = (_CHUNK_PX, _CHUNK_PX)
    return [
        _Level(
            create_array(made[""], str(n), (3, *shape), (3, *chunk), "u1", 255),
            create_array(made["labels/nuclei"], str(n), shape, chunk, "u4", 0),
            create_array(made["labels/class"], str(n), shape, chunk, "u1", 0),
        )
        for n, shape in enumerate(shapes)
    ]


def _window(square: tuple[int, int], shape: tuple[int, int]) -> Window | None:
    whole = Window(0, 0, *shape)
    row, column = (side * _CHUNK_PX for side in square)
    return Window(row, column, _CHUNK_PX, _CHUNK_PX).intersection(whole)


def _on_canvas(table: NucleusTable, frame: Frame) -> NDArray[np.object_]:
    return level0_to_canvas(shapely.from_wkb(table.geometry), frame)


def write_labels(
    path: Path, tables: Iterable[NucleusTable], facts: SlideFacts, decisive: dict[str, Any]
) -> None:
    """Paint the nuclei, and publish the image with its labels as one zip.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.ome.zarr.zip``.
    tables : iterable of NucleusTable
        Consumed one at a time.
    facts : SlideFacts
        Of the table of nuclei: ``frame``, ``classes`` and ``slide``.
    decisive : dict
        Plain JSON types that identify these nuclei.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    frame = facts.frame
    with workspace(path, decisive) as place:
        folder = place.folder / "labels"
        # What a killed run has painted is not resumed.
        shutil.rmtree(folder, ignore_errors=True)
        levels = _create(folder, facts)
        squares: set[tuple[int, int]] = set()
        codes, first = [np.zeros(1, np.uint8)], 1
        for table in tables:
            polygons = _on_canvas(table, frame)
            numbers = np.arange(first, first + len(table), dtype=np.uint32)
            for square, some in by_square(polygons, _CHUNK_PX).items():
                window = _window(square, frame.shape)
                if window is not None:
                    labels = np.asarray(levels[0].nuclei[window.slices])
                    burn_outlines(labels, polygons[some], numbers[some], window)
                    levels[0].nuclei[window.slices] = labels
                    squares.add(square)
            codes.append(table.class_code + np.uint8(1))
            first += len(table)
        _colour(levels, squares, np.concatenate(codes), facts.classes)
        pack(folder, path)


def _colour(
    levels: list[_Level],
    squares: set[tuple[int, int]],
    codes: NDArray[np.uint8],
    classes: tuple[str, ...],
) -> None:
    """Fill in classes, colours and the coarser levels, which take every second pixel."""
    palette = np.array([_BACKGROUND, *colours(classes).values()], np.uint8)
    for number, level in enumerate(levels):
        shape = level.nuclei.shape
        for square in sorted(squares):
            window = _window(square, (shape[0], shape[1]))
            if window is None:
                continue
            if number:
                finer = slice(2 * window.row, 2 * window.row_stop, 2)
                across = slice(2 * window.column, 2 * window.column_stop, 2)
                level.nuclei[window.slices] = levels[number - 1].nuclei[finer, across]
            kinds = codes[np.asarray(level.nuclei[window.slices])]
            level.classes[window.slices] = kinds
            level.rgb[(slice(None), *window.slices)] = palette[kinds].transpose(2, 0, 1)
        squares = {(row // 2, column // 2) for row, column in squares}

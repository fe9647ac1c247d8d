"""Writes a phantom as a slide, and its truth beside it."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.errors import ConfigError
from nucwsi.grid import Window
from nucwsi.io.stores.publish import published
from nucwsi.phantom import CLASSES, Nucleus, Phantom

_TILE = 256
#: The last level of the pyramid has at most this many pixels along its longer side.
_SMALLEST = 1024
#: Number of columns that are painted at once.
_AT_ONCE = 4096


def write_phantom(path: Path, phantom: Phantom) -> Path:
    """Write a phantom as a pyramidal tiled JPEG TIFF, and its truth beside it.

    Memory grows only with the width of the slide; the coarser levels take scratch space on disk.

    Parameters
    ----------
    path : pathlib.Path
        The slide to write; its name ends in ``.tif`` or ``.tiff``.
    phantom : Phantom
        What to paint: its size in level-0 pixels, its mpp and its nuclei.

    Returns
    -------
    pathlib.Path
        The truth, ``<stem>.truth.geojson``: one detection per nucleus, x and y in level-0 pixels.

    Raises
    ------
    ConfigError
        If the name does not end in .tif or .tiff.
    StoreError
        If a file cannot be written.
    """
    if path.suffix.lower() not in {".tif", ".tiff"}:
        raise ConfigError(f"{path}: a phantom is a TIFF; let its name end in .tiff")
    truth = path.with_name(f"{path.stem}.truth.geojson")
    with published(truth) as truth_aside, published(path) as aside:
        _write_truth(truth_aside, phantom)
        _write_pyramid(aside, phantom)
    return truth


def _write_pyramid(path: Path, phantom: Phantom) -> None:
    height, width = phantom.shape
    n_levels = 1
    while max(height, width) >> (n_levels - 1) > _SMALLEST:
        n_levels += 1
    # JPEG is about ten times smaller than the pixels; classic TIFF ends at 4 GB.
    bigtiff = height * width > 4 << 30
    with ExitStack() as stack:
        tiff = stack.enter_context(tifffile.TiffWriter(path, bigtiff=bigtiff))
        strips = _painted(phantom)
        for level in range(n_levels):
            shape = height >> level, width >> level
            # A file without a name leaves nothing behind, and the folder has room for the slide.
            half = stack.enter_context(tempfile.TemporaryFile(dir=path.parent))
            per_cm = 1e4 / (phantom.mpp * 2**level)
            tiff.write(
                _tiles(strips, half),
                shape=(*shape, 3),
                dtype=np.uint8,
                tile=(_TILE, _TILE),
                photometric="rgb",  # of the input; the file holds YCbCr
                compression="jpeg",
                compressionargs={"level": 90},
                subsampling=(2, 2),
                subfiletype=1 if level else 0,
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                metadata=None,
                software=False,
                description=f"nucwsi phantom, seed {phantom.seed}" if level == 0 else None,
            )
            half.seek(0)
            strips = _read(half, width >> (level + 1))


def _painted(phantom: Phantom) -> Iterator[NDArray[np.uint8]]:
    """Yield level 0 in strips (H, W, 3) as high as a tile, from top to bottom."""
    height, width = phantom.shape
    for top in range(0, height, _TILE):
        rows = min(_TILE, height - top)
        parts = [
            phantom.paint(Window(top, left, rows, min(_AT_ONCE, width - left)))
            for left in range(0, width, _AT_ONCE)
        ]
        yield np.concatenate(parts, axis=1)


def _read(file: BinaryIO, width: int) -> Iterator[NDArray[np.uint8]]:
    """Yield a level that was put aside in strips (H, W, 3) as high as a tile."""
    while data := file.read(_TILE * width * 3):
        yield np.frombuffer(data, np.uint8).reshape(-1, width, 3)


def _tiles(strips: Iterator[NDArray[np.uint8]], half: BinaryIO) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of a level in raster order, and put the pixels of the next level aside."""
    for strip in strips:
        half.write(_halved(strip).tobytes())
        for column in range(0, strip.shape[1], _TILE):
            yield np.ascontiguousarray(strip[:, column : column + _TILE])


def _halved(strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average blocks of 2 x 2 pixels; an odd row or column at the end is dropped."""
    height, width = (side // 2 for side in strip.shape[:2])
    quads = strip[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    return ((quads.sum((1, 3), dtype=np.uint16) + 2) // 4).astype(np.uint8)


def _write_truth(path: Path, phantom: Phantom) -> None:
    # Written by hand, one feature a line, because the nuclei of a large phantom fill the memory.
    colour = colours(CLASSES)
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"type":"FeatureCollection","features":[')
        for index, nucleus in enumerate(phantom.nuclei()):
            stream.write(",\n" if index else "\n")
            json.dump(_feature(phantom, nucleus, colour), stream, separators=(",", ":"))
        stream.write("\n]}\n")


def _feature(
    phantom: Phantom, nucleus: Nucleus, colour: dict[str, tuple[int, int, int]]
) -> dict[str, Any]:
    polygon = phantom.polygon(nucleus)
    scene = "phantom" if phantom.scene == "seams" else phantom.scene
    ring = np.round(np.asarray(polygon.exterior.coords), 2).tolist()
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"nucwsi/{scene}/{phantom}/{nucleus.id}")),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "detection",
            "classification": {
                "name": display_name(nucleus.class_name),
                "color": list(colour[nucleus.class_name]),
            },
            "kind": nucleus.kind,
            "centroid": [round(polygon.centroid.y, 2), round(polygon.centroid.x, 2)],
        },
    }

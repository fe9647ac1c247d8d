"""Make a slide of any size from the compressed tiles of another: nothing is decoded.

``python -m bench.large_slide SLIDE OUTPUT HEIGHT WIDTH``: `bench.growth` compares the memory that a
slide takes with that of one which holds the same tissue many times.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tifffile

from bench.measure import SkipError

_JPEG, _TABLES, _UNDEFINED = 7, 347, 7


def repeated(slide: Path, output: Path, height: int, width: int) -> tuple[int, int]:
    """Write a BigTIFF that repeats the JPEG tiles of a slide, with all levels that have tiles.

    Parameters
    ----------
    slide : pathlib.Path
        A pyramid of JPEG tiles, such as Aperio's. What does not fill tiles of all levels at its
        lower and right edge is not repeated.
    output : pathlib.Path
        The new slide; replaced if it exists.
    height, width : int
        Size of level 0 in pixels; rounded up to whole tiles of all levels.

    Returns
    -------
    (int, int)
        Height and width of what is repeated, in level-0 pixels.

    Raises
    ------
    SkipError
        If the slide has no JPEG tiles, or not one that is whole on all levels.
    """
    with tifffile.TiffFile(slide) as source:
        full = source.pages.first
        pages = [page for page in source.pages if page.is_tiled and page.compression == _JPEG]
        if not pages or pages[0] is not full:
            raise SkipError(f"{slide}: level 0 has no JPEG tiles to repeat")
        downs = [round(full.imagewidth / page.imagewidth) for page in pages]
        # Level-0 pixels that are whole tiles of every level.
        units = [
            max(getattr(page, side) * down for page, down in zip(pages, downs, strict=True))
            for side in ("tilelength", "tilewidth")
        ]
        repeats = [
            side // unit
            for side, unit in zip((full.imagelength, full.imagewidth), units, strict=True)
        ]
        if min(repeats) < 1:
            raise SkipError(f"{slide}: is smaller than one tile of its coarsest level")
        shape = [-(-side // unit) * unit for side, unit in zip((height, width), units, strict=True)]
        with tifffile.TiffWriter(output, bigtiff=True) as target:
            for page, down in zip(pages, downs, strict=True):
                tile = page.tilelength, page.tilewidth
                sides = [side // down for side in shape]
                period = [
                    count * unit // (down * part)
                    for count, unit, part in zip(repeats, units, tile, strict=True)
                ]
                grid = [side // part for side, part in zip(sides, tile, strict=True)]
                _write(target, page, _tiles(source, page, grid, period), sides, down > 1)
        return repeats[0] * units[0], repeats[1] * units[1]


def _tiles(source: Any, page: Any, grid: list[int], period: list[int]) -> Iterator[bytes]:
    """Yield the compressed tiles of a page, over and over."""
    per_row = -(-page.imagewidth // page.tilewidth)
    for row in range(grid[0]):
        for column in range(grid[1]):
            place = row % period[0] * per_row + column % period[1]
            source.filehandle.seek(page.dataoffsets[place])
            yield source.filehandle.read(page.databytecounts[place])


def _write(
    target: Any, page: Any, tiles: Iterator[bytes], sides: list[int], is_smaller: bool
) -> None:
    """Write a page of compressed tiles that says of itself what another page says."""
    tables = page.jpegtables
    subsampling = page.tags.get("YCbCrSubSampling")
    target.write(
        tiles,
        shape=(*sides, page.samplesperpixel),
        dtype=page.dtype,
        tile=(page.tilelength, page.tilewidth),
        photometric=page.photometric,
        compression="jpeg",
        # What the compressed tiles hold; tifffile would have it that RGB is turned into YCbCr.
        compressionargs={"outcolorspace": page.photometric},
        subsampling=None if subsampling is None else subsampling.value,
        # Aperio's second page is a thumbnail; without it, only this tells a level.
        subfiletype=page.subfiletype | is_smaller,
        description=page.description or None,
        metadata=None,
        extratags=[(_TABLES, _UNDEFINED, len(tables), tables, True)] if tables else [],
    )


if __name__ == "__main__":
    repeated(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps({"bytes": Path(sys.argv[2]).stat().st_size}))

"""A slide as a pyramid of JPEG tiles: the tissue at the working mpp, the rest as an overview."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import Source
from nucwsi.io.slides.slide import Slide
from nucwsi.report.imagery import jpeg
from nucwsi.slide.resample import reduced

#: Side of a tile.
TILE_PX = 512

#: From this reduction on the whole slide is shown, below it only the tissue.
CELL_PX = 16


class Pyramid(NamedTuple):
    """What a folder of tiles holds.

    Attributes
    ----------
    min_level, max_level : int
        The coarsest level, and that of full resolution; each has twice the pixels along a side of
        the one below.
    tiles : (R, C) ndarray of bool
        Tiles that exist at full resolution. Below `CELL_PX`, a tile of a coarser level exists if
        one of those under it does; from there on, all exist.
    """

    min_level: int
    max_level: int
    tiles: NDArray[np.bool_]


class _Writer:
    """Reads, halves and writes tiles; level and place name each."""

    def __init__(
        self, source: Source, overview: NDArray[np.uint8], folder: Path, quality: int
    ) -> None:
        self.source, self.overview = source, Image.fromarray(overview)
        self.folder, self.quality = folder, quality
        self.shape = source.frame.shape
        self.max_level = max(0, (max(self.shape) - 1).bit_length())

    def save(self, picture: NDArray[np.uint8], level: int, row: int, column: int) -> None:
        path = self.folder / str(level) / f"{column}_{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(picture, self.quality))

    def window(self, factor: int, row: int, column: int) -> Window | None:
        """Return a tile in pixels of its level, or None where the level ends before."""
        height, width = (-(-side // factor) for side in self.shape)
        tile = Window(row * TILE_PX, column * TILE_PX, TILE_PX, TILE_PX)
        return tile.intersection(Window(0, 0, height, width))

    def built(
        self, factor: int, row: int, column: int, wanted: NDArray[np.bool_]
    ) -> NDArray[np.uint8] | None:
        """Make a tile and all below it; None where none is wanted."""
        window = self.window(factor, row, column)
        rows, columns = (slice(at * factor, (at + 1) * factor) for at in (row, column))
        if window is None or not wanted[rows, columns].any():
            return None
        if factor == 1:
            picture = self.source.read(window)[0]
        else:
            picture = self._joined(factor, row, column, wanted)[: window.height, : window.width]
        self.save(picture, self.max_level - factor.bit_length() + 1, row, column)
        return picture

    def _joined(
        self, factor: int, row: int, column: int, wanted: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        half = factor // 2
        whole = np.full((2 * TILE_PX, 2 * TILE_PX, 3), 255, np.uint8)
        stop = [0, 0]
        for down in (0, 1):
            for right in (0, 1):
                place = (2 * row + down, 2 * column + right)
                window = self.window(half, *place)
                if window is None:
                    continue
                part = self.built(half, *place, wanted)
                if part is None:
                    part = self._magnified(window, half)
                height, width = part.shape[:2]
                top, left = down * TILE_PX, right * TILE_PX
                whole[top : top + height, left : left + width] = part
                stop = [max(stop[0], top + height), max(stop[1], left + width)]
        return _halved(whole[: stop[0], : stop[1]])

    def _magnified(self, window: Window, factor: int) -> NDArray[np.uint8]:
        """Fill a tile without tissue from the overview."""
        grow = CELL_PX // factor
        box = (
            window.column / grow,
            window.row / grow,
            min(window.column_stop / grow, self.overview.width),
            min(window.row_stop / grow, self.overview.height),
        )
        size = (window.width, window.height)
        return np.asarray(self.overview.resize(size, Image.Resampling.BILINEAR, box=box))


def _halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(reduced(picture.transpose(2, 0, 1), 2).transpose(1, 2, 0))


def write_pyramid(
    slide: Slide, frame: Frame, tissue: NDArray[np.bool_], folder: Path, quality: int, threads: int
) -> Pyramid:
    """Write a slide as tiles ``{level}/{column}_{row}.jpg``, as a deep zoom image has them.

    Parameters
    ----------
    slide : Slide
    frame : Frame
    tissue : (H, W) ndarray of bool
        What is shown at full resolution, in cells of `CELL_PX` canvas pixels.
    folder : pathlib.Path
    quality : int
        Of the JPEG, 1 to 100.
    threads : int

    Returns
    -------
    Pyramid
    """
    source = Source(slide, frame)
    overview, _ = source.overview(CELL_PX, threads)
    writer = _Writer(source, overview, folder, quality)
    cells = TILE_PX // CELL_PX
    height, width = (-(-side // TILE_PX) for side in frame.shape)
    padded = np.zeros((height * cells, width * cells), bool)
    padded[: tissue.shape[0], : tissue.shape[1]] = tissue
    blocks = padded.reshape(height, cells, width, cells)
    wanted = np.logical_or.reduce(blocks, axis=(1, 3))
    top = min(CELL_PX // 2, 1 << writer.max_level)
    places = [(r, c) for r in range(-(-height // top)) for c in range(-(-width // top))]

    def _build(place: tuple[int, int]) -> None:
        writer.built(top, place[0], place[1], wanted)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_build, places))
    level = max(0, writer.max_level - CELL_PX.bit_length() + 1)
    while True:
        for row in range(-(-overview.shape[0] // TILE_PX)):
            for column in range(-(-overview.shape[1] // TILE_PX)):
                tile = overview[row * TILE_PX :, column * TILE_PX :][:TILE_PX, :TILE_PX]
                writer.save(tile, level, row, column)
        if level == 0 or max(overview.shape[:2]) <= TILE_PX:
            return Pyramid(level, writer.max_level, wanted)
        overview, level = _halved(overview), level - 1

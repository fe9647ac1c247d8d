"""The image pyramid of the viewer: JPEG tiles of the tissue, amid an overview of the slide.

Level `max_level` has one pixel for each canvas pixel; every level below it halves both sides. The
overview has one pixel for each cell of `grid.CELL_PX` canvas pixels, a power of two. Levels reduced
by this factor or more show the whole slide, finer ones only the tiles with tissue.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucwsi.grid import CELL_PX, Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import Slide
from nucwsi.report.imagery import encode_jpeg
from nucwsi.runtime.allocator import return_freed_memory

#: Side of a tile in its pixels.
TILE_PX = 512

#: Pixels of the overview around a tile that have a share in it where it is magnified.
_AROUND_PX = 3


class Pyramid(NamedTuple):
    """The tiles of a pyramid.

    Attributes
    ----------
    min_level, max_level : int
        The coarsest level and the level of full resolution.
    tiles : (R, C) ndarray of bool
        Whether each tile of `max_level` exists. A tile of a level reduced by less than `CELL_PX`
        exists if one of the tiles that it covers does; on the coarser levels all tiles exist.
    """

    min_level: int
    max_level: int
    tiles: NDArray[np.bool_]


class _Writer:
    """Makes the tiles of the levels that are reduced by less than `CELL_PX`.

    The overview is read a band at a time: that of a large slide takes as much memory as all else.
    """

    def __init__(self, source: SlideCanvas, folder: Path, quality: int) -> None:
        self.source, self.folder, self.quality = source, folder, quality
        self.shape = source.frame.shape
        self.max_level = max(0, (max(self.shape) - 1).bit_length())
        height, width = (-(-side // CELL_PX) for side in self.shape)
        self.cells = Window(0, 0, height, width)

    def look(self, band: Window, threads: int) -> NDArray[np.uint8]:
        """Read a band of the overview, in cells, and see it where there is no tissue."""
        self.seen = band.grown(_AROUND_PX).intersection(self.cells) or band
        self.overview, _ = self.source.overview(CELL_PX, threads, self.seen)
        return self.overview[band.within(self.seen).slices]

    def save_row(self, image: NDArray[np.uint8], level: int, row: int) -> None:
        """Save the tiles of a row of a level, of which the image holds nothing else."""
        for column in range(-(-image.shape[1] // TILE_PX)):
            self.save(image[:, column * TILE_PX :][:, :TILE_PX], level, row, column)

    def save(self, image: NDArray[np.uint8], level: int, row: int, column: int) -> None:
        path = self.folder / str(level) / f"{column}_{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(image, self.quality))

    def window(self, factor: int, row: int, column: int) -> Window | None:
        """Return a tile in pixels of its level, or None if it lies beyond the level's end."""
        height, width = (-(-side // factor) for side in self.shape)
        tile = Window(row * TILE_PX, column * TILE_PX, TILE_PX, TILE_PX)
        return tile.intersection(Window(0, 0, height, width))

    def build(
        self, factor: int, row: int, column: int, wanted: NDArray[np.bool_]
    ) -> NDArray[np.uint8] | None:
        """Make a tile of a level and all finer tiles that it covers; None if none is wanted."""
        window = self.window(factor, row, column)
        rows, columns = (slice(at * factor, (at + 1) * factor) for at in (row, column))
        if window is None or not wanted[rows, columns].any():
            return None
        if factor == 1:
            image = self.source.read(window)[0]
        else:
            image = self._joined(factor, row, column, wanted)[: window.height, : window.width]
        self.save(image, self.max_level - factor.bit_length() + 1, row, column)
        return image

    def _joined(
        self, factor: int, row: int, column: int, wanted: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Make the four tiles below a tile and halve them to its size."""
        half = factor // 2
        whole = np.full((2 * TILE_PX, 2 * TILE_PX, 3), 255, np.uint8)
        stop = [0, 0]
        for down in (0, 1):
            for right in (0, 1):
                place = (2 * row + down, 2 * column + right)
                window = self.window(half, *place)
                if window is None:
                    continue
                part = self.build(half, *place, wanted)
                if part is None:
                    part = self._enlarged(window, half)
                height, width = part.shape[:2]
                top, left = down * TILE_PX, right * TILE_PX
                whole[top : top + height, left : left + width] = part
                stop = [max(stop[0], top + height), max(stop[1], left + width)]
        return _halved(whole[: stop[0], : stop[1]])

    def _enlarged(self, window: Window, factor: int) -> NDArray[np.uint8]:
        """Fill a tile without tissue with a part of the overview."""
        grow = CELL_PX // factor
        height, width = self.cells.shape
        # Only what the tile shows becomes a picture, with the pixels around that are mixed in.
        top, left = max(0, window.row // grow - 2), max(0, window.column // grow - 2)
        low, right = window.row_stop // grow + 3, window.column_stop // grow + 3
        above = self.seen.row
        part = Image.fromarray(self.overview[top - above : low - above, left:right])
        box = (
            window.column / grow - left,
            window.row / grow - top,
            min(window.column_stop / grow, width) - left,
            min(window.row_stop / grow, height) - top,
        )
        size = (window.width, window.height)
        return np.asarray(part.resize(size, Image.Resampling.BILINEAR, box=box))


def _halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average blocks of 2 x 2 pixels, rounded half up; one that the edge cuts repeats the edge."""
    return np.asarray(Image.fromarray(image).reduce(2))


def tiles_with_tissue(tissue: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Find the tiles of full resolution that hold tissue.

    Parameters
    ----------
    tissue : (H, W) ndarray of bool
        Tissue in cells of `CELL_PX` canvas pixels.
    shape : (int, int)
        Height and width of the canvas in pixels.

    Returns
    -------
    (R, C) ndarray of bool
        One for each tile of `TILE_PX` canvas pixels.
    """
    cells = TILE_PX // CELL_PX
    height, width = (-(-side // TILE_PX) for side in shape)
    padded = np.zeros((height * cells, width * cells), bool)
    padded[: tissue.shape[0], : tissue.shape[1]] = tissue
    return np.logical_or.reduce(padded.reshape(height, cells, width, cells), axis=(1, 3))


def write_pyramid(
    slide: Slide, frame: Frame, wanted: NDArray[np.bool_], folder: Path, quality: int, threads: int
) -> Pyramid:
    """Write the tiles of a slide as ``{level}/{column}_{row}.jpg``, the layout of Deep Zoom.

    Parameters
    ----------
    slide : Slide
        The open slide.
    frame : Frame
        Frame of the canvas.
    wanted : (R, C) ndarray of bool
        Which tiles of full resolution are written, as `tiles_with_tissue` finds them.
    folder : pathlib.Path
        Where the levels' folders are made.
    quality : int
        JPEG quality, 1 to 100.
    threads : int
        Number of tiles that are made at the same time.

    Returns
    -------
    Pyramid
        The tiles that were written.
    """
    writer = _Writer(SlideCanvas(slide, frame), folder, quality)
    level = max(0, writer.max_level - CELL_PX.bit_length() + 1)
    overview = _written_bands(writer, level, wanted, threads)
    side = max(writer.cells.shape)
    while level > 0 and side > TILE_PX:
        level, side = level - 1, max(overview.shape[:2])
        for row in range(-(-overview.shape[0] // TILE_PX)):
            writer.save_row(overview[row * TILE_PX :][:TILE_PX], level, row)
        overview = _halved(overview)
    return Pyramid(level, writer.max_level, wanted)


def _written_bands(
    writer: _Writer, level: int, wanted: NDArray[np.bool_], threads: int
) -> NDArray[np.uint8]:
    """Write the overview and all finer tiles, band by band; return the overview halved."""
    factor = min(CELL_PX // 2, 1 << writer.max_level)
    # So many rows of tiles that are reduced by the factor lie in a row of tiles of the overview.
    beside = CELL_PX // factor
    n_rows, n_columns = (-(-side // factor) for side in wanted.shape)
    halves = []

    def _build(place: tuple[int, int]) -> None:
        writer.build(factor, *place, wanted)
        # Between tiles that are kept, what was freed leaves gaps that nothing fits.
        return_freed_memory()

    with ThreadPoolExecutor(threads) as pool:
        for row, band in enumerate(writer.cells.cut(TILE_PX, writer.cells.width)):
            own = writer.look(band, threads)
            rows = range(row * beside, min((row + 1) * beside, n_rows))
            list(pool.map(_build, product(rows, range(n_columns))))
            writer.save_row(own, level, row)
            halves.append(_halved(own))
    return np.concatenate(halves)
